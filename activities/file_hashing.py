"""Hash the files of a version once, several side by side, and hold the source to what it says of them."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from activities.artifact_source import ArtifactSource, FileOffer, ResolvedVersion, SourceUnreachable, WrongDigest
from domain.artifact import FileEntry

_FILES_AT_ONCE = 4
_WORTH_NEW_PATIENCE = 1 << 20
_TRIES = 5
AGAIN_AFTER_SECONDS = 1.0


class HashingStopped(Exception):  # noqa: N818  reads as what happened
    """Nobody waits for the digests any more."""


class FileHashing:
    """The files of one resolved version; ``open_source`` makes a source for each of those that work side by side."""

    def __init__(self, resolved: ResolvedVersion, open_source: Callable[[], ArtifactSource]) -> None:
        self._resolved = resolved
        self._open_source = open_source
        self._stop = threading.Event()
        self._hashed: dict[int, FileEntry] = {}
        self._bytes = 0

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        return f"{len(self._hashed)} of {len(self._resolved.files)} files hashed, {self._bytes / 1e6:,.1f} MB read"

    async def entries(self) -> tuple[FileEntry, ...]:
        """In the order of the offers. Raises what the source raises, and WrongDigest."""
        left = iter(enumerate(self._resolved.files))
        threads = ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="hash")
        lanes = [asyncio.create_task(self._each(left, threads)) for _ in range(_FILES_AT_ONCE)]
        try:
            await asyncio.gather(*lanes)
        finally:
            self._stop.set()
            for lane in lanes:
                lane.cancel()
            threads.shutdown(wait=False, cancel_futures=True)
        return tuple(self._hashed[number] for number in range(len(self._resolved.files)))

    async def _each(self, left: Iterator[tuple[int, FileOffer]], threads: ThreadPoolExecutor) -> None:
        source = None
        for number, offer in left:
            source = source or self._open_source()
            file = _Hash(offer, self._count)
            self._hashed[number] = await self._patiently(file, source, threads)

    async def _patiently(self, file: "_Hash", source: ArtifactSource, threads: ThreadPoolExecutor) -> FileEntry:
        """A cut is gone on from here; a source that gives nothing at all is left to who asked for the digests."""
        tries = _TRIES
        while True:
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(threads, file.read, source, self._resolved.version)
            except SourceUnreachable:
                tries = _TRIES if file.can_go_on and file.came >= _WORTH_NEW_PATIENCE else tries - 1
                if not file.came or not tries:
                    raise
                await asyncio.sleep(AGAIN_AFTER_SECONDS)

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._stop.is_set():
            raise HashingStopped


class _Hash:
    """One file, try after try. ``came`` are the bytes that the last try brought."""

    def __init__(self, offer: FileOffer, count: Callable[[int], None]) -> None:
        self._offer = offer
        self._count = count
        self._is_anew = False
        self.came = 0
        self._clear()

    def read(self, source: ArtifactSource, version: str) -> FileEntry:
        """Raises SourceUnreachable, also for a body that is too short."""
        if not self.can_go_on:
            self._clear()
        start, self.came = self._size, 0
        try:
            for piece in source.stream(version, self._offer.locator, start=start):
                self._take(piece)
            self._check()
        except WrongDigest:
            if not start or self._is_anew:
                raise
            self._is_anew = True
            self._clear()
            return self.read(source, version)
        offer, found = self._offer, self._digests["SHA-256"].hexdigest()
        return FileEntry(path=offer.path, locator=offer.locator, size=self._size, sha256=found)

    def _take(self, piece: bytes) -> None:
        self._count(len(piece))
        self.came += len(piece)
        self._size += len(piece)
        for digest in self._digests.values():
            digest.update(piece)

    @property
    def can_go_on(self) -> bool:
        """Only where the source says what the whole shall be: two pieces might be of different files."""
        return bool(self._offer.sha256 or self._offer.md5)

    def _clear(self) -> None:
        self._size = 0
        self._digests = {"SHA-256": hashlib.sha256()}
        if self._offer.md5:
            self._digests["MD5"] = hashlib.md5(usedforsecurity=False)

    def _check(self) -> None:
        offer = self._offer
        if offer.size is not None and self._size < offer.size:
            raise SourceUnreachable(f"{offer.path} ended after {self._size} of {offer.size} bytes")
        if offer.size is not None and self._size > offer.size:
            raise WrongDigest(f"{offer.path} is listed with {offer.size} bytes, but {self._size} came")
        for kind, said in (("SHA-256", offer.sha256), ("MD5", offer.md5)):
            if said and self._digests[kind].hexdigest() != said.lower():
                found = self._digests[kind].hexdigest()
                raise WrongDigest(f"{offer.path} is listed with the {kind} {said}, but its bytes have {found}")
