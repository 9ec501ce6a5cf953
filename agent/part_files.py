"""The bytes of files that have come so far, kept per content: a download that was cut, or killed, goes on from them."""

import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

_PIECE = 1 << 20
_KEPT_FOR_SECONDS = 24 * 3600.0


class DownloadStopped(Exception):  # noqa: N818  reads as what happened
    """Somebody asked the download to end, or another one took over what it had."""


class PartFile:
    """One file as far as it has come, and the SHA-256 of that. One thread writes; any may make it stop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._digest = hashlib.sha256()
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._is_stopped = False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def catch_up(self) -> None:
        """Read what an earlier process left here. Raises DownloadStopped."""
        while piece := self._read():
            self._digest.update(piece)
            self.size += len(piece)

    def write(self, piece: bytes) -> None:
        """Raises DownloadStopped: who was stopped while waiting for the piece must not write it."""
        with self._lock:
            self.check()
            left = memoryview(piece)
            while left:
                left = left[os.write(self._file, left) :]
        self._digest.update(piece)
        self.size += len(piece)

    def clear(self) -> None:
        """Begin anew. Raises DownloadStopped."""
        with self._lock:
            self.check()
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
        self._digest, self.size = hashlib.sha256(), 0

    def check(self) -> None:
        """Raises DownloadStopped once it was stopped."""
        if self._is_stopped:
            raise DownloadStopped

    def stop(self) -> None:
        """Nothing is written here from now on, whoever still waits for a piece. What there is stays."""
        with self._lock:
            if not self._is_stopped:
                self._is_stopped = True
                os.close(self._file)

    def _read(self) -> bytes:
        with self._lock:
            self.check()
            return os.read(self._file, _PIECE)


class PartFiles:
    """All of them, in a folder of their own. Whoever opens one again takes it over from whoever had it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[str, PartFile] = {}

    def open(self, sha256: str) -> PartFile:
        """The part of the content of this digest, which may hold bytes already: ``catch_up`` with them."""
        with self._lock:
            if (former := self._open.get(sha256)) is not None:
                former.stop()
            part = self._open[sha256] = PartFile(self._folder / sha256)
            return part

    def close(self, sha256: str, part: PartFile) -> None:
        """Stop it, and leave what it holds, if anything, to the next."""
        with self._lock:
            part.stop()
            if self._open.get(sha256) is part:
                del self._open[sha256]
                if not part.size:
                    part.path.unlink(missing_ok=True)

    def drop_old(self, older_than: float = _KEPT_FOR_SECONDS) -> None:
        """Remove what nobody came back for in so many seconds. Safe at any time."""
        before = time.time() - older_than
        with self._lock:
            for path in self._folder.iterdir():
                with suppress(FileNotFoundError):
                    if path.name not in self._open and path.stat().st_mtime < before:
                        path.unlink()
