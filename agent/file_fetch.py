"""One file on its way from its source to its place: it appears there whole, with the pinned bytes, or not at all."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from activities.artifact_source import ArtifactSource, WrongDigest
from agent.artifact_cache import ArtifactCache
from agent.disk_reserve import sized
from agent.part_files import DownloadStopped, PartFile, PartFiles
from domain.artifact import FileEntry
from domain.refusal import Refusal

_ROOM_IS_LOOKED_AT_EVERY = 64 << 20
_COMES_ASIDE = 1 << 20  # at most, with an empty piece: the zip in which the file is

Tell = Callable[[str], None]
Pace = Callable[[int], None]


class DiskTooFull(Refusal):
    """What is to be downloaded does not fit on the agent's disk."""


@dataclass(frozen=True)
class FetchStores:
    """Where an agent keeps what it fetches."""

    parts: PartFiles
    cache: ArtifactCache

    def make_room(self, coming: int = 0) -> str:
        """Let go of what nobody needs now, until so many bytes more leave the reserve free; else what is lacking."""
        if self.cache.make_room(coming):
            self.parts.drop_old(older_than=0)
        return self.cache.make_room(coming)


@dataclass(frozen=True)
class WantedFile:
    """One file to fetch; ``target`` None is for the cache alone. ``open_source`` gives this thread its source."""

    name: str
    version: str
    entry: FileEntry
    open_source: Callable[[], ArtifactSource]
    target: Path | None = None
    incoming: Path | None = None


def _nothing(_: object) -> None:
    """Where nobody listens."""


class FileFetch:
    """The tries at one file, one after another, each in a thread; what has come stays from try to try.

    ``stop`` may be called from anywhere: nothing is written to the file's place afterwards, even by a thread that
    waits for its server. ``came`` counts the bytes of all tries. ``tell`` gets news in words, ``pace`` the size of each
    piece, both from the thread. ``is_synced``: the file survives a loss of power from the moment it is there.
    """

    def __init__(
        self,
        wanted: WantedFile,
        stores: FetchStores,
        *,
        tell: Tell = _nothing,
        pace: Pace = _nothing,
        is_synced: bool = True,
    ) -> None:
        self.wanted = wanted
        self.was_cached = False
        self.began = 0.0
        self.came = 0
        self._stores = stores
        self._tell = tell
        self._pace = pace
        self._is_synced = is_synced
        self._part: PartFile | None = None
        self._placing = threading.Lock()
        self._is_stopped = False
        self._began_anew = False

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self._part.size if self._part else 0

    def stop(self) -> None:
        self._is_stopped = True
        with self._placing:
            self._close_part()

    def try_once(self) -> None:
        """Raises SourceUnreachable (worth another try), DownloadStopped, or what refuses the file for good."""
        self.began = self.began or monotonic()
        try:
            self.was_cached = self._is_from_cache()
            if not self.was_cached:
                self._settle(self._complete(self._opened_part()))
        except DownloadStopped:
            self._close_part()
            raise

    def _is_from_cache(self) -> bool:
        entry, incoming = self.wanted.entry, self.wanted.incoming
        if incoming is None or entry.sha256 not in self._stores.cache:
            return entry.sha256 in self._stores.cache
        self._look_for_room(entry.size)
        if not self._stores.cache.deliver(entry.sha256, incoming, self._check_stopped):
            return False
        self._place(incoming)
        return True

    def _opened_part(self) -> PartFile:
        if self._part is None:
            with self._placing:  # who was stopped must not take the part from who came after it
                self._check_stopped()
                self._part = part = self._stores.parts.open(self.wanted.entry.sha256)
            part.catch_up()
            if part.size > self.wanted.entry.size:
                part.clear()
            if part.size:
                self._tell(f"goes on with the {part.size:,} bytes that are here")
        return self._part

    def _complete(self, part: PartFile) -> PartFile:
        """Fetch what is missing; where other bytes came, or pieces of different files, all of it anew, once."""
        while True:
            try:
                if part.size < self.wanted.entry.size:
                    self._stream(part)
                _check(part, self.wanted.entry)
            except WrongDigest as wrong:
                part.clear()
                if self._began_anew:
                    self._close_part()
                    raise
                self._began_anew = True
                self._tell(f"{wrong}; it is fetched anew, once")
            else:
                return part

    def _stream(self, part: PartFile) -> None:
        """From what is there to the end."""
        wanted, entry, start = self.wanted, self.wanted.entry, part.size
        self._look_for_room(entry.size - start)
        unlooked = 0
        for piece in wanted.open_source().stream(wanted.version, entry.locator, start=start):
            if part.size + len(piece) > entry.size:
                raise WrongDigest(f"{entry.path}: expected {entry.size} bytes, got more")
            part.write(piece)
            self.came += len(piece)
            unlooked += len(piece) or _COMES_ASIDE
            if unlooked >= _ROOM_IS_LOOKED_AT_EVERY:
                self._look_for_room(entry.size - part.size)
                unlooked = 0
            self._pace(len(piece))

    def _settle(self, part: PartFile) -> None:
        sha256 = self.wanted.entry.sha256
        if self.wanted.target is None:
            with self._placing:
                self._check_stopped()
                self._stores.cache.keep_only(sha256, part)
        else:
            self._stores.cache.keep(sha256, part)
            self._place(part.path)
        self._close_part()

    def _place(self, path: Path) -> None:
        assert self.wanted.target is not None, "what is for the cache alone has no place"
        if self._is_synced:
            _sync(path)
        with self._placing:
            self._check_stopped()
            self.wanted.target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(self.wanted.target)

    def _look_for_room(self, coming: int) -> None:
        if lacking := self._stores.make_room(coming):
            raise DiskTooFull(f"{self.wanted.name} ({sized(self.wanted.entry.size)}): {lacking}")

    def _check_stopped(self) -> None:
        if self._is_stopped:
            raise DownloadStopped

    def _close_part(self) -> None:
        if self._part is not None:
            self._stores.parts.close(self.wanted.entry.sha256, self._part)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check(part: PartFile, entry: FileEntry) -> None:
    if part.size != entry.size:
        raise WrongDigest(f"{entry.path}: expected {entry.size} bytes, got {part.size}")
    if part.sha256 != entry.sha256:
        raise WrongDigest(f"{entry.path}: expected SHA-256 {entry.sha256}, got {part.sha256}")
