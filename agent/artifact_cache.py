"""Files of artifacts, kept by their SHA-256 for the next job that wants the same bytes.

A job gets a copy with an inode of its own, made inside the kernel, and shared block by block where the file system can:
through a hard link, a step that changes its file would change it for every job after it. Every copy is hashed before it
is handed out, so that an entry that was damaged, however that came, is noticed and removed, and never delivered.
"""

import hashlib
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import structlog

from agent.disk_reserve import DiskReserve
from agent.part_files import PartFile

_log = structlog.get_logger("slipway.agent")
_PIECE = 4 << 20
_NEW = ".new"
_NO_RESERVE = DiskReserve()

Check = Callable[[], None]


class ArtifactCache:
    """At most so many bytes, the least recently used go first; of 0 bytes, it keeps nothing.

    All methods block, and may be called from several threads. It also gives way when the disk has too little room.
    """

    def __init__(self, folder: Path, most_bytes: int = 0, reserve: DiskReserve = _NO_RESERVE) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._reserve = reserve
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._size = 0
        self._remember()

    @property
    def is_on(self) -> bool:
        return self._most_bytes > 0

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return self._size

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._sizes

    def deliver(self, sha256: str, target: Path, check: Check) -> bool:
        """Put a copy at ``target``; False when the content is not here. ``check`` may raise, to stop it on the way."""
        if not self._use(sha256):
            return False
        try:
            entry = (self._folder / sha256).open("rb")
        except FileNotFoundError:  # another thread needed its room
            self._remove(sha256)
            return False
        with entry:
            _copy(entry, target, check)
        if _sha256(target, check) == sha256:
            return True
        _log.warning("a damaged file was removed from the cache", sha256=sha256)
        target.unlink(missing_ok=True)
        self._remove(sha256)
        return False

    def keep(self, sha256: str, part: PartFile) -> None:
        """Keep a copy of what has come whole. Where that does not fit, or fails, the job is none the worse."""
        if not self._makes_way_for(part.size):
            return
        new = self._folder / f"{sha256}.{secrets.token_hex(4)}{_NEW}"
        try:
            with part.path.open("rb") as file:
                _copy(file, new, part.check)
            new.chmod(0o400)
            self._enter(new, sha256, part.size)
        except OSError as trouble:
            _log.warning("a file could not be kept in the cache", sha256=sha256, trouble=str(trouble))
        finally:
            new.unlink(missing_ok=True)

    def keep_only(self, sha256: str, part: PartFile) -> None:
        """The same for what no job waits for: the part itself moves in."""
        if self.is_on:
            part.path.chmod(0o400)
            self._enter(part.path, sha256, part.size)

    def can_spare(self, size: int) -> bool:
        """Whether there is room for what no job asks for yet: half of the cache, and the reserve twice over."""
        return size <= self._most_bytes // 2 and not self._reserve.lacking(size + self._reserve.size)

    def make_room(self, coming: int = 0) -> str:
        """Let entries go until so many bytes more leave the reserve free; what is still wrong then, in words."""
        while lacking := self._reserve.lacking(coming):
            if not self._remove_oldest():
                return lacking
        return ""

    def _remember(self) -> None:
        """What an earlier process left; what it was just making is removed."""
        found = []
        for path in self._folder.iterdir():
            if path.name.endswith(_NEW):
                path.unlink(missing_ok=True)
            else:
                told = path.stat()
                found.append((told.st_mtime_ns, path.name, told.st_size))
        self._sizes.update((name, size) for _, name, size in sorted(found))
        self._size = sum(self._sizes.values())
        self._shrink(self._most_bytes)

    def _use(self, sha256: str) -> bool:
        with self._lock:
            if sha256 not in self._sizes:
                return False
            self._sizes.move_to_end(sha256)
        with suppress(OSError):
            os.utime(self._folder / sha256)
        return True

    def _makes_way_for(self, size: int) -> bool:
        if size > self._most_bytes or not self.is_on:
            return False
        self._shrink(self._most_bytes - size)
        return not self.make_room(size)

    def _enter(self, path: Path, sha256: str, size: int) -> None:
        with self._lock:
            path.replace(self._folder / sha256)
            self._size += size - self._sizes.pop(sha256, 0)
            self._sizes[sha256] = size
        self._shrink(self._most_bytes)

    def _shrink(self, most_bytes: int) -> None:
        while self._size > most_bytes and self._remove_oldest():
            pass

    def _remove_oldest(self) -> bool:
        with self._lock:
            oldest = next(iter(self._sizes), None)
        if oldest is not None:
            self._remove(oldest)
        return oldest is not None

    def _remove(self, sha256: str) -> None:
        with self._lock:
            self._size -= self._sizes.pop(sha256, 0)
            (self._folder / sha256).unlink(missing_ok=True)


def _copy(given: IO[bytes], target: Path, check: Check) -> None:
    with target.open("wb") as made:
        left = os.fstat(given.fileno()).st_size
        while left:
            check()
            count = _copy_piece(given.fileno(), made.fileno(), min(left, _PIECE))
            left = left - count if count else 0


def _copy_piece(given: int, made: int, size: int) -> int:
    try:
        return os.copy_file_range(given, made, size)
    except OSError:  # between some file systems it cannot
        piece = os.read(given, size)
        return os.write(made, piece) if piece else 0


def _sha256(path: Path, check: Check) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            check()
            digest.update(piece)
    return digest.hexdigest()
