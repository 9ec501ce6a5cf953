"""Keeping the tables, the search attributes and the current details in step with what a workflow decides."""

import asyncio

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from activities.records import Entry, Fact, Records
from activities.search_attributes import PIPELINE, RELEASE, REQUESTED_BY, STATUS, WAITING_FOR
from domain.ids import DeploymentId
from domain.release import ReleasePlan
from workflows.options import RECORD_RETRY, RECORD_TIMEOUT

_LONGEST_KEYWORD = 200


class Recorder:
    """Writes entries in the order they are given, each once."""

    def __init__(self) -> None:
        self._sequence = 0
        self._noted: list[Fact] = []
        # Without it, two entries about one row could arrive in the other order.
        self._turn = asyncio.Lock()
        self._shown: tuple[str, str] | None = None

    def note(self, *facts: Fact) -> None:
        """Keep facts for the next record, which must follow without a wait in between: one write instead of two."""
        self._noted += facts

    async def record(self, *facts: Fact) -> None:
        """Apply the facts to the tables, what was noted first; returns when they are there."""
        async with self._turn:
            entry = (*self._noted, *facts)
            self._noted.clear()
            if entry:
                self._sequence += 1
                await self._apply(entry)

    async def _apply(self, facts: tuple[Fact, ...]) -> None:
        info = workflow.info()
        await workflow.execute_local_activity_method(
            Records.record,
            Entry(
                workflow_id=info.workflow_id,
                run_id=info.run_id,
                sequence=self._sequence,
                at=workflow.now(),
                facts=facts,
            ),
            start_to_close_timeout=RECORD_TIMEOUT,
            retry_policy=RECORD_RETRY,
            summary=", ".join(sorted({fact.fact for fact in facts})),
        )

    def show(self, status: str, waiting_for: str = "", more: str = "") -> None:
        """Say in Temporal Web UI where the workflow stands, in one sentence; ``more`` is Markdown below it."""
        sentence = f"**{status}**" + (f": {waiting_for}" if waiting_for else "")
        workflow.set_current_details("\n\n".join(filter(None, (sentence, more))))
        if self._shown == (status, waiting_for):
            return
        self._shown = (status, waiting_for)
        workflow.upsert_search_attributes(
            [STATUS.value_set(status[:_LONGEST_KEYWORD]), WAITING_FOR.value_set(waiting_for[:_LONGEST_KEYWORD])]
        )


def search_attributes(plan: ReleasePlan, requested_by: str, *others: SearchAttributePair[str]) -> TypedSearchAttributes:
    """What every workflow of a release is found by."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(PIPELINE, plan.id.pipeline),
            SearchAttributePair(RELEASE, str(plan.id)),
            SearchAttributePair(REQUESTED_BY, requested_by[:_LONGEST_KEYWORD]),
            *others,
        ]
    )


def release_details(plan: ReleasePlan, requested_by: str, console: str) -> str:
    """What Temporal Web UI says of a release's workflow for good, in Markdown."""
    origin = f"Pipeline {plan.id.pipeline}, revision {plan.revision}; requested by {requested_by}"
    return f"Release [{plan.id}]({console}) in the console\n\n{origin}"


def deployment_details(deployment: DeploymentId, requested_by: str, console: str) -> str:
    """What Temporal Web UI says of a deployment's workflow for good, in Markdown; without a link for no address."""
    name = f"[{deployment}]({console}#stage-{deployment.stage}) in the console" if console else str(deployment)
    return f"Deployment {name}\n\nRequested by {requested_by}"
