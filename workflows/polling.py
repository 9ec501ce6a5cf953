"""The tiny workflows that Temporal Schedules start: one look at a source, one time of a schedule."""

from datetime import datetime

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError

from activities.triggers import Firing, Poll, Triggers
from domain.frozen import Frozen
from workflows.options import LOOK_HEARTBEAT, LOOK_RETRY, LOOK_TIMEOUT, LOOK_WITHIN

_SCHEDULED_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


class ScheduledRelease(Frozen):
    """Which schedule of which pipeline, counted from 0, and what it said when Temporal was told of it."""

    pipeline: str
    number: int
    cron: str


@workflow.defn
class PollWorkflow:
    """Asks the source of one artifact what is new, and ends. The next one is another run."""

    @workflow.run
    async def run(self, poll: Poll) -> str:
        try:
            return await workflow.execute_activity_method(
                Triggers.look_for_versions,
                poll,
                start_to_close_timeout=LOOK_TIMEOUT,
                schedule_to_close_timeout=LOOK_WITHIN,
                heartbeat_timeout=LOOK_HEARTBEAT,
                retry_policy=LOOK_RETRY,
                summary=f"{poll.alias} of {poll.pipeline}"[:200],
            )
        except ActivityError as error:
            return f"gave up: {error.cause or error}"


@workflow.defn
class ScheduledReleaseWorkflow:
    """Notes that the time of a schedule has come; the API makes the release."""

    @workflow.run
    async def run(self, given: ScheduledRelease) -> str:
        at = workflow.info().typed_search_attributes.get(_SCHEDULED_AT)
        started: datetime = workflow.info().start_time
        return await workflow.execute_activity_method(
            Triggers.note_firing,
            Firing(pipeline=given.pipeline, number=given.number, cron=given.cron, at=at or started),
            start_to_close_timeout=LOOK_TIMEOUT,
            heartbeat_timeout=LOOK_HEARTBEAT,
            retry_policy=LOOK_RETRY,
            summary=f"{given.cron} of {given.pipeline}"[:200],
        )
