"""Logs of step runs: bytes that only grow, kept as chunks that neither overlap nor leave gaps.

A line ends with a line feed; what stands after the last one is a line, too. Every chunk knows how many line feeds it
has and how many come before it, so that a line is found by reading one chunk, however large the log is.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import LargeBinary, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.refusal import Kind, Refusal
from storage.tables import LogChunkRow
from storage.upsert import insert_new

_READ_AT_ONCE = 256 * 1024
_LINE_FEED = b"\n"


class LogGap(Refusal):
    """Bytes before these have not arrived; ``size`` is where to go on."""

    kind = Kind.CONFLICT

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes have arrived; send from there on")
        self.size = size


@dataclass(frozen=True)
class Extent:
    """How long a log is by now, in bytes and in lines."""

    size: int
    lines: int


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a log: which is the first, where it begins, and the bytes."""

    first_line: int
    offset: int
    data: bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


async def append(session: AsyncSession, run_id: str, offset: int, data: bytes) -> int:
    """Keep the bytes that begin at ``offset``; returns the log's size. What is there already stays as it is.

    Raises LogGap when bytes before them are missing. Never reads what was written before.
    """
    while True:
        end, line_feeds = await _end(session, run_id)
        if offset > end:
            raise LogGap(end)
        fresh = data[end - offset :]
        if not fresh:
            return end
        row = {"run_id": run_id, "offset": end, "data": fresh, "size": len(fresh)}
        counted = {"lines": fresh.count(_LINE_FEED), "lines_before": line_feeds}
        # Who loses the race for this offset finds the log longer than before, and looks again.
        if await insert_new(session, LogChunkRow, row | counted):
            return end + len(fresh)


async def size(session: AsyncSession, run_id: str) -> int:
    """How many bytes have arrived."""
    return (await _end(session, run_id))[0]


async def extent(session: AsyncSession, run_id: str) -> Extent:
    """How many bytes and lines have arrived."""
    last_byte = func.substr(LogChunkRow.data, LogChunkRow.size, 1, type_=LargeBinary)
    last = (
        await session.execute(
            select(LogChunkRow.offset + LogChunkRow.size, LogChunkRow.lines_before + LogChunkRow.lines, last_byte)
            .where(LogChunkRow.run_id == run_id)
            .order_by(LogChunkRow.offset.desc())
            .limit(1)
        )
    ).one_or_none()
    if last is None:
        return Extent(0, 0)
    end, line_feeds, byte = last
    return Extent(end, line_feeds + (byte != _LINE_FEED))


async def read(session: AsyncSession, run_id: str, offset: int = 0, limit: int = 1024 * 1024) -> bytes:
    """At most ``limit`` bytes from ``offset`` on; empty at the end."""
    first = (
        select(func.max(LogChunkRow.offset))
        .where(LogChunkRow.run_id == run_id, LogChunkRow.offset <= offset)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(LogChunkRow.offset, LogChunkRow.data)
        .where(LogChunkRow.run_id == run_id, LogChunkRow.offset >= first, LogChunkRow.offset < offset + limit)
        .order_by(LogChunkRow.offset)
    )
    pieces = [data[max(0, offset - start) : offset + limit - start] for start, data in rows]
    return b"".join(pieces)


async def chunks(session: AsyncSession, run_id: str, offset: int = 0) -> AsyncIterator[bytes]:
    """The log from ``offset`` to its present end, piece by piece; never more than one piece in memory."""
    while piece := await read(session, run_id, offset, _READ_AT_ONCE):
        yield piece
        offset += len(piece)


async def start_of_line(session: AsyncSession, run_id: str, line: int) -> int | None:
    """Where the line of this number (from 1) begins; None when the log has no such line yet."""
    if line <= 1:
        return 0
    chunk = (
        await session.execute(
            select(LogChunkRow.offset, LogChunkRow.lines_before, LogChunkRow.lines, LogChunkRow.data)
            .where(LogChunkRow.run_id == run_id, LogChunkRow.lines_before < line - 1)
            .order_by(LogChunkRow.lines_before.desc(), LogChunkRow.offset.desc())
            .limit(1)
        )
    ).one_or_none()
    if chunk is None or chunk.lines_before + chunk.lines < line - 1:
        return None
    start: int = chunk.offset + _after_line_feed(chunk.data, line - 1 - chunk.lines_before)
    return start


async def line_at(session: AsyncSession, run_id: str, offset: int) -> int:
    """The number of the line that the byte at ``offset`` belongs to."""
    chunk = (
        await session.execute(
            select(LogChunkRow.offset, LogChunkRow.lines_before, LogChunkRow.data)
            .where(LogChunkRow.run_id == run_id, LogChunkRow.offset <= offset)
            .order_by(LogChunkRow.offset.desc())
            .limit(1)
        )
    ).one_or_none()
    if chunk is None:
        return 1
    line: int = chunk.lines_before + chunk.data.count(_LINE_FEED, 0, offset - chunk.offset) + 1
    return line


async def lines(session: AsyncSession, run_id: str, first: int, count: int, limit: int = 1024 * 1024) -> Excerpt:
    """At most ``count`` lines, of which the first has this number; a negative one counts from the end.

    When they are longer than ``limit`` bytes, fewer; of a first line that is longer alone, its beginning.
    """
    if first < 0:
        first = max(1, (await extent(session, run_id)).lines + 1 + first)
    start = await start_of_line(session, run_id, first)
    if start is None:
        return Excerpt(first, await size(session, run_id), b"")
    end = await start_of_line(session, run_id, first + count)
    wanted = limit if end is None else min(limit, end - start)
    data = await read(session, run_id, start, wanted)
    if len(data) == limit and end != start + limit:
        data = data[: data.rfind(_LINE_FEED) + 1] or data
    return Excerpt(first, start, data)


async def _end(session: AsyncSession, run_id: str) -> tuple[int, int]:
    """Where the log ends, and how many line feeds it has."""
    last = (
        await session.execute(
            select(LogChunkRow.offset + LogChunkRow.size, LogChunkRow.lines_before + LogChunkRow.lines)
            .where(LogChunkRow.run_id == run_id)
            .order_by(LogChunkRow.offset.desc())
            .limit(1)
        )
    ).one_or_none()
    return (last[0], last[1]) if last is not None else (0, 0)


def _after_line_feed(data: bytes, number: int) -> int:
    """The position after the line feed of this number (from 1), which is there; found by halving."""
    low, high = 0, len(data)
    while high - low > 1:
        middle = (low + high) // 2
        left = data.count(_LINE_FEED, low, middle)
        if left >= number:
            high = middle
        else:
            number, low = number - left, middle
    return high
