"""Fetch artifacts into the cache while people still think about approvals: quietly, and never in a job's way."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import uniform
from time import monotonic, sleep
from typing import Protocol

import structlog

from activities.artifact_source import SourceOpener, SourceUnreachable
from agent.api_client import ApiRefused, ApiUnreachable, ArtifactToFetch
from agent.fetchers import ContentLocks, SourceOfThread
from agent.file_fetch import FetchStores, FileFetch, WantedFile
from agent.masking import Masker
from domain.refusal import Refusal

_log = structlog.get_logger("slipway.agent")
_ASK_EVERY_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_LONGEST_PAUSE = 2.0
_NOT_AGAIN_FOR_SECONDS = 600.0


class UpcomingLists(Protocol):
    """Where an agent learns what its next jobs may need."""

    async def upcoming(self) -> tuple[ArtifactToFetch, ...]:
        """Raises ApiUnreachable, ApiRefused."""
        ...


class Prefetch:
    """One file at a time, half of the time, and not at all while a job downloads.

    What it could not get is left for ten minutes: a job that needs it will say what is wrong.
    """

    def __init__(
        self,
        *,
        lists: UpcomingLists,
        stores: FetchStores,
        locks: ContentLocks,
        open_source: SourceOpener,
        is_busy: Callable[[], bool],
    ) -> None:
        self._lists = lists
        self._stores = stores
        self._locks = locks
        self._open_source = open_source
        self._is_busy = is_busy
        self._left_until: dict[str, float] = {}

    async def keep(self) -> None:
        """For ever; without a cache, there is nothing to do."""
        while True:
            await asyncio.sleep(uniform(0.5, 1) * _ASK_EVERY_SECONDS)  # noqa: S311  so that agents do not ask in step
            if self._stores.cache.is_on and not self._is_busy():
                try:
                    await self.once()
                except Exception:  # noqa: BLE001  it is logged, and jobs can be done without
                    _log.exception("artifacts could not be fetched ahead")

    async def once(self) -> None:
        """Ask, and fetch what is not here yet; a job that begins to download ends it at once."""
        fetching = asyncio.create_task(self._fetch_all())
        try:
            while not fetching.done() and not self._is_busy():
                await asyncio.wait([fetching], timeout=_LOOK_SECONDS)
        finally:
            fetching.cancel()
            await asyncio.wait([fetching])
        if not fetching.cancelled():
            fetching.result()

    async def _fetch_all(self) -> None:
        try:
            wanted = await self._lists.upcoming()
        except (ApiUnreachable, ApiRefused) as trouble:
            _log.info("not told of upcoming artifacts", trouble=str(trouble))
            return
        for artifact in wanted:
            digest = artifact.manifest.digest
            if self._left_until.get(digest, 0) > monotonic():
                continue
            try:
                await self._fetch(artifact)
            except (Refusal, SourceUnreachable, OSError) as trouble:
                self._left_until[digest] = monotonic() + _NOT_AGAIN_FOR_SECONDS
                _log.info("artifact not fetched ahead", artifact=artifact.alias, trouble=_masked(trouble, artifact))

    async def _fetch(self, artifact: ArtifactToFetch) -> None:
        files = self._missing(artifact)
        threads = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        try:
            for file in files:
                async with self._locks.only_one(file.entry.sha256):
                    await self._one(file, threads)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
        if files:
            _log.info("artifact fetched ahead", artifact=artifact.alias, version=artifact.manifest.version)

    async def _one(self, file: WantedFile, threads: ThreadPoolExecutor) -> None:
        fetch = FileFetch(file, self._stores, pace=_HalfOfTheTime())
        try:
            await asyncio.get_running_loop().run_in_executor(threads, fetch.try_once)
        finally:
            fetch.stop()

    def _missing(self, artifact: ArtifactToFetch) -> Sequence[WantedFile]:
        """What is not in the cache; nothing of an artifact for which it has no room to spare."""
        manifest, cache = artifact.manifest, self._stores.cache
        missing = [entry for entry in manifest.files if entry.sha256 not in cache]
        if not cache.can_spare(sum(entry.size for entry in missing)):
            return []
        source = SourceOfThread(lambda: self._open_source(manifest.source, artifact.connection))
        return [
            WantedFile(name=f"{artifact.alias}/{entry.path}", version=manifest.version, entry=entry, open_source=source)
            for entry in missing
        ]


def _masked(trouble: Exception, artifact: ArtifactToFetch) -> str:
    secrets = [artifact.connection.token.get_secret_value()] if artifact.connection else []
    masker = Masker(secrets)
    return (masker.feed(str(trouble).encode(errors="replace")) + masker.flush()).decode(errors="replace")


class _HalfOfTheTime:
    """A pause after each piece, as long as the piece took."""

    def __init__(self) -> None:
        self._since = monotonic()

    def __call__(self, _: int) -> None:
        sleep(min(monotonic() - self._since, _LONGEST_PAUSE))
        self._since = monotonic()
