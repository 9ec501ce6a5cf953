"""A few threads that fetch files side by side, with patience, and lines in a log while it takes long."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from time import monotonic
from typing import Self

from activities.artifact_source import ArtifactSource, SourceUnreachable
from agent.file_fetch import FetchStores, FileFetch, WantedFile

_FILES_AT_ONCE = 4
_LANES = 2 * _FILES_AT_ONCE  # some of them wait for a second try, or for another job's download
WAITS = (1.0, 2.0, 4.0, 8.0)
_PROGRESS_SECONDS = 5.0
_WORTH_NEW_PATIENCE = 1 << 20
_MOST_TRIES = 1000
_WORTH_A_LINE = 1_000_000

Line = Callable[[str], None]


class ContentLocks:
    """One at a time fetches a content; the others wait, and find it in the cache."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def only_one(self, sha256: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(sha256, (asyncio.Lock(), 0))
        self._locks[sha256] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            _, users = self._locks.pop(sha256)
            if users > 1:
                self._locks[sha256] = lock, users - 1

    def is_taken(self, sha256: str) -> bool:
        """Whether somebody fetches it just now."""
        return sha256 in self._locks


class SourceOfThread:
    """A source for each thread that asks: sources are not for use by two at once."""

    def __init__(self, open_source: Callable[[], ArtifactSource]) -> None:
        self._open_source = open_source
        self._mine = threading.local()

    def __call__(self) -> ArtifactSource:
        if not hasattr(self._mine, "source"):
            self._mine.source = self._open_source()
        source: ArtifactSource = self._mine.source
        return source


class Fetchers:
    """Fetch inside the block; leaving it ends everything at once.

    A thread that waits for its server then writes nothing more, and ends with the next piece, or when the source loses
    its patience.
    """

    def __init__(
        self,
        stores: FetchStores,
        locks: ContentLocks,
        line: Line,
        *,
        waits: Sequence[float] = WAITS,
        are_synced: bool = True,
    ) -> None:
        self._stores = stores
        self._locks = locks
        self._line = line
        self._waits = waits
        self._are_synced = are_synced
        self._threads = ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="fetch")
        self._under_way: set[FileFetch] = set()

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._progress = asyncio.create_task(self._tell_progress())
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.cancel()
        for fetch in self._under_way:
            fetch.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def fetch(self, plan: Iterable[WantedFile]) -> None:
        """Fetch all of them; the first trouble ends it."""
        left = iter(plan)
        lanes = [asyncio.create_task(self._each(left)) for _ in range(_LANES)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()

    async def _each(self, left: Iterator[WantedFile]) -> None:
        for wanted in left:
            entry = wanted.entry
            if self._locks.is_taken(entry.sha256) and entry.size > _WORTH_A_LINE:
                self._line(f"  {wanted.name}: waiting, since the same bytes are being downloaded already")
            async with self._locks.only_one(entry.sha256):
                await self._one(wanted)

    async def _one(self, wanted: WantedFile) -> None:
        fetch = FileFetch(
            wanted,
            self._stores,
            tell=lambda news: self._tell(f"  {wanted.name}: {news}"),
            is_synced=self._are_synced,
        )
        self._under_way.add(fetch)
        try:
            await self._patiently(fetch)
        finally:
            fetch.stop()
            self._under_way.discard(fetch)

    async def _patiently(self, fetch: FileFetch) -> None:
        name, waits = fetch.wanted.name, list(self._waits)
        for _ in range(_MOST_TRIES):
            size_before = fetch.size
            try:
                await self._loop.run_in_executor(self._threads, fetch.try_once)
            except SourceUnreachable as trouble:
                if fetch.size - size_before >= _WORTH_NEW_PATIENCE:
                    waits = list(self._waits)
                if not waits:
                    raise
                wait = waits.pop(0)
                self._line(f"  {name}: {trouble}; again in {wait:.0f} s{_from(fetch)}")
                await asyncio.sleep(wait)
            else:
                how = " from the cache" if fetch.was_cached else ""
                self._line(f"  {name}  {size_of(fetch.wanted.entry.size)}{how} in {monotonic() - fetch.began:.1f} s")
                return
        raise SourceUnreachable(f"{name} did not come whole in {_MOST_TRIES} tries")

    async def _tell_progress(self) -> None:
        """A line for each file that takes long, every few seconds."""
        told: dict[FileFetch, int] = {}
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            now = {fetch: fetch.came for fetch in self._under_way if fetch.began}
            for fetch, came in now.items():
                took = min(monotonic() - fetch.began, _PROGRESS_SECONDS)
                if took > _PROGRESS_SECONDS / 2:
                    whole, speed = fetch.wanted.entry.size, (came - told.get(fetch, 0)) / took
                    percent = 100 * fetch.size // max(1, whole)
                    self._line(f"  {fetch.wanted.name}: {percent} % of {size_of(whole)}, {speed / 1e6:.1f} MB/s")
            told = now

    def _tell(self, news: str) -> None:
        """From a thread."""
        self._loop.call_soon_threadsafe(self._line, news)


def size_of(count: float) -> str:
    """Bytes, in decimal units."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004  decimal units
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _from(fetch: FileFetch) -> str:
    return f", from byte {fetch.size:,} on" if fetch.size else ""
