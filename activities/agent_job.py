"""What runs on an agent: hold it for a job, download the artifacts, run the steps or have Jenkins do it, let it go.

``hold_agent`` is dispatched to the task queue of a demand set, everything else to the agent's own queue. All of them
are safe to run again: a lease that is held is re-taken, a step that was started is joined and never started twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeat import heartbeating
from domain.artifact import PinnedArtifact
from domain.frozen import Frozen
from domain.ids import agent_queue
from domain.outputs import Room, Told
from domain.pipeline import JenkinsJob, Shell
from domain.refusal import Kind, Refusal

_T = TypeVar("_T")


class HoldRequest(Frozen):
    """Take one of the agent's slots for a job until released; ``rejoin`` is how long an absent agent is awaited."""

    lease_id: str
    job_id: str
    rejoin: timedelta = timedelta(seconds=60)


class AgentReady(Frozen):
    """Signal ``agent_ready`` from the held agent to the workflow that asked: where the rest of the job goes."""

    lease_id: str
    agent: str
    queue: str


class HoldEnded(Frozen):
    """Why the hold ended."""

    why: str


class ReleaseAgent(Frozen):
    """End the lease: kill what still runs, remove the workspace, free the slot."""

    lease_id: str


class DownloadRequest(Frozen):
    """Fetch these artifacts into the workspace, each into the folder of its alias. Logs as step run ``run_id``."""

    lease_id: str
    run_id: str
    artifacts: tuple[PinnedArtifact, ...]
    unpack: tuple[str, ...] = ()


class RunStep(Frozen):
    """Run one script once. ``secrets`` maps environment names to where their values are.

    ``paths`` go in front of ``PATH``. ``room`` is what the step may set. With ``masks_of_job`` it is run only once it
    is known what earlier steps of the job keep secret.
    """

    lease_id: str
    run_id: str
    title: str
    script: str
    shell: Shell
    timeout: timedelta
    working_directory: str = "."
    environment: dict[str, str] = {}
    secrets: dict[str, str] = {}
    paths: tuple[str, ...] = ()
    room: Room = Room()
    masks_of_job: bool = False


class RunJenkinsJob(Frozen):
    """Have Jenkins build a job once, and follow the build to its end.

    ``environment`` and ``secrets`` (environment names, and where their values are) are what ``job.parameters`` may
    name. With ``masks_of_job`` it is begun only once it is known what earlier steps of the job keep secret.
    """

    lease_id: str
    run_id: str
    title: str
    job: JenkinsJob
    timeout: timedelta
    environment: dict[str, str] = {}
    secrets: dict[str, str] = {}
    masks_of_job: bool = False


class CancelStep(Frozen):
    """Kill the process tree of a running step, or stop the build that it runs."""

    lease_id: str
    run_id: str


class StepOutcome(StrEnum):
    """How a run ended. ``unknown``: it was started, and nobody saw it end.

    ``canceled``: somebody asked for it, or the agent gave it up by itself, as on a disk with too little room.
    ``cut off``: it was ended because the server did not hear of its agent for so long that the job may be given to
    another one.
    """

    EXITED = "exited"
    TIMED_OUT = "timed out"
    CANCELED = "canceled"
    UNKNOWN = "unknown"
    CUT_OFF = "cut off"


class StepEnd(Frozen):
    """The end of a run; its log is complete on the server when this is told. ``exit_code`` is 128+n for signal n."""

    outcome: StepOutcome
    exit_code: int | None = None
    reason: str = ""
    log_size: int = 0
    log_sha256: str = ""
    started_at: datetime
    finished_at: datetime
    told: Told = Told()


class AgentBusy(Exception):  # noqa: N818  reads as what happened
    """All slots are taken; another agent, or a later try, will do."""


class LeaseGone(Refusal):
    """The agent does not hold this lease (any more)."""

    kind = Kind.CONFLICT


class LeaseDesk(Protocol):
    """The agent's slots and who holds them. A lease outlives the hold that took it, by its ``rejoin`` at most."""

    def take(self, request: HoldRequest, queue: str) -> int:
        """Take a slot, or the lease that is held already; returns the number of this hold.

        Raises AgentBusy, and LeaseGone on the agent's own queue, where nothing new is taken.
        """
        ...

    def heard(self, lease_id: str, at: float) -> None:
        """The server knew this hold at the moment ``at`` (of ``clock``): nobody else has the job."""
        ...

    def clock(self) -> float:
        """Seconds since this machine was started."""
        ...

    async def ended(self, lease_id: str, hold: int) -> str:
        """Wait until the lease is given back, or another hold took it over; returns which."""
        ...

    def let_go(self, lease_id: str, hold: int) -> None:
        """This hold ended without the lease being given back: it now waits for the next hold."""
        ...

    async def give_back(self, lease_id: str, why: str) -> None:
        """Kill what runs, remove the workspace, free the slot. Nothing happens when the lease is gone."""
        ...


class StepRuns(Protocol):
    """Runs of steps, each started at most once."""

    async def run(self, request: RunStep) -> StepEnd:
        """See to it that the run has happened, and that the server has its whole log. Raises LeaseGone."""
        ...

    async def cancel(self, request: CancelStep) -> None:
        """Make the run end as canceled, whether it runs, ran, or was yet to start."""
        ...


class Downloads(Protocol):
    """Downloads of a job's artifacts."""

    async def run(self, request: DownloadRequest) -> StepEnd:
        """Fetch everything anew, unless this run has ended before. Raises LeaseGone."""
        ...

    async def cancel(self, request: CancelStep) -> None: ...


class JenkinsRuns(Protocol):
    """Builds of Jenkins that are steps, each started at most once."""

    async def run(self, request: RunJenkinsJob) -> StepEnd:
        """See to it that the build has run, and that the server has its whole log. Raises LeaseGone."""
        ...

    async def cancel(self, request: CancelStep) -> None:
        """Make the build end, whether it waits, runs, or was yet to be asked for."""
        ...


_BEAT_SECONDS = 2.0
_BUSY_FOR = timedelta(seconds=0.2)


class AgentJob:
    """Runs on an agent. Safe to run twice: leases are re-taken and runs are joined."""

    def __init__(self, agent: str, desk: LeaseDesk, steps: StepRuns, downloads: Downloads, builds: JenkinsRuns) -> None:
        self._agent = agent
        self._desk = desk
        self._steps = steps
        self._downloads = downloads
        self._builds = builds

    @activity.defn
    async def hold_agent(self, request: HoldRequest) -> HoldEnded:
        """Keep the lease until it is given back. The steps go on when only this attempt ends."""
        hold = self._take(request)
        try:
            await self._tell_workflow(request)
            return HoldEnded(why=await self._beat_until_ended(request.lease_id, hold))
        except asyncio.CancelledError:
            await _to_the_end(self._after_cancellation(request))
            raise
        finally:
            self._desk.let_go(request.lease_id, hold)

    @activity.defn
    async def release_agent(self, request: ReleaseAgent) -> None:
        async with heartbeating():
            await self._desk.give_back(request.lease_id, "the job gave the agent back")

    @activity.defn
    async def download_artifacts(self, request: DownloadRequest) -> StepEnd:
        cancel = CancelStep(lease_id=request.lease_id, run_id=request.run_id)
        async with heartbeating():
            return await _ended(self._downloads.run(request), lambda: self._downloads.cancel(cancel))

    @activity.defn
    async def run_step(self, request: RunStep) -> StepEnd:
        cancel = CancelStep(lease_id=request.lease_id, run_id=request.run_id)
        async with heartbeating():
            return await _ended(self._steps.run(request), lambda: self._steps.cancel(cancel))

    @activity.defn
    async def run_jenkins_job(self, request: RunJenkinsJob) -> StepEnd:
        cancel = CancelStep(lease_id=request.lease_id, run_id=request.run_id)
        async with heartbeating():
            return await _ended(self._builds.run(request), lambda: self._builds.cancel(cancel))

    @activity.defn
    async def cancel_step(self, request: CancelStep) -> None:
        await self._downloads.cancel(request)
        await self._builds.cancel(request)
        await self._steps.cancel(request)

    def _take(self, request: HoldRequest) -> int:
        try:
            return self._desk.take(request, activity.info().task_queue)
        except AgentBusy as busy:
            raise ApplicationError(str(busy), type="AgentBusy", next_retry_delay=_BUSY_FOR) from busy

    async def _tell_workflow(self, request: HoldRequest) -> None:
        """Say who holds the job, until it is heard: to give up here could leave two agents holding it."""
        ready = AgentReady(lease_id=request.lease_id, agent=self._agent, queue=agent_queue(self._agent))
        while True:
            activity.heartbeat()
            try:
                await _workflow().signal("agent_ready", ready, rpc_timeout=timedelta(seconds=5))
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    await self._desk.give_back(request.lease_id, "its workflow has ended")
                    return
                await asyncio.sleep(1)
            else:
                return

    async def _beat_until_ended(self, lease_id: str, hold: int) -> str:
        """``activity.heartbeat`` is fire and forget; the awaited one tells when the server gave this hold up."""
        ended = asyncio.create_task(self._desk.ended(lease_id, hold))
        try:
            while not ended.done():
                activity.heartbeat()
                asked_at = self._desk.clock()
                heard = await _is_heard()
                if heard:
                    self._desk.heard(lease_id, asked_at)
                elif heard is False:
                    await self._give_back_if_workflow_ended(lease_id)
                    raise ApplicationError("the server gave this hold up", type="HoldLost", non_retryable=True)
                await asyncio.wait([ended], timeout=_BEAT_SECONDS)
            return ended.result()
        finally:
            ended.cancel()

    async def _after_cancellation(self, request: HoldRequest) -> None:
        details = activity.cancellation_details()
        if details is not None and details.cancel_requested:
            await self._desk.give_back(request.lease_id, "its workflow canceled the hold")
        elif details is not None and details.not_found:
            await self._give_back_if_workflow_ended(request.lease_id)

    async def _give_back_if_workflow_ended(self, lease_id: str) -> None:
        """Not found may also mean that this attempt timed out and the workflow waits for us to come back."""
        try:
            told = await _workflow().describe(rpc_timeout=timedelta(seconds=5))
        except RPCError as error:
            has_ended = error.status == RPCStatusCode.NOT_FOUND
        else:
            has_ended = told.status != WorkflowExecutionStatus.RUNNING
        if has_ended:
            await self._desk.give_back(lease_id, "its workflow has ended")


def _workflow() -> "WorkflowHandle[object, object]":
    info = activity.info()
    assert info.workflow_id is not None, "these activities belong to workflows"
    return activity.client().get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)


async def _is_heard() -> bool | None:
    """Whether the server still knows this attempt; None when it cannot be asked now."""
    direct = activity.client().get_async_activity_handle(task_token=activity.info().task_token)
    with suppress(AsyncActivityCancelledError):  # the cancellation itself comes through the worker, with its reason
        try:
            await direct.heartbeat(rpc_timeout=timedelta(seconds=3))
        except RPCError as error:
            return False if error.status == RPCStatusCode.NOT_FOUND else None
        return True
    return None


async def _ended(run: Coroutine[None, None, StepEnd], cancel: Callable[[], Coroutine[None, None, None]]) -> StepEnd:
    """The end of the run, also of one that was canceled meanwhile.

    Only a cancellation that was asked for reaches the run: when this attempt merely timed out, the next one joins.
    """
    running = asyncio.create_task(run)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        if running.done() or details is None or not details.cancel_requested:
            running.cancel()
            raise
        await _to_the_end(cancel())
        return await _to_the_end(running)
    except LeaseGone as gone:
        raise ApplicationError(str(gone), type="LeaseGone", non_retryable=True) from gone


async def _to_the_end(work: Awaitable[_T]) -> _T:
    """Finish the work though the worker may cancel us again, with the next reason it finds."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()
