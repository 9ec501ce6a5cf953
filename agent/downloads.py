"""Fetch a job's artifacts into its workspace: exactly the bytes that were pinned, or none at all."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

import structlog

from activities.agent_job import CancelStep, DownloadRequest, StepEnd, StepOutcome
from activities.artifact_source import SourceOpener, SourceUnreachable, WrongDigest
from agent.api_client import ApiRefused, ApiUnreachable, ArtifactToFetch
from agent.archives import is_archive, unpack
from agent.disk_sync import sync_disk
from agent.fetchers import WAITS, ContentLocks, Fetchers, SourceOfThread, size_of
from agent.file_fetch import FetchStores, WantedFile
from agent.leases import Lease, Leases
from agent.log_shipper import LogShipper
from agent.masking import Masker
from agent.part_files import DownloadStopped
from agent.run_folder import RunFolder, RunLabel
from agent.run_table import RunTable
from agent.runner import LogFile
from agent.safe_names import joined
from agent.state_folder import StateFolder
from domain.refusal import Refusal

_log = structlog.get_logger("slipway.agent")
_ASK_AGAIN_SECONDS = 1.0
_LOGS_ARE_SENT_WITHIN = 10.0
_SYNCED_ONE_BY_ONE = 64
_PLANNED_AT_ONCE = 500


class ArtifactLists(Protocol):
    """Where an agent learns what to fetch."""

    async def artifacts(self, run_id: str) -> tuple[ArtifactToFetch, ...]:
        """Raises ApiUnreachable, ApiRefused."""
        ...


class FetchLog:
    """The log of a download, in lines; secrets of the connections are masked."""

    def __init__(self, path: Path) -> None:
        self.file = LogFile(path)
        self._masker = Masker(())
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True
        self.file.close()

    def hide(self, secrets: Sequence[str]) -> None:
        self._masker = Masker(secrets)

    def line(self, text: str) -> None:
        if self._is_closed:  # a thread may still have something to tell
            return
        self.file.write(self._masker.feed(f"{text}\n".encode(errors="replace")) + self._masker.flush())


class ArtifactDownloads:
    """Implements ``Downloads``. An interrupted download begins anew, with the bytes it had; its log goes on."""

    def __init__(  # noqa: PLR0913  the parts of an agent; all are named
        self,
        *,
        state: StateFolder,
        leases: Leases,
        lists: ArtifactLists,
        shipper: LogShipper,
        open_source: SourceOpener,
        stores: FetchStores,
        locks: ContentLocks | None = None,
        waits: Sequence[float] = WAITS,
    ) -> None:
        self._state = state
        self._leases = leases
        self._lists = lists
        self._shipper = shipper
        self._open_source = open_source
        self._stores = stores
        self._waits = waits
        self._locks = locks or ContentLocks()
        self._under_way = RunTable()
        self._stops: dict[str, tuple[str, asyncio.Event]] = {}

    @property
    def are_under_way(self) -> bool:
        """Whether a job downloads just now."""
        return bool(self._stops)

    async def run(self, request: DownloadRequest) -> StepEnd:
        lease = self._leases.usable(request.lease_id)
        return await self._under_way.join(request.run_id, lambda: self._run(request, lease))

    async def cancel(self, request: CancelStep) -> None:
        if request.run_id in self._stops:
            self._stops[request.run_id][1].set()

    async def end_all(self, lease_id: str) -> None:
        """End every download of the lease; their logs are sent if the server takes them soon."""
        run_ids = [run_id for run_id, (holder, _) in self._stops.items() if holder == lease_id]
        for run_id in run_ids:
            self._stops[run_id][1].set()
        tasks = [task for run_id in run_ids if (task := self._under_way.get(run_id)) is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_LOGS_ARE_SENT_WITHIN)
            for task in late:
                task.cancel()

    async def _run(self, request: DownloadRequest, lease: Lease) -> StepEnd:
        label = RunLabel(run_id=request.run_id, lease_id=request.lease_id)
        folder = RunFolder.of(self._state.runs, label)
        ended, stop = asyncio.Event(), asyncio.Event()
        self._stops[request.run_id] = (request.lease_id, stop)
        shipping = asyncio.create_task(self._shipper.ship(request.run_id, folder.log, ended))
        try:
            end = folder.end() or folder.write_end(await self._until_stopped(request, lease, folder, stop))
            ended.set()
            await shipping
        finally:
            shipping.cancel()
            del self._stops[request.run_id]
        return end

    async def _until_stopped(
        self, request: DownloadRequest, lease: Lease, folder: RunFolder, stop: asyncio.Event
    ) -> StepEnd:
        began, log = datetime.now(UTC), FetchLog(folder.log)
        if log.file.size:
            log.line("The download was interrupted and begins anew.")
        fetching = asyncio.create_task(self._fetch_all(request, lease, log))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([fetching, stopping], return_when=asyncio.FIRST_COMPLETED)
            outcome, reason = await _outcome(fetching)
            if reason:
                log.line(reason)
        finally:
            fetching.cancel()
            stopping.cancel()
            log.close()
        return StepEnd(
            outcome=outcome,
            exit_code=None if outcome == StepOutcome.CANCELED else int(bool(reason)),
            reason=reason,
            log_size=log.file.size,
            log_sha256=log.file.sha256,
            started_at=began,
            finished_at=max(began, datetime.now(UTC)),
        )

    async def _fetch_all(self, request: DownloadRequest, lease: Lease, log: FetchLog) -> None:
        wanted = await self._wanted(request, log)
        log.hide([item.connection.token.get_secret_value() for item in wanted if item.connection])
        began = monotonic()
        plan = [file for item in wanted async for file in self._plan(item, lease, log)]
        are_few = len(plan) <= _SYNCED_ONE_BY_ONE
        with Fetchers(self._stores, self._locks, log.line, waits=self._waits, are_synced=are_few) as fetchers:
            await fetchers.fetch(plan)
        if not are_few:
            await asyncio.to_thread(sync_disk, lease.workspace)
        stop = threading.Event()
        try:
            for alias in request.unpack:
                if any(item.alias == alias for item in wanted):
                    await asyncio.to_thread(_unpack_all, lease.workspace / alias, log, stop)
        finally:
            stop.set()
        size = sum(file.entry.size for file in plan)
        log.line(f"All artifacts are there: {size_of(size)} in {monotonic() - began:.1f} s.")

    async def _wanted(self, request: DownloadRequest, log: FetchLog) -> list[ArtifactToFetch]:
        """What to fetch, as the API says, provided that it is what the release pinned."""
        while True:
            try:
                told = {item.alias: item for item in await self._lists.artifacts(request.run_id)}
            except ApiUnreachable as trouble:
                log.line(f"Waiting for the list of artifacts: {trouble}")
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
                continue
            for pin in request.artifacts:
                if pin.alias not in told:
                    raise WrongDigest(f"the list of files of {pin.alias} {pin.version} is missing")
                if told[pin.alias].manifest.digest != pin.digest:
                    raise WrongDigest(f"the list of files of {pin.alias} {pin.version} is not the one that was pinned")
            return [told[pin.alias] for pin in request.artifacts]

    async def _plan(self, item: ArtifactToFetch, lease: Lease, log: FetchLog) -> AsyncIterator[WantedFile]:
        """Clear the place of an artifact; its files. Others get their turn meanwhile, for there may be very many."""
        manifest, folder = item.manifest, joined(lease.workspace, item.alias)
        incoming = lease.folder / "incoming"
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir(parents=True)
        incoming.mkdir(exist_ok=True)
        size = size_of(sum(entry.size for entry in manifest.files))
        log.line(f"Downloading {item.alias} {manifest.version}: {_counted(len(manifest.files))}, {size}")
        source = SourceOfThread(lambda: self._open_source(manifest.source, item.connection))
        for number, entry in enumerate(manifest.files):
            if number % _PLANNED_AT_ONCE == 0:
                await asyncio.sleep(0)
            yield WantedFile(
                name=f"{item.alias}/{entry.path}",
                version=manifest.version,
                entry=entry,
                open_source=source,
                target=joined(folder, entry.path),
                incoming=incoming / f"{item.alias}-{number}",
            )


def _unpack_all(folder: Path, log: FetchLog, stop: threading.Event) -> None:
    def check() -> None:
        if stop.is_set():
            raise DownloadStopped

    for archive in sorted(path for path in folder.rglob("*") if path.is_file() and is_archive(path)):
        count = unpack(archive, archive.parent, check=check)
        log.line(f"  unpacked {archive.relative_to(folder.parent)}: {_counted(count)}")


async def _outcome(fetching: "asyncio.Task[None]") -> tuple[StepOutcome, str]:
    """How the fetching ended, in words; raises what is a bug."""
    if not fetching.done():
        return StepOutcome.CANCELED, "The download was canceled."
    try:
        await fetching
    except (Refusal, ApiRefused, SourceUnreachable, OSError) as trouble:
        return StepOutcome.EXITED, f"{type(trouble).__name__}: {trouble}"
    return StepOutcome.EXITED, ""


def _counted(files: int) -> str:
    return f"{files} file{'' if files == 1 else 's'}"
