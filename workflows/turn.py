"""A deployment's turn in its environment: asked for, waited for, always given back."""

from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Self

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.turns import AskTurn, EnvironmentQueues
from domain.frozen import Frozen
from domain.ids import DeploymentId, environment_workflow_id
from domain.pipeline import Stage
from domain.queueing import Ticket
from domain.release import ReleasePlan
from workflows.options import TURN_RETRY, TURN_TIMEOUT
from workflows.stopping import Stop


class TurnGranted(Frozen):
    """Signal: the environment is the deployment's, until it gives it back."""


class TurnSuperseded(Frozen):
    """Signal: the environment takes only the latest, and a later one waits."""


class TurnQueued(Frozen):
    """Signal: others hold the environment."""

    holders: tuple[str, ...]


class Turn:
    """``async with Turn(...)``: the environment is ours inside, unless ``is_superseded`` or a stop is asked."""

    def __init__(
        self,
        plan: ReleasePlan,
        stage: Stage,
        deployment: DeploymentId,
        stop: Stop,
        on_wait: Callable[[str], Awaitable[None]],
    ) -> None:
        self._environment = plan.pipeline.environment_of(stage)
        self._ticket = Ticket(
            deployment=str(deployment),
            workflow_id=deployment.workflow_id,
            line=f"{plan.id.pipeline}/{stage.stage}",
            at_once=stage.environment.at_once,
            queue=stage.environment.queue,
        )
        self._stop = stop
        self._on_wait = on_wait
        self._holders: tuple[str, ...] = ()
        self._is_granted = False
        self.is_superseded = False

    @property
    def environment(self) -> str:
        return self._environment

    def grant(self) -> None:
        self._is_granted = True

    def supersede(self) -> None:
        self.is_superseded = True

    def queue(self, queued: TurnQueued) -> None:
        self._holders = queued.holders

    async def __aenter__(self) -> Self:
        await workflow.execute_activity_method(
            EnvironmentQueues.ask_for_turn,
            AskTurn(environment=self._environment, ticket=self._ticket),
            start_to_close_timeout=TURN_TIMEOUT,
            retry_policy=TURN_RETRY,
            summary=f"a turn in {self._environment}",
        )
        told: tuple[str, ...] = ()
        while not self._is_decided():
            if self._holders != told:
                told = self._holders
                await self._on_wait(f"its turn in {self._environment}, held by {', '.join(told)}")
            await self._stop.wait(partial(self._has_news, told))
        return self

    def _has_news(self, told: tuple[str, ...]) -> bool:
        return self._is_decided() or self._holders != told

    def _is_decided(self) -> bool:
        return self._is_granted or self.is_superseded or self._stop.is_asked

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is GeneratorExit:
            return  # the run is dropped from this worker's memory, and goes on elsewhere
        environment = workflow.get_external_workflow_handle(environment_workflow_id(self._environment))
        try:
            await environment.signal("give_back", self._ticket)
        except ApplicationError:
            workflow.logger.info("the environment's queue is gone", extra={"environment": self._environment})
