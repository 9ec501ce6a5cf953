"""What an agent must not forget of a build that Jenkins runs for a step, and the step's log, which grows by that.

All of it is on the disk before it matters: that Jenkins is going to be asked, and how far its log was taken. So an
agent that is killed at any moment and comes back asks for no second build, and leaves no gap in the log, nor doubles
a byte of it.
"""

import os
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import Field

from activities.agent_job import RunJenkinsJob
from agent.masking import Masker
from agent.runner import LogFile, write_durably
from domain.frozen import Frozen


class LogPlace(Frozen):
    """How far Jenkins' log was taken (``offset``, in its own count) when ours had ``size`` bytes.

    ``shown`` bytes of what follows there are in ours already. ``line``: our own words, put in ours after that.
    """

    offset: int = 0
    size: int = 0
    shown: int = 0
    line: str = ""


class Remembered(Frozen):
    """``asked``: Jenkins may have got our request, which bears ``mark`` as a parameter if the job ``is_marked``.

    Builds from ``next_build`` on, and items of the queue other than ``queued_before``, came after that.
    """

    request: RunJenkinsJob
    mark: str
    began_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    asked: bool = False
    is_marked: bool = False
    next_build: int = 0
    queued_before: tuple[int, ...] = ()
    queue_id: int | None = None
    number: int | None = None
    log: LogPlace = LogPlace()


class BuildMemory:
    """What is remembered in one run's folder."""

    def __init__(self, folder: Path, now: Remembered) -> None:
        self._file = _file(folder)
        self.now = now

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """None in the folder of another kind of run, and of one that was not begun."""
        try:
            return cls(folder, Remembered.model_validate_json(_file(folder).read_bytes()))
        except FileNotFoundError:
            return None

    def note(self, **update: object) -> None:
        """On the disk when this returns."""
        self.now = self.now.model_copy(update=update)
        write_durably(self._file, self.now.model_dump(mode="json"))


class BuildLog:
    """The step's log: what Jenkins' log says, and our own lines in between, secrets masked."""

    def __init__(self, path: Path, memory: BuildMemory, secrets: Iterable[str], limit: int | None = None) -> None:
        self._memory = memory
        self._secrets = tuple(secrets)
        self._masker = Masker(self._secrets)
        self._lock = threading.Lock()
        self._reader = 0
        self._skip = 0
        self._ends_line = _ends_line(path)
        self.file = LogFile(path, limit)
        self._go_on(memory.now.log)

    @property
    def offset(self) -> int:
        """Where Jenkins' log is to be read on."""
        return self._memory.now.log.offset

    def line(self, text: str) -> None:
        """Add a line of our own."""
        with self._lock:
            masked = Masker(self._secrets).masked(text)
            line = f"{masked}\n" if self._ends_line else f"\n{masked}\n"
            self._note(line=line)
            self._append(line.encode(errors="replace"))
            self._note()

    def reader(self) -> "LogReader":
        """Who writes what Jenkins' log says from ``offset`` on. Those before can write no more."""
        with self._lock:
            self._reader += 1
            if self.file.size != self._memory.now.log.size:  # the one before did not come to its end
                self._note()
            self._masker, self._skip = Masker(self._secrets), self._memory.now.log.shown
            return LogReader(self, self._reader)

    def send_readers_away(self) -> None:
        """They can write no more, though their threads may still wait for Jenkins."""
        with self._lock:
            self._reader += 1

    def write(self, number: int, piece: bytes) -> None:
        with self._lock:
            self._require(number)
            self._show(self._masker.feed(piece))

    def taken(self, number: int, offset: int) -> None:
        """All there is up to ``offset`` has been written."""
        with self._lock:
            self._require(number)
            self._show(self._masker.flush())
            if offset != self._memory.now.log.offset:
                self._memory.note(log=LogPlace(offset=offset, size=self.file.size))

    def close(self) -> None:
        self.send_readers_away()
        self.file.close()

    def _show(self, masked: bytes) -> None:
        """What was shown before the reading began anew is not shown again."""
        self._append(masked[self._skip :])
        self._skip = max(0, self._skip - len(masked))

    def _append(self, piece: bytes) -> None:
        if piece:
            self.file.write(piece)
            self._ends_line = piece.endswith(b"\n")

    def _note(self, line: str = "") -> None:
        place = self._memory.now.log
        shown = place.shown + self.file.size - place.size - len(place.line.encode(errors="replace"))
        self._memory.note(log=LogPlace(offset=place.offset, size=self.file.size, shown=max(0, shown), line=line))

    def _go_on(self, place: LogPlace) -> None:
        """After a crash: finish our own line, and count what of Jenkins' log came after it."""
        line, came = place.line.encode(errors="replace"), self.file.size - place.size
        self._append(line[max(0, came) :])
        if self.file.size:
            self._note()

    def _require(self, number: int) -> None:
        if number != self._reader:
            raise NoLongerRead


class NoLongerRead(Exception):  # noqa: N818  reads as what happened
    """The log is read by another one now, or by nobody."""


class LogReader:
    """One reading of Jenkins' log."""

    def __init__(self, log: BuildLog, number: int) -> None:
        self._log = log
        self._number = number

    def write(self, piece: bytes) -> None:
        """Raises NoLongerRead."""
        self._log.write(self._number, piece)

    def taken(self, offset: int) -> None:
        """Raises NoLongerRead."""
        self._log.taken(self._number, offset)


def _ends_line(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _file(folder: Path) -> Path:
    return folder / "build.json"
