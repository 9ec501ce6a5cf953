"""The end of a log as lines, for pages: as much as a page can bear, numbered from the log's first line where it can."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from api.pages import terminal
from storage import logs

_PEEK = 3 * 1024
_PEEK_LINES = 12
_COUNTED_UP_TO = 4 * 1024 * 1024


@dataclass(frozen=True)
class Tail:
    """``start`` is where the first line begins, in bytes; ``first_line`` its number, 1 in logs too large to count."""

    start: int
    size: int
    first_line: int
    lines: list[terminal.Line]


async def tail(session: AsyncSession, run_id: str, at_most: int) -> Tail:
    """The last ``at_most`` bytes, from the beginning of a line on where there is one."""
    size = await logs.size(session, run_id)
    start = max(0, size - at_most)
    data = await logs.read(session, run_id, start, at_most)
    if start > 0 and b"\n" in data:
        cut = data.index(b"\n") + 1
        start, data = start + cut, data[cut:]
    lines = terminal.lines(data.decode(errors="replace"))
    return Tail(start=start, size=size, first_line=await _line_number(session, run_id, start), lines=lines)


async def tails(session: AsyncSession, run_ids: Iterable[str]) -> dict[str, Tail]:
    """The last few lines of several logs; those without any are left out."""
    found: dict[str, Tail] = {}
    for run_id in run_ids:
        end = await tail(session, run_id, _PEEK)
        hidden = max(0, len(end.lines) - _PEEK_LINES)
        if end.lines:
            found[run_id] = Tail(end.start, end.size, end.first_line + hidden, end.lines[hidden:])
    return found


async def _line_number(session: AsyncSession, run_id: str, offset: int) -> int:
    """The number of the line that begins at ``offset``."""
    if not 0 < offset <= _COUNTED_UP_TO:
        return 1
    count, seen = 1, 0
    async for piece in logs.chunks(session, run_id):
        count += piece[: offset - seen].count(b"\n")
        seen += len(piece)
        if seen >= offset:
            break
    return count
