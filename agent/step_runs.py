"""Runs of steps: see to it that a run has happened, once, and that the server has its whole log and its files."""

import asyncio
import hashlib
import signal
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import structlog

from activities.agent_job import CancelStep, RunStep, StepEnd, StepOutcome
from agent.api_client import ApiRefused, GivenSecrets
from agent.disk_reserve import DiskReserve
from agent.leases import Lease, Leases
from agent.log_shipper import LogShipper
from agent.process_tree import marked, send
from agent.run_folder import LEASE_MARK, RunFolder, RunLabel, RunnerDidNotStart
from agent.run_table import RunTable
from agent.runner import COULD_NOT_START
from agent.state_folder import StateFolder
from agent.step_environment import command_for, environment_of
from agent.step_secrets import SecretStore, StepSecrets
from domain.outputs import environment_spelling

_log = structlog.get_logger("slipway.agent")
_ASK_AGAIN_SECONDS = 1.0
_LOGS_ARE_SENT_WITHIN = 10.0
_GRACE_SECONDS = 5.0
_START_WITHIN_SECONDS = 30.0
_KILLS = 20
_BETWEEN_KILLS_SECONDS = 0.05


class DetachedStepRuns:
    """Implements ``StepRuns``. Steps run under runners that outlive this process."""

    def __init__(  # noqa: PLR0913  what it works with; all named
        self,
        *,
        agent: str,
        state: StateFolder,
        leases: Leases,
        secrets: SecretStore,
        shipper: LogShipper,
        inherited: Mapping[str, str],
        handed_on: Collection[str] = (),
        grace_seconds: float = _GRACE_SECONDS,
        start_within_seconds: float = _START_WITHIN_SECONDS,
        log_limit: int | None = None,
        disk_reserve: int = 0,
    ) -> None:
        self._agent = agent
        self._state = state
        self._leases = leases
        self._secrets = StepSecrets(secrets)
        self._shipper = shipper
        self._inherited = inherited
        self._handed_on = handed_on
        self._grace_seconds = grace_seconds
        self._start_within_seconds = start_within_seconds
        self._log_limit = log_limit
        self._disk_reserve = disk_reserve
        self._under_way = RunTable()

    async def run(self, request: RunStep) -> StepEnd:
        lease = self._leases.usable(request.lease_id)
        return await self._under_way.join(request.run_id, lambda: self._run(request, lease))

    async def cancel(self, request: CancelStep) -> None:
        if request.lease_id in self._leases:
            self._folder(request.run_id, request.lease_id).cancel()

    async def end_all(self, lease_id: str) -> None:
        """End every run of the lease, and all its processes; their logs are sent if the server takes them soon."""
        runs = RunFolder.all_of_lease(self._state.runs, lease_id)
        tasks = [task for run in runs if (task := self._ending(run)) is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._grace_seconds + _LOGS_ARE_SENT_WITHIN)
            for task in late:
                task.cancel()
        await _kill_marked(f"{LEASE_MARK}={lease_id}")
        for run in runs:
            self._state.discard(run.path)

    async def _run(self, request: RunStep, lease: Lease) -> StepEnd:
        give_up_at = time.monotonic() + self._start_within_seconds
        while True:
            try:
                folder = await self._started(request, lease)
            except (OSError, RunnerDidNotStart) as trouble:
                _log.warning("step not started", run=request.run_id, trouble=str(trouble))
                if time.monotonic() > give_up_at:
                    return _never_started(trouble)
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
            else:
                return await self._see_to_the_end(folder, request.run_id)

    async def _started(self, request: RunStep, lease: Lease) -> RunFolder:
        folder = self._folder(request.run_id, request.lease_id)
        try:
            if not folder.was_started and folder.end() is None:
                await self._start(folder, request, lease)
        except (OSError, RunnerDidNotStart):
            if not folder.was_started:
                raise
        return folder

    async def _start(self, folder: RunFolder, request: RunStep, lease: Lease) -> None:
        workspace = lease.workspace.resolve()
        directory = (workspace / request.working_directory).resolve()
        if not directory.is_relative_to(workspace):
            folder.end_unstarted(f"the working directory {request.working_directory} is outside of the workspace")
            return
        reserve = DiskReserve(self._agent, str(workspace), self._disk_reserve)
        if lacking := reserve.lacking():
            folder.end_unstarted(f"not started: {lacking}")
            return
        try:
            given = await self._secrets.given(folder, request)
        except ApiRefused as refused:
            if not folder.is_canceled:
                folder.end_unstarted(f"the step's secrets were not given: {refused}")
                return
            given = GivenSecrets()  # the runner will see that the run is canceled, and start nothing
        command = command_for(request.shell, request.script, folder.path)
        spec = {
            "argv": command,
            "cwd": str(directory),
            "environment": environment_of(request, lease, self._agent, self._inherited, given.values, self._handed_on),
            "secrets": sorted({*given.values.values(), *given.masks}),
            "terms": {**request.room.model_dump(), "secret": [environment_spelling(name) for name in given.values]},
            "timeout": request.timeout.total_seconds(),
            "grace": self._grace_seconds,
            "heard": str(lease.heard),
            "cut_off_after": lease.cut_off_after,
            "log_limit": self._log_limit,
            "reserve": reserve,
        }
        await folder.start(spec)
        _log.info("step started", run=request.run_id)

    async def _see_to_the_end(self, folder: RunFolder, run_id: str) -> StepEnd:
        ended = asyncio.Event()
        shipping = asyncio.create_task(self._shipper.ship(run_id, folder.log, ended))
        try:
            end = await folder.ended()
            ended.set()
            end = await self._secrets.keep(folder, run_id, end)
            await shipping
            await self._shipper.ship_files(run_id, folder.files, len(end.told.files))
        finally:
            shipping.cancel()
        _log.info("step ended", run=run_id, outcome=end.outcome, exit_code=end.exit_code)
        return end

    def _ending(self, folder: RunFolder) -> asyncio.Task[StepEnd] | None:
        """Make the run end, and see to it that its log is sent; None when nothing of it ever ran."""
        label = folder.label()
        if label is None or not (folder.was_started or label.run_id in self._under_way):
            return None
        folder.cancel()
        return self._under_way.task(label.run_id, lambda: self._see_to_the_end(folder, label.run_id))

    def _folder(self, run_id: str, lease_id: str) -> RunFolder:
        return RunFolder.of(self._state.runs, RunLabel(run_id=run_id, lease_id=lease_id))


def _never_started(trouble: Exception) -> StepEnd:
    """Told, and not written down: most likely the disk takes nothing."""
    why = trouble.strerror if isinstance(trouble, OSError) and trouble.strerror else str(trouble)
    now = datetime.now(UTC)
    return StepEnd(
        outcome=StepOutcome.EXITED,
        exit_code=COULD_NOT_START,
        reason=f"the step could not be started: {why}",
        log_sha256=hashlib.sha256().hexdigest(),
        started_at=now,
        finished_at=now,
    )


async def _kill_marked(mark: str) -> None:
    """Again and again for a while: what forks may be missed once."""
    for _ in range(_KILLS):
        left = marked(mark)
        if not left:
            return
        _log.warning("killing what was left running", mark=mark, processes=len(left))
        send(left, signal.SIGKILL)
        await asyncio.sleep(_BETWEEN_KILLS_SECONDS)
