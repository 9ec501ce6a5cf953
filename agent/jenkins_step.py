"""Steps that are jobs of Jenkins: followed by the agent itself, and taken up again by the one that comes after it."""

import asyncio
import secrets
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, Protocol

import structlog

from activities.agent_job import CancelStep, RunJenkinsJob, StepEnd, StepOutcome
from activities.jenkins_builds import BuildServerOpener
from agent.api_client import ApiRefused, ApiUnreachable, GivenSecrets
from agent.build_memory import BuildLog, BuildMemory, Remembered
from agent.build_run import BuildRun, Ending
from agent.build_stop import StopAsked, StopWatch
from agent.leases import Lease, Leases
from agent.log_shipper import LogShipper
from agent.masking import Masker
from agent.patient_server import Patience
from agent.run_folder import RunFolder, RunLabel
from agent.run_table import RunTable
from agent.state_folder import StateFolder
from agent.step_secrets import SecretStore, of_step
from domain.connection import Connection
from domain.jenkins_parameters import filled_in
from domain.refusal import Refusal

_log = structlog.get_logger("slipway.agent")
_ASK_AGAIN_SECONDS = 1.0
_LOGS_ARE_SENT_WITHIN = 10.0
_CALLS_AT_ONCE = 64
_PATIENCE = Patience()


class StepServer(SecretStore, Protocol):
    """Where an agent learns how to reach the Jenkins of a step. Raises ApiUnreachable, ApiRefused."""

    async def jenkins(self, run_id: str) -> Connection: ...


class JenkinsSteps:
    """Implements ``JenkinsRuns``."""

    def __init__(  # noqa: PLR0913  what it works with; all named
        self,
        *,
        state: StateFolder,
        leases: Leases,
        server: StepServer,
        shipper: LogShipper,
        open_builds: BuildServerOpener,
        log_limit: int | None = None,
        patience: Patience = _PATIENCE,
    ) -> None:
        self._state = state
        self._leases = leases
        self._server = server
        self._shipper = shipper
        self._open_builds = open_builds
        self._log_limit = log_limit
        self._patience = patience
        # Of their own: a Jenkins that hangs must not keep logs of other steps from being sent.
        self._threads = ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="jenkins")
        self._under_way = RunTable()
        self._stops: dict[str, tuple[str, StopWatch]] = {}

    async def run(self, request: RunJenkinsJob) -> StepEnd:
        lease = self._leases.usable(request.lease_id)
        return await self._under_way.join(request.run_id, lambda: self._run(request, lease))

    async def cancel(self, request: CancelStep) -> None:
        if request.run_id in self._stops:
            self._folder(request.run_id, request.lease_id).cancel()
            self._stops[request.run_id][1].ask()

    async def end_all(self, lease_id: str) -> None:
        """Stop every build of the lease, also of an agent before; their logs are sent if the server takes them soon."""
        lease = self._leases.get(lease_id)
        tasks = []
        for folder in RunFolder.all_of_lease(self._state.runs, lease_id):
            memory = BuildMemory.of(folder.path)
            if memory is not None and folder.end() is None and lease is not None:
                request = memory.now.request
                folder.cancel()
                tasks.append(self._under_way.task(request.run_id, partial(self._run, request, lease)))
        for holder, stop in self._stops.values():
            if holder == lease_id:
                stop.ask()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._patience.stop + _LOGS_ARE_SENT_WITHIN)
            for task in late:
                task.cancel()

    async def _run(self, request: RunJenkinsJob, lease: Lease) -> StepEnd:
        folder = self._folder(request.run_id, request.lease_id)
        ended, stop = asyncio.Event(), StopWatch(folder, lease)
        self._stops[request.run_id] = (request.lease_id, stop)
        shipping = asyncio.create_task(self._shipper.ship(request.run_id, folder.log, ended))
        try:
            end = folder.end() or folder.write_end(await self._followed(request, folder, stop))
            ended.set()
            await shipping
        finally:
            shipping.cancel()
            del self._stops[request.run_id]
        _log.info("build ended", run=request.run_id, outcome=end.outcome, exit_code=end.exit_code)
        return end

    async def _followed(self, request: RunJenkinsJob, folder: RunFolder, stop: StopWatch) -> StepEnd:
        memory = BuildMemory.of(folder.path)
        if memory is None:
            mark = f"{request.run_id}@{secrets.token_hex(4)}"
            memory = BuildMemory(folder.path, Remembered(request=request, mark=mark))
            memory.note()
        stop.time_out(request.timeout, memory.now.began_at)
        try:
            reached = await self._reach(memory, stop)
        except StopAsked as asked:
            return _told(Ending(outcome=asked.outcome, reason=asked.reason), memory, folder)
        except (ApiRefused, TimeoutError) as trouble:
            why = str(trouble) or "Slipway did not say where its Jenkins is"
            if memory.now.asked:
                ending = Ending(outcome=StepOutcome.UNKNOWN, reason=f"the build may go on, but {why}")
            else:
                ending = Ending(outcome=StepOutcome.EXITED, exit_code=1, reason=f"not started: {why}")
            return _told(ending, memory, folder)
        log = BuildLog(folder.log, memory, reached.hidden, self._log_limit)
        try:
            ending = await self._built(memory, log, stop, reached)
            ending = ending.model_copy(update={"reason": Masker(reached.hidden).masked(ending.reason)})
        finally:
            log.close()
        return _end_of(ending, memory, log)

    async def _reach(self, memory: BuildMemory, stop: StopWatch) -> "_Reached":
        """What it takes to speak with Jenkins. Raises ApiRefused; StopAsked, or TimeoutError when there is a build."""
        request = memory.now.request
        try:
            return await self._unless(stop, self._asked(request))
        except StopAsked:
            if not memory.now.asked:
                raise
        with stop.set_aside():
            async with asyncio.timeout(self._patience.stop):
                return await self._asked(request)

    async def _unless(self, stop: StopWatch, work: Coroutine[None, None, "_Reached"]) -> "_Reached":
        asking = asyncio.create_task(work)
        await stop.unless(asking)
        return asking.result()

    async def _asked(self, request: RunJenkinsJob) -> "_Reached":
        while True:
            try:
                connection = await self._server.jenkins(request.run_id)
                has_secrets = bool(request.secrets) or request.masks_of_job
                found = await self._server.secrets(request.run_id) if has_secrets else GivenSecrets()
            except ApiUnreachable as trouble:
                _log.warning("connection not fetched", run=request.run_id, trouble=str(trouble))
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
            else:
                return _Reached(connection, of_step(request.secrets, found))

    async def _built(self, memory: BuildMemory, log: BuildLog, stop: StopWatch, reached: "_Reached") -> Ending:
        request = memory.now.request
        open_server = partial(self._open_builds, reached.connection)
        try:
            parameters = filled_in(request.job.parameters, request.environment | reached.given.values)
            open_server()
        except Refusal as refusal:
            log.line(str(refusal))
            return Ending(outcome=StepOutcome.EXITED, exit_code=1, reason=str(refusal))
        run = BuildRun(
            memory=memory,
            log=log,
            open_server=open_server,
            threads=self._threads,
            parameters=parameters,
            stop=stop,
            patience=self._patience,
        )
        return await run.to_the_end()

    def _folder(self, run_id: str, lease_id: str) -> RunFolder:
        return RunFolder.of(self._state.runs, RunLabel(run_id=run_id, lease_id=lease_id))


class _Reached(NamedTuple):
    """How to reach Jenkins, and what the step is given."""

    connection: Connection
    given: GivenSecrets

    @property
    def hidden(self) -> list[str]:
        """What the log must not show."""
        return [*self.given.values.values(), *self.given.masks, self.connection.token.get_secret_value()]


def _told(ending: Ending, memory: BuildMemory, folder: RunFolder) -> StepEnd:
    """The end of a run in which Jenkins was not spoken with; nothing that is secret can be in its words."""
    log = BuildLog(folder.log, memory, ())
    log.line(ending.reason or "The step was canceled.")
    log.close()
    return _end_of(ending, memory, log)


def _end_of(ending: Ending, memory: BuildMemory, log: BuildLog) -> StepEnd:
    began = memory.now.began_at
    return StepEnd(
        outcome=ending.outcome,
        exit_code=ending.exit_code,
        reason=ending.reason,
        log_size=log.file.size,
        log_sha256=log.file.sha256,
        started_at=began,
        finished_at=max(began, datetime.now(UTC)),
        told=ending.told,
    )
