"""Holding an agent for a job: taken from the queue of a demand set, kept through absences, always given back."""

from datetime import timedelta
from types import TracebackType
from typing import Self

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeout

from activities.agent_job import AgentJob, AgentReady, CancelStep, HoldEnded, HoldRequest, ReleaseAgent
from domain.duration import render
from domain.frozen import Frozen
from domain.ids import agent_queue
from workflows.abandoned import let_go
from workflows.options import (
    AGENT_STOPS_WITHIN,
    AGENT_WORD_RETRY,
    AGENT_WORD_TIMEOUT,
    HOLD_HEARTBEAT,
    HOLD_RETRY,
    HOLD_TIMEOUT,
)
from workflows.stopping import Stop


class LeaseTerms(Frozen):
    """What is asked of an agent. ``title`` names the job for readers of the history."""

    lease_id: str
    job_id: str
    queue: str
    title: str
    wait_for_agent: timedelta | None
    rejoin: timedelta
    priority: int


class NoAgent(Exception):  # noqa: N818  reads as what happened
    """Nobody took the job in time."""


class AgentLease:
    """``async with AgentLease(...) as lease``: ``lease.agent`` is held inside the block.

    When the agent falls silent, the hold is offered again on the agent's own queue for ``rejoin``; only then is it
    lost. The steps under it go on meanwhile. An agent that fell silent before it said that it holds the job has run
    nothing: the job is offered to all agents again, as another lease.
    """

    def __init__(self, terms: LeaseTerms, stop: Stop) -> None:
        self._terms = terms
        self._stop = stop
        self._ready: AgentReady | None = None
        self._hold: workflow.ActivityHandle[HoldEnded] | None = None
        self._absences = 0
        self._offers = 0
        self._is_over = False
        self.lost: str | None = None

    @property
    def agent(self) -> str:
        assert self._ready is not None, "asked inside the block only"
        return self._ready.agent

    @property
    def queue(self) -> str:
        return agent_queue(self.agent)

    @property
    def lease_id(self) -> str:
        return self._terms.lease_id + (f".{self._offers}" if self._offers > 1 else "")

    def take(self, ready: AgentReady) -> None:
        """Signal ``agent_ready``: an agent holds the job. Words of other leases are not for us."""
        if ready.lease_id != self.lease_id:
            return
        if self._ready is None:
            self._ready = ready
        elif ready.agent != self.agent:
            # Only a hold that failed is given to another agent: what ran on ours is being ended there.
            self.lost = self.lost or f"agent {self.agent} gave the job up"

    async def __aenter__(self) -> Self:
        self._offer_to_all()
        await self._stop.wait(lambda: self._ready is not None or self.lost is not None)
        if self._ready is None and self.lost is not None:
            raise NoAgent(self.lost)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is GeneratorExit:
            return  # the run is dropped from this worker's memory, and goes on elsewhere
        # From here on an agent that falls silent is not waited for: it gives its slot back by itself.
        self._is_over = True
        hold = self._hold
        if hold is None or hold.done():
            return
        if self._ready is not None and self.lost is None:
            await self._give_back(hold)
        if not hold.done():
            hold.cancel()

    async def _give_back(self, hold: workflow.ActivityHandle[HoldEnded]) -> None:
        release = workflow.start_activity_method(
            AgentJob.release_agent,
            ReleaseAgent(lease_id=self.lease_id),
            task_queue=self.queue,
            schedule_to_close_timeout=AGENT_WORD_TIMEOUT,
            retry_policy=AGENT_WORD_RETRY,
            summary=f"give {self.agent} back",
        )
        let_go(release)
        await self._stop.wait_regardless(
            lambda: hold.done() or (release.done() and release.exception() is not None),
            within=AGENT_STOPS_WITHIN,
            summary="the agent frees its slot",
        )

    async def cancel_step(self, run_id: str) -> None:
        """Tell the agent to kill the step's process tree; does not wait for it."""
        let_go(
            workflow.start_activity_method(
                AgentJob.cancel_step,
                CancelStep(lease_id=self.lease_id, run_id=run_id),
                task_queue=self.queue,
                schedule_to_close_timeout=AGENT_WORD_TIMEOUT,
                retry_policy=AGENT_WORD_RETRY,
                summary="stop the running step",
            )
        )

    def _offer_to_all(self) -> None:
        self._offers += 1
        number = f"/offer-{self._offers}" if self._offers > 1 else ""
        self._offer(self._terms.queue, self._terms.wait_for_agent, f"hold-{self._terms.title}{number}")

    def _offer_again(self) -> None:
        """To the agent that fell silent."""
        self._absences += 1
        workflow.logger.warning("agent fell silent", extra={"agent": self.agent})
        self._offer(self.queue, self._terms.rejoin, f"hold-{self._terms.title}-{self._absences}")

    def _offer(self, queue: str, within: timedelta | None, activity_id: str) -> None:
        hold = workflow.start_activity_method(
            AgentJob.hold_agent,
            HoldRequest(lease_id=self.lease_id, job_id=self._terms.job_id, rejoin=self._terms.rejoin),
            task_queue=queue,
            activity_id=activity_id,
            schedule_to_start_timeout=within,
            start_to_close_timeout=HOLD_TIMEOUT,
            heartbeat_timeout=HOLD_HEARTBEAT,
            retry_policy=HOLD_RETRY,
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
            priority=Priority(priority_key=self._terms.priority),
            summary=f"hold an agent of {queue} for {self._terms.title}",
        )
        self._hold = hold
        hold.add_done_callback(lambda _: self._hold_ended(hold))

    def _hold_ended(self, hold: workflow.ActivityHandle[HoldEnded]) -> None:
        if hold.cancelled():
            self.lost = self.lost or "the hold was canceled"
            return
        error = hold.exception()
        if error is None:
            self.lost = self.lost or hold.result().why
        elif self._is_over or not _is_timeout(error, TimeoutType.HEARTBEAT):
            self.lost = self.lost or self._explain(error)
        elif self._ready is None:
            self._offer_to_all()
        else:
            self._offer_again()

    def _explain(self, error: BaseException) -> str:
        if _is_timeout(error, TimeoutType.SCHEDULE_TO_START):
            if self._ready is None:
                return f"no agent took the job within {render(self._terms.wait_for_agent or timedelta.max)}"
            return f"agent {self.agent} stayed away for {render(self._terms.rejoin)}"
        cause = error.cause if isinstance(error, ActivityError) else error
        return cause.message if isinstance(cause, ApplicationError) else f"the agent was lost: {cause}"


def _is_timeout(error: BaseException, kind: TimeoutType) -> bool:
    cause = error.cause if isinstance(error, ActivityError) else None
    return isinstance(cause, TemporalTimeout) and cause.type == kind
