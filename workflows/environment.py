"""The queue in front of one environment: grants turns, supersedes, notices holders that died. Ends when empty."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.turns import EnvironmentQueues, Holders
from domain.frozen import Frozen
from domain.queueing import Ticket, next_turns
from workflows.options import TURN_RETRY, TURN_TIMEOUT
from workflows.stopping import to_the_end
from workflows.turn import TurnGranted, TurnQueued, TurnSuperseded

_LOOK_EVERY = timedelta(seconds=60)


class EnvironmentState(Frozen):
    """All there is to know; carried over when the workflow continues as new."""

    holders: tuple[Ticket, ...] = ()
    waiting: tuple[Ticket, ...] = ()


@workflow.defn
class EnvironmentWorkflow:
    """One per environment in use. Signals only change the state; the main loop acts on it."""

    @workflow.init
    def __init__(self, state: EnvironmentState | None = None) -> None:
        self._state = state or EnvironmentState()
        self._is_settled = False
        self._told: dict[str, tuple[str, ...]] = {}

    @workflow.run
    async def run(self, state: EnvironmentState | None = None) -> None:  # noqa: ARG002  init took it
        # Whoever waits would wait for ever if the queue could be canceled under them.
        await to_the_end(self._serve())
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._is_in_use:
            workflow.continue_as_new(self._state)

    async def _serve(self) -> None:
        """Hand out turns until nobody wants any, or the history has become long."""
        while True:
            await self._hand_out()
            if not self._is_settled:
                continue
            if not self._is_in_use or workflow.info().is_continue_as_new_suggested():
                return
            await self._next_change()

    @property
    def _is_in_use(self) -> bool:
        return bool(self._state.holders or self._state.waiting)

    async def _hand_out(self) -> None:
        self._is_settled = True
        turns = next_turns(self._state.waiting, self._state.holders)
        self._state = EnvironmentState(holders=(*self._state.holders, *turns.granted), waiting=turns.waiting)
        for ticket in turns.granted:
            if not await self._tell(ticket, "turn_granted", TurnGranted()):
                self.give_back(ticket)
        for ticket in turns.superseded:
            await self._tell(ticket, "turn_superseded", TurnSuperseded())
        await self._tell_waiting()
        self._show()

    async def _tell_waiting(self) -> None:
        """Tell those who wait who holds the environment, whenever that changes."""
        holders = tuple(holder.deployment for holder in self._state.holders)
        for ticket in self._state.waiting:
            if self._told.get(ticket.deployment) != holders:
                self._told[ticket.deployment] = holders
                await self._tell(ticket, "turn_queued", TurnQueued(holders=holders))

    async def _tell(self, ticket: Ticket, signal: str, message: TurnGranted | TurnSuperseded | TurnQueued) -> bool:
        """Signal the deployment; False when it is gone."""
        try:
            await workflow.get_external_workflow_handle(ticket.workflow_id).signal(signal, message)
        except ApplicationError:
            return False
        return True

    def _show(self) -> None:
        held = ", ".join(holder.deployment for holder in self._state.holders) or "nobody"
        waiting = ", ".join(ticket.deployment for ticket in self._state.waiting) or "nobody"
        workflow.set_current_details(f"held by {held}; waiting: {waiting}")

    async def _next_change(self) -> None:
        timeout = _LOOK_EVERY if self._state.waiting else None
        try:
            await workflow.wait_condition(
                lambda: not self._is_settled, timeout=timeout, timeout_summary="see whether the holders are alive"
            )
        except TimeoutError:
            await self._notice_dead_holders()

    async def _notice_dead_holders(self) -> None:
        """A deployment that was terminated never gives its turn back."""
        holders = self._state.holders
        alive = await workflow.execute_activity_method(
            EnvironmentQueues.still_open,
            Holders(workflow_ids=tuple(holder.workflow_id for holder in holders)),
            start_to_close_timeout=TURN_TIMEOUT,
            retry_policy=TURN_RETRY,
            summary="are the holders alive?",
        )
        for holder in holders:
            if holder.workflow_id not in alive.workflow_ids:
                self.give_back(holder)

    @workflow.signal(description="A deployment wants a turn.")
    def ask(self, ticket: Ticket) -> None:
        known = [*self._state.holders, *self._state.waiting]
        if all(ticket.deployment != other.deployment for other in known):
            self._state = self._state.model_copy(update={"waiting": (*self._state.waiting, ticket)})
            self._is_settled = False

    @workflow.signal(description="A deployment gives its turn, or its place in the queue, back.")
    def give_back(self, ticket: Ticket) -> None:
        self._state = EnvironmentState(
            holders=tuple(t for t in self._state.holders if t.deployment != ticket.deployment),
            waiting=tuple(t for t in self._state.waiting if t.deployment != ticket.deployment),
        )
        self._is_settled = False
