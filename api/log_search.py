"""Searching logs for plain text in bounded memory and time; where one search stopped, another goes on."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from storage import logs

_PIECE = 2 * 1024 * 1024  # several chunks, because each is read as a whole
_LONGEST_MATCH = 1024
_SHOWN_BEFORE = 80
_SHOWN = 400
_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Place:
    """Where to go on: the first byte of this run's log that was not looked at."""

    run_id: str
    offset: int = 0


@dataclass(frozen=True)
class Hit:
    """A line that has the text. ``offset`` is where the text is, in bytes; ``text`` is what stands around it."""

    run_id: str
    line: int
    offset: int
    text: str


def pattern_of(text: str) -> re.Pattern[bytes]:
    """What matches the text in upper and lower case, in UTF-8."""
    return re.compile(b"".join(_either_case(character) for character in text), re.IGNORECASE)


def _either_case(character: str) -> bytes:
    if character.isascii():
        return re.escape(character.encode())
    spellings = {character, character.lower(), character.upper()}
    return b"(?:" + b"|".join(sorted(re.escape(one.encode()) for one in spellings)) + b")"


@dataclass
class Search:
    """One search over logs, until it has hits enough, its time is over, or all was looked at."""

    session: AsyncSession
    pattern: re.Pattern[bytes]
    most_hits: int
    clock: Callable[[], float] = time.monotonic
    hits: list[Hit] = field(default_factory=list)

    async def look(self, run_ids: Sequence[str], start: Place) -> Place | None:
        """Look through the logs from the place on; where to go on, or None when all was looked at."""
        deadline = self.clock() + _PATIENCE_SECONDS
        for run_id in run_ids[run_ids.index(start.run_id) :]:
            offset = start.offset if run_id == start.run_id else 0
            line = await logs.line_at(self.session, run_id, offset)
            while data := await logs.read(self.session, run_id, offset, _PIECE):
                window = _Window(run_id, data[: _whole(data)], offset, line)
                for hit in window.hits(self.pattern):
                    self.hits.append(hit)
                    if len(self.hits) == self.most_hits:
                        return Place(run_id, window.looked_to)
                offset, line = window.end, window.line_at_end
                if self.clock() >= deadline:
                    return Place(run_id, offset)
        return None


@dataclass
class _Window:
    """A piece of a log; ``line`` is the number of its first line, ``looked_to`` where the line of the last hit ends."""

    run_id: str
    data: bytes
    offset: int
    line: int
    looked_to: int = 0

    @property
    def end(self) -> int:
        return self.offset + len(self.data)

    @property
    def line_at_end(self) -> int:
        return self.line + self.data.count(b"\n")

    def hits(self, pattern: re.Pattern[bytes]) -> Iterator[Hit]:
        """The first match of every line."""
        line, counted, position = self.line, 0, 0
        while found := pattern.search(self.data, position):
            at = found.start()
            line, counted = line + self.data.count(b"\n", counted, at), at
            start = self.data.rfind(b"\n", 0, at) + 1
            end = self.data.find(b"\n", at)
            end = len(self.data) if end < 0 else end
            position = min(end + 1, len(self.data))
            self.looked_to = self.offset + position
            shown = self.data[max(start, at - _SHOWN_BEFORE) : end][:_SHOWN]
            yield Hit(self.run_id, line, self.offset + at, shown.decode(errors="replace").rstrip("\r"))


def _whole(data: bytes) -> int:
    """How much of a piece to look at: whole lines; of a longer line so much that no match is cut in two."""
    if len(data) < _PIECE:
        return len(data)
    return data.rfind(b"\n") + 1 or len(data) - _LONGEST_MATCH
