"""Lines of a log for pages, numbered from its first line: the end of it, or those from some line on."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from agent.logging_commands import SetProgress
from api.pages import terminal
from api.pages.step_progress import progress
from storage import logs

_PEEK = 3 * 1024
_PEEK_LINES = 12
_MOST_LINES = 1000


@dataclass(frozen=True)
class Tail:
    """``start`` is where the first line begins, in bytes, ``first_line`` its number."""

    start: int
    size: int
    first_line: int
    lines: list[terminal.Line]
    progress: SetProgress | None = None


@dataclass(frozen=True)
class Window:
    """Lines from some number on; ``earlier`` and ``later`` are numbers where a reader goes on, if there is more."""

    first_line: int
    lines: list[terminal.Line]
    earlier: int | None
    later: int | None


async def tail(session: AsyncSession, run_id: str, at_most: int) -> Tail:
    """The last ``at_most`` bytes, from the beginning of a line on where there is one."""
    size = await logs.size(session, run_id)
    start = max(0, size - at_most)
    data = await logs.read(session, run_id, start, at_most)
    cut = _hidden(data, is_beginning=start == 0)
    start, data = start + cut, data[cut:]
    lines = terminal.lines(data.decode(errors="replace"))
    return Tail(start=start, size=size, first_line=await logs.line_at(session, run_id, start), lines=lines)


def _hidden(data: bytes, *, is_beginning: bool) -> int:
    """How much of it is left out: what is no whole line, and lines that are too many."""
    lines = data.rsplit(b"\n", _MOST_LINES + 1)
    if len(lines) > _MOST_LINES + 1:
        return len(lines[0]) + 1
    return 0 if is_beginning else data.find(b"\n") + 1


async def window(session: AsyncSession, run_id: str, first: int, most_lines: int, most_bytes: int) -> Window:
    """The lines from this number on, negative from the end; a number beyond the last line shows the last lines."""
    extent = await logs.extent(session, run_id)
    wanted = first if 0 < first <= extent.lines else -most_lines if first > 0 else (first or 1)
    found = await logs.lines(session, run_id, wanted, most_lines, most_bytes)
    lines = terminal.lines(found.data.decode(errors="replace"))
    return Window(
        first_line=found.first_line,
        lines=lines,
        earlier=max(1, found.first_line - most_lines) if found.first_line > 1 else None,
        later=found.first_line + max(1, len(lines)) if found.end < extent.size else None,
    )


async def tails(session: AsyncSession, run_ids: Iterable[str]) -> dict[str, Tail]:
    """The last few lines of several logs, and how far their steps are; those without any are left out."""
    found: dict[str, Tail] = {}
    for run_id in run_ids:
        end = await tail(session, run_id, _PEEK)
        hidden = max(0, len(end.lines) - _PEEK_LINES)
        if end.lines:
            told = await progress(session, run_id)
            found[run_id] = Tail(end.start, end.size, end.first_line + hidden, end.lines[hidden:], told)
    return found
