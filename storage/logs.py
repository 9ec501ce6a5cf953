"""Logs of step runs: bytes that only grow, kept as chunks that neither overlap nor leave gaps."""

from collections.abc import AsyncIterator

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.refusal import Kind, Refusal
from storage.tables import LogChunkRow
from storage.upsert import insert_new

_READ_AT_ONCE = 256 * 1024


class LogGap(Refusal):
    """Bytes before these have not arrived; ``size`` is where to go on."""

    kind = Kind.CONFLICT

    def __init__(self, size: int) -> None:
        super().__init__(f"the log has {size} bytes; send from there on")
        self.size = size


async def append(session: AsyncSession, run_id: str, offset: int, data: bytes) -> int:
    """Keep the bytes that begin at ``offset``; returns the log's size. What is there already stays as it is.

    Raises LogGap when bytes before them are missing. Never reads what was written before.
    """
    while True:
        end = await size(session, run_id)
        if offset > end:
            raise LogGap(end)
        fresh = data[end - offset :]
        if not fresh:
            return end
        row = {"run_id": run_id, "offset": end, "data": fresh, "size": len(fresh)}
        # Who loses the race for this offset finds the log longer than before, and looks again.
        if await insert_new(session, LogChunkRow, row):
            return end + len(fresh)


async def size(session: AsyncSession, run_id: str) -> int:
    """How many bytes have arrived."""
    end = await session.scalar(
        select(LogChunkRow.offset + LogChunkRow.size)
        .where(LogChunkRow.run_id == run_id)
        .order_by(LogChunkRow.offset.desc())
        .limit(1)
    )
    return end or 0


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
