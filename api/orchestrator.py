"""The way to the workflows: start them, send them messages, read receipts. Nothing here decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowQueryFailedError,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.notifications import TellNoRelease
from activities.search_attributes import PIPELINE
from activities.triggers import Poll
from api.console_address import release_page
from domain.approval import Action, Moment, Receipt, Vote
from domain.approval_actions import Override, Reassignment, Withdrawal
from domain.frozen import Frozen
from domain.ids import OF_SCHEDULES, RELEASE_QUEUE, DeploymentId, ReleaseId, deployment_of_run, no_release_workflow_id
from domain.intervention import Decision, DecisionReceipt
from domain.refusal import Kind, Refusal
from domain.release import ReleasePlan
from domain.timetable import TimetableEntry
from workflows.approval import CastVote, MailBounced, OverrideApproval, Reassign, ReceiptQuery, Withdraw
from workflows.deployment import DeploymentWorkflow, PlanChange
from workflows.intervention import DecideIntervention, DecisionQuery
from workflows.no_release import NoReleaseWorkflow
from workflows.polling import PollWorkflow, ScheduledRelease, ScheduledReleaseWorkflow
from workflows.recording import release_details, search_attributes
from workflows.release import DeployRequest, ReleaseInput, ReleaseWorkflow
from workflows.stopping import CancelRequest

_ANSWER_WITHIN = timedelta(seconds=4)
_RECEIPT_WITHIN = timedelta(seconds=2)
_MISSED_TIME_COUNTS_FOR = timedelta(hours=1)
_MISSED_POLL_COUNTS_FOR = timedelta(seconds=30)
_NEXT_RUNS = 5
_PAUSED_BY_US = "its pipeline is paused"
# A lazy client that cannot connect says so with a plain RuntimeError.
_AWAY = (RPCError, TimeoutError, RuntimeError)


class ScheduleRefused(Refusal):
    """Temporal answers, and will not do this one thing: it may know fewer time zones than we do."""


class NothingRuns(Refusal):
    """The release or deployment does not run (any more), so that it takes no messages."""

    kind = Kind.CONFLICT


class TemporalUnavailable(Refusal):
    """Temporal does not answer; the same request will do later."""

    kind = Kind.UNAVAILABLE


class Orchestrator(Protocol):
    """Every method raises TemporalUnavailable when Temporal cannot be reached within a few seconds."""

    async def start_release(self, plan: ReleasePlan) -> str | None:
        """Start the release's workflow unless it was ever started; returns its run id where that is known."""
        ...

    async def deploy_stage(self, resumed: ReleaseInput, request: DeployRequest) -> None:
        """Ask the release's workflow for a deployment; a release that has ended goes on from ``resumed``."""
        ...

    async def cancel_release(self, release: ReleaseId, request: CancelRequest) -> None:
        """Raises NothingRuns."""
        ...

    async def cancel_deployment(self, deployment: DeploymentId, request: CancelRequest) -> None:
        """Raises NothingRuns."""
        ...

    async def change_plan(self, release: ReleaseId, change: PlanChange) -> None:
        """Raises NothingRuns."""
        ...

    async def act(self, deployment: DeploymentId, moment: Moment, action: Action) -> Receipt | None:
        """Deliver a vote, withdrawal, reassignment or override.

        None: it is stored for good, but no worker told within 2 s what became of it. Raises NothingRuns.
        """
        ...

    async def decide(self, run_id: str, decision: Decision) -> DecisionReceipt | None:
        """Deliver what somebody decided about a step run; None and errors as for ``act``."""
        ...

    async def mail_bounced(self, deployment: DeploymentId, moment: Moment, person: str, reason: str) -> None:
        """Raises NothingRuns."""
        ...

    async def put_schedule(self, entry: TimetableEntry) -> None:
        """Let it happen as the entry says, from now on. Raises ScheduleRefused."""
        ...

    async def delete_schedule(self, entry_id: str) -> None:
        """Let it happen no more; that it does not anyway is fine."""
        ...

    async def tell_no_release(self, told: TellNoRelease) -> None:
        """Mail it, once."""
        ...

    async def schedules(self) -> list[str]:
        """The ids of all that is to happen by itself."""
        ...

    async def next_runs(self, entry_id: str) -> list[datetime]:
        """The next few times; none while it is paused, or not known yet."""
        ...

    async def is_healthy(self) -> bool: ...


class TemporalOrchestrator:
    """Speaks to Temporal. Starting and signalling again with the same ids changes nothing."""

    def __init__(self, client: Client, public_url: str) -> None:
        self._client = client
        self._public_url = public_url

    async def start_release(self, plan: ReleasePlan) -> str | None:
        try:
            async with _answered_soon():
                handle = await self._client.start_workflow(
                    ReleaseWorkflow.run,
                    self._shown_in_console(ReleaseInput(plan=plan)),
                    id=plan.id.workflow_id,
                    task_queue=RELEASE_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=search_attributes(plan, plan.requested_by),
                    static_summary=plan.name,
                    static_details=self._details(plan, plan.requested_by),
                    rpc_timeout=_ANSWER_WITHIN,
                )
        except WorkflowAlreadyStartedError as started:
            return started.run_id
        return handle.result_run_id

    async def deploy_stage(self, resumed: ReleaseInput, request: DeployRequest) -> None:
        """Signal-with-start: one atomic call, whether the release runs or not."""
        async with _answered_soon():
            await self._client.start_workflow(
                ReleaseWorkflow.run,
                self._shown_in_console(resumed),
                id=resumed.plan.id.workflow_id,
                task_queue=RELEASE_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal="deploy",
                start_signal_args=[request],
                search_attributes=search_attributes(resumed.plan, request.requested_by),
                static_summary=resumed.plan.name,
                static_details=self._details(resumed.plan, request.requested_by),
                rpc_timeout=_ANSWER_WITHIN,
            )

    async def cancel_release(self, release: ReleaseId, request: CancelRequest) -> None:
        handle = self._client.get_workflow_handle_for(ReleaseWorkflow.run, release.workflow_id)
        async with _answered_soon():
            await handle.signal(ReleaseWorkflow.cancel, request, rpc_timeout=_ANSWER_WITHIN)

    async def cancel_deployment(self, deployment: DeploymentId, request: CancelRequest) -> None:
        handle = self._client.get_workflow_handle_for(DeploymentWorkflow.run, deployment.workflow_id)
        async with _answered_soon():
            await handle.signal(DeploymentWorkflow.cancel, request, rpc_timeout=_ANSWER_WITHIN)

    async def change_plan(self, release: ReleaseId, change: PlanChange) -> None:
        handle = self._client.get_workflow_handle_for(ReleaseWorkflow.run, release.workflow_id)
        async with _answered_soon():
            await handle.signal(ReleaseWorkflow.change_plan, change, rpc_timeout=_ANSWER_WITHIN)

    async def mail_bounced(self, deployment: DeploymentId, moment: Moment, person: str, reason: str) -> None:
        handle = self._client.get_workflow_handle_for(DeploymentWorkflow.run, deployment.workflow_id)
        bounced = MailBounced(moment=moment, person=person, reason=reason)
        async with _answered_soon():
            await handle.signal(DeploymentWorkflow.mail_bounced, bounced, rpc_timeout=_ANSWER_WITHIN)

    async def act(self, deployment: DeploymentId, moment: Moment, action: Action) -> Receipt | None:
        handle = self._client.get_workflow_handle_for(DeploymentWorkflow.run, deployment.workflow_id)
        name, message = _signal(moment, action)
        async with _answered_soon():
            await handle.signal(name, message, rpc_timeout=_ANSWER_WITHIN)
        try:
            async with asyncio.timeout(_RECEIPT_WITHIN.total_seconds()):
                query = ReceiptQuery(moment=moment, action_id=action.action_id, by=action.by)
                return await handle.query(DeploymentWorkflow.receipt, query, rpc_timeout=_RECEIPT_WITHIN)
        except (*_AWAY, WorkflowQueryFailedError):
            return None  # the signal is durable; a worker sees to it when there is one

    async def decide(self, run_id: str, decision: Decision) -> DecisionReceipt | None:
        handle = self._client.get_workflow_handle_for(DeploymentWorkflow.run, deployment_of_run(run_id).workflow_id)
        message = DecideIntervention(run_id=run_id, decision=decision)
        async with _answered_soon():
            await handle.signal(DeploymentWorkflow.decide, message, rpc_timeout=_ANSWER_WITHIN)
        try:
            async with asyncio.timeout(_RECEIPT_WITHIN.total_seconds()):
                query = DecisionQuery(run_id=run_id, decision_id=decision.decision_id, by=decision.by)
                return await handle.query(DeploymentWorkflow.decision_receipt, query, rpc_timeout=_RECEIPT_WITHIN)
        except (*_AWAY, WorkflowQueryFailedError):
            return None

    async def put_schedule(self, entry: TimetableEntry) -> None:
        try:
            async with _answered_soon():
                await self._put_schedule(entry.id, _schedule(entry), is_poll=entry.every is not None)
        except TemporalUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, RPCError) and cause.status == RPCStatusCode.INVALID_ARGUMENT:
                raise ScheduleRefused(f"Temporal does not take {entry.id}: {cause.message}") from cause
            raise

    async def _put_schedule(self, name: str, schedule: Schedule, *, is_poll: bool) -> None:
        try:
            # A source is asked at once for what it has, so that what comes from now on can be told from it.
            at_once = is_poll and not schedule.state.paused
            await self._client.create_schedule(name, schedule, trigger_immediately=at_once, rpc_timeout=_ANSWER_WITHIN)
        except ScheduleAlreadyRunningError:
            handle = self._client.get_schedule_handle(name)
            resumed = list[bool]()

            def change(found: ScheduleUpdateInput) -> ScheduleUpdate:
                update = _changed(schedule, found)
                resumed[:] = [found.description.schedule.state.paused and not update.schedule.state.paused]
                return update

            await handle.update(change, rpc_timeout=_ANSWER_WITHIN)
            if is_poll and any(resumed):
                await handle.trigger(rpc_timeout=_ANSWER_WITHIN)

    async def delete_schedule(self, entry_id: str) -> None:
        with suppress(NothingRuns):
            async with _answered_soon():
                await self._client.get_schedule_handle(entry_id).delete(rpc_timeout=_ANSWER_WITHIN)

    async def tell_no_release(self, told: TellNoRelease) -> None:
        with suppress(WorkflowAlreadyStartedError):
            async with _answered_soon():
                await self._client.start_workflow(
                    NoReleaseWorkflow.run,
                    told,
                    id=no_release_workflow_id(told.event_id),
                    task_queue=RELEASE_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=TypedSearchAttributes([SearchAttributePair(PIPELINE, told.pipeline)]),
                    rpc_timeout=_ANSWER_WITHIN,
                )

    async def schedules(self) -> list[str]:
        async with _answered_soon():
            listed = await self._client.list_schedules(page_size=1000, rpc_timeout=_ANSWER_WITHIN)
            return [one.id async for one in listed if one.id.startswith(OF_SCHEDULES)]

    async def next_runs(self, entry_id: str) -> list[datetime]:
        try:
            async with _answered_soon():
                found = await self._client.get_schedule_handle(entry_id).describe(rpc_timeout=_RECEIPT_WITHIN)
        except NothingRuns:
            return []
        return [] if found.schedule.state.paused else list(found.info.next_action_times)[:_NEXT_RUNS]

    async def is_healthy(self) -> bool:
        try:
            async with asyncio.timeout(_RECEIPT_WITHIN.total_seconds()):
                return await self._client.service_client.check_health(timeout=_RECEIPT_WITHIN)
        except _AWAY:
            return False

    def _shown_in_console(self, given: ReleaseInput) -> ReleaseInput:
        return given.model_copy(update={"console": release_page(self._public_url, str(given.plan.id))})

    def _details(self, plan: ReleasePlan, requested_by: str) -> str:
        return release_details(plan, requested_by, release_page(self._public_url, str(plan.id)))


def _signal(moment: Moment, action: Action) -> tuple[str, Frozen]:
    """The name of the signal that an action is, and its message."""
    match action:
        case Vote():
            return "vote", CastVote(moment=moment, vote=action)
        case Withdrawal():
            return "withdraw", Withdraw(moment=moment, withdrawal=action)
        case Reassignment():
            return "reassign", Reassign(moment=moment, reassignment=action)
        case Override():
            return "override", OverrideApproval(moment=moment, override=action)
    raise NotImplementedError(f"no signal is a {type(action).__name__}")


def _schedule(entry: TimetableEntry) -> Schedule:
    """What Temporal is to do, and when. What it missed while it was away is done if it is not much too late."""
    name = SearchAttributePair(PIPELINE, entry.pipeline)
    note = _PAUSED_BY_US if entry.is_paused else None
    if entry.every is not None:
        return Schedule(
            action=ScheduleActionStartWorkflow(
                PollWorkflow.run,
                Poll(pipeline=entry.pipeline, alias=entry.alias),
                id=entry.id,
                task_queue=RELEASE_QUEUE,
                typed_search_attributes=TypedSearchAttributes([name]),
                static_summary=f"{entry.alias} of {entry.pipeline}",
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=entry.every, offset=entry.offset)]),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_MISSED_POLL_COUNTS_FOR),
            state=ScheduleState(paused=entry.is_paused, note=note),
        )
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ScheduledReleaseWorkflow.run,
            ScheduledRelease(pipeline=entry.pipeline, number=entry.number, cron=entry.cron),
            id=entry.id,
            task_queue=RELEASE_QUEUE,
            typed_search_attributes=TypedSearchAttributes([name]),
            static_summary=f"{entry.cron} of {entry.pipeline}",
        ),
        spec=ScheduleSpec(cron_expressions=[entry.cron], time_zone_name=entry.timezone),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_MISSED_TIME_COUNTS_FOR),
        state=ScheduleState(paused=entry.is_paused, note=note),
    )


def _changed(schedule: Schedule, found: ScheduleUpdateInput) -> ScheduleUpdate:
    """What somebody paused in Temporal itself stays paused, until they go on with it there."""
    before = found.description.schedule.state
    if before.paused and before.note != _PAUSED_BY_US:
        schedule = replace(schedule, state=before)
    return ScheduleUpdate(schedule=schedule)


@asynccontextmanager
async def _answered_soon() -> AsyncIterator[None]:
    """Turn Temporal's ways of failing into ours."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN.total_seconds()):
            yield
    except _AWAY as error:
        if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
            raise NothingRuns("it does not run (any more)") from error
        raise TemporalUnavailable("Temporal does not answer; try again in a moment") from error
