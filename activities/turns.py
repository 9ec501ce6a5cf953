"""Ask for a turn in an environment, and see whether those who hold one are still alive."""

from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from activities.search_attributes import ENVIRONMENT
from domain.frozen import Frozen
from domain.ids import RELEASE_QUEUE, environment_workflow_id
from domain.queueing import Ticket

ENVIRONMENT_WORKFLOW = "EnvironmentWorkflow"
ASK_SIGNAL = "ask"


class AskTurn(Frozen):
    """Put the ticket into the environment's queue."""

    environment: str
    ticket: Ticket


class Holders(Frozen):
    """Tickets of deployments, by workflow id."""

    workflow_ids: tuple[str, ...]


class EnvironmentQueues:
    """Runs on the release worker, as a client of Temporal. Safe to run twice: a ticket is queued once."""

    @activity.defn
    async def ask_for_turn(self, ask: AskTurn) -> None:
        """Signal the environment's workflow, starting it when nobody uses the environment."""
        await activity.client().start_workflow(
            ENVIRONMENT_WORKFLOW,
            id=environment_workflow_id(ask.environment),
            task_queue=RELEASE_QUEUE,
            start_signal=ASK_SIGNAL,
            start_signal_args=[ask.ticket],
            search_attributes=TypedSearchAttributes([SearchAttributePair(ENVIRONMENT, ask.environment)]),
            static_summary=f"queue in front of {ask.environment}",
        )

    @activity.defn
    async def still_open(self, holders: Holders) -> Holders:
        """Those whose workflow still runs."""
        return Holders(workflow_ids=tuple([h for h in holders.workflow_ids if await _is_open(h)]))


async def _is_open(workflow_id: str) -> bool:
    try:
        description = await activity.client().get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return False
        raise
    return description.status == WorkflowExecutionStatus.RUNNING
