"""How far a running step is, by what it said last in its log; the tables know it only once the step has ended."""

from sqlalchemy.ext.asyncio import AsyncSession

from agent.command_lines import CommandLine, CommandLines
from agent.logging_commands import SetProgress, understood
from storage import logs

_LOOKED_AT = 32 * 1024


async def progress(session: AsyncSession, run_id: str) -> SetProgress | None:
    """What it said last; None when it said nothing in the last part of its log."""
    size = await logs.size(session, run_id)
    start = max(0, size - _LOOKED_AT)
    return progress_in(await logs.read(session, run_id, start, _LOOKED_AT))


def progress_in(text: bytes) -> SetProgress | None:
    """The last progress that is told in this output."""
    found = CommandLines()
    told = None
    for part in (*found.feed(text), *found.flush()):
        command = understood(part.command) if isinstance(part, CommandLine) else None
        told = command if isinstance(command, SetProgress) else told
    return told
