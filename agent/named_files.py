"""Files that a step names with logging commands. Standard library only: the step runner uses it.

They are read when they are named, so the step may remove them afterwards. What is kept is masked as the log is.
"""

import os
import stat
from pathlib import Path

from agent.masking import Masker

FILES = 20
FILE_BYTES = 10 * 2**20
FILES_BYTES = 50 * 2**20  # of all files of a step
_PIECE = 2**20
_MEBIBYTE = 2**20


class NotDone(Exception):  # noqa: N818  reads as what happened
    """Why a command is not done, in a sentence."""


class KeptFiles:
    """Copies in a folder of the run, named by their numbers from 1 on."""

    def __init__(self, folder: Path, masker: Masker) -> None:
        self._folder = folder
        self._masker = masker
        self._kept: list[tuple[str, int]] = []

    def names_and_sizes(self) -> list[tuple[str, int]]:
        """Of the copies, in the order of their numbers."""
        return list(self._kept)

    def keep(self, path: Path) -> str:
        """Copy the file as it is now; a remark when the copy differs. Raises NotDone."""
        if len(self._kept) >= FILES:
            raise NotDone(f"a step may keep {FILES} files")
        content, size = beginning(path, FILE_BYTES + 1)
        if len(content) > FILE_BYTES:
            most = FILE_BYTES // _MEBIBYTE
            raise NotDone(f"a file may have {most} MiB, {path.name} has {max(size, len(content))} bytes")
        if sum(kept for _, kept in self._kept) + len(content) > FILES_BYTES:
            raise NotDone(f"the files of a step may have {FILES_BYTES // _MEBIBYTE} MiB in all")
        shown = self._masker.masked_bytes(content)
        self._write(path.name, shown)
        self._kept.append((path.name, len(shown)))
        return "" if shown == content else f"{path.name} holds a secret, which is masked in the copy that is kept"

    def _write(self, name: str, content: bytes) -> None:
        copy = self._folder / str(len(self._kept) + 1)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with copy.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # most likely a full disk, which needs the room of what was written
            copy.unlink(missing_ok=True)
            raise NotDone(f"{name} cannot be copied: {error.strerror}") from error


def beginning(path: Path, limit: int) -> tuple[bytes, int]:
    """The beginning of a regular file, and its size. Raises NotDone."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise NotDone(f"there is no file {path.name} to read") from error
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise NotDone(f"{path.name} is no file")
        return _read(file, limit), found.st_size
    except OSError as error:
        raise NotDone(f"{path.name} cannot be read: {error.strerror}") from error
    finally:
        os.close(file)


def _read(file: int, limit: int) -> bytes:
    content = bytearray()
    while piece := os.read(file, min(_PIECE, limit - len(content))):
        content += piece
    return bytes(content)
