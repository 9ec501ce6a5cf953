"""Holding an agent for a job: taken from the queue of a demand set, kept through absences, always given back."""

from datetime import timedelta
from types import TracebackType
from typing import Self

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeout

from activities.agent_job import AgentJob, AgentReady, CancelStep, HoldEnded, HoldRequest, ReleaseAgent
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


class NoAgent(Exception):  # noqa: N818  reads as what happened
    """Nobody took the job in time."""


class AgentLease:
    """``async with AgentLease(...) as lease``: ``lease.agent`` is held inside the block.

    When the agent falls silent, the hold is offered again on the agent's own queue for ``rejoin``; only then is it
    lost. The steps under it go on meanwhile.
    """

    def __init__(self, terms: LeaseTerms, stop: Stop) -> None:
        self._terms = terms
        self._stop = stop
        self._ready: AgentReady | None = None
        self._hold: workflow.ActivityHandle[HoldEnded] | None = None
        self._absences = 0
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
        return self._terms.lease_id

    def take(self, ready: AgentReady) -> None:
        """Signal ``agent_ready``: an agent holds the job. Words of other leases are not for us."""
        if ready.lease_id == self._terms.lease_id and self._ready is None:
            self._ready = ready

    async def __aenter__(self) -> Self:
        self._offer(self._terms.queue, self._terms.wait_for_agent)
        await self._stop.wait(lambda: self._ready is not None or self.lost is not None)
        if self._ready is None and self.lost is not None:
            raise NoAgent(self.lost)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        hold = self._hold
        if hold is None or hold.done():
            return
        if self._ready is not None and self.lost is None:
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
        if not hold.done():
            hold.cancel()

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

    def _offer(self, queue: str, within: timedelta | None) -> None:
        number = f"-{self._absences}" if self._absences else ""
        hold = workflow.start_activity_method(
            AgentJob.hold_agent,
            HoldRequest(lease_id=self.lease_id, job_id=self._terms.job_id, rejoin=self._terms.rejoin),
            task_queue=queue,
            activity_id=f"hold-{self._terms.title}{number}",
            schedule_to_start_timeout=within,
            start_to_close_timeout=HOLD_TIMEOUT,
            heartbeat_timeout=HOLD_HEARTBEAT,
            retry_policy=HOLD_RETRY,
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
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
            self.lost = hold.result().why
        elif self._ready is not None and _is_timeout(error, TimeoutType.HEARTBEAT):
            self._absences += 1
            workflow.logger.warning("agent fell silent", extra={"agent": self.agent})
            self._offer(self.queue, self._terms.rejoin)
        else:
            self.lost = self._explain(error)

    def _explain(self, error: BaseException) -> str:
        if _is_timeout(error, TimeoutType.SCHEDULE_TO_START):
            if self._ready is None:
                return f"no agent took the job within {self._terms.wait_for_agent}"
            return f"agent {self.agent} stayed away for {self._terms.rejoin}"
        cause = error.cause if isinstance(error, ActivityError) else error
        return cause.message if isinstance(cause, ApplicationError) else f"the agent was lost: {cause}"


def _is_timeout(error: BaseException, kind: TimeoutType) -> bool:
    cause = error.cause if isinstance(error, ActivityError) else None
    return isinstance(cause, TemporalTimeout) and cause.type == kind
