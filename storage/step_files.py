"""Files that steps want kept: bytes that only grow until they are whole, kept as chunks without overlaps or gaps.

What a file is called and how long it is stands with the step run, once it has ended.
"""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.logs import LogGap
from storage.tables import StepFileChunkRow
from storage.upsert import insert_new


async def append(session: AsyncSession, run_id: str, number: int, offset: int, data: bytes) -> int:
    """Keep the bytes that begin at ``offset``; returns the file's size. What is there already stays as it is.

    Raises LogGap when bytes before them are missing.
    """
    while True:
        end = (await sizes(session, run_id)).get(number, 0)
        if offset > end:
            raise LogGap(end)
        fresh = data[end - offset :]
        if not fresh:
            return end
        row = {"run_id": run_id, "number": number, "offset": end, "size": len(fresh), "data": fresh}
        # Who loses the race for this offset finds the file longer than before, and looks again.
        if await insert_new(session, StepFileChunkRow, row):
            return end + len(fresh)


async def sizes(session: AsyncSession, run_id: str) -> dict[int, int]:
    """How many bytes of each file of a run have arrived, by its number. Reads none of them."""
    found = await session.execute(
        select(StepFileChunkRow.number, func.sum(StepFileChunkRow.size))
        .where(StepFileChunkRow.run_id == run_id)
        .group_by(StepFileChunkRow.number)
    )
    return {number: int(size) for number, size in found}


async def read(session: AsyncSession, run_id: str, number: int, offset: int = 0, limit: int = 1024 * 1024) -> bytes:
    """At most ``limit`` bytes from ``offset`` on; empty at the end."""
    rows = await session.execute(
        select(StepFileChunkRow.offset, StepFileChunkRow.data)
        .where(
            StepFileChunkRow.run_id == run_id,
            StepFileChunkRow.number == number,
            StepFileChunkRow.offset + StepFileChunkRow.size > offset,
            StepFileChunkRow.offset < offset + limit,
        )
        .order_by(StepFileChunkRow.offset)
    )
    return b"".join(data[max(0, offset - start) : offset + limit - start] for start, data in rows)
