"""How long logs are kept: those of a release that ended long ago are removed, unless somebody said to keep them.

The files that its steps wanted kept go with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import ReleaseId
from storage.tables import DeploymentRow, EventRow, JobRow, LogChunkRow, ReleaseRow, StepFileChunkRow, StepRunRow

_CHUNKS_AT_ONCE = 32  # of up to a mebibyte, so that nobody waits long for the write lock


@dataclass(frozen=True)
class Removal:
    """When a log was removed, and how many days logs were kept then."""

    at: datetime
    kept_days: int


def removal(release: ReleaseRow, run: StepRunRow) -> Removal | None:
    """What became of the log of this run; None while it is kept. A stage deployed later has logs of its own."""
    at, began = release.logs_removed_at, run.started_at
    if at is None or (began is not None and began > at):
        return None
    return Removal(at, release.logs_kept_days or 0)


async def releases_with_old_logs(session: AsyncSession, before: datetime, limit: int = 20) -> Sequence[str]:
    """Ids of releases that ended before then and whose logs are still there, oldest first."""
    found = await session.scalars(
        select(ReleaseRow.id).where(_has_old_logs(before)).order_by(ReleaseRow.finished_at).limit(limit)
    )
    return found.all()


async def remove_some(session: AsyncSession, release: str, before: datetime) -> bool:
    """Remove a batch of the release's logs, from their ends on, then of its files; False when nothing is left.

    Looks each time whether they may go: the release may have been deployed again, or be kept since.
    """
    if await session.scalar(select(ReleaseRow.id).where(ReleaseRow.id == release, _has_old_logs(before))) is None:
        return False
    return await _remove_end_of_log(session, release) or await _remove_file(session, release)


async def _remove_end_of_log(session: AsyncSession, release: str) -> bool:
    """A batch of the chunks of one log; False when no log is left."""
    run_id = await session.scalar(_run_with(LogChunkRow, release))
    if run_id is None:
        return False
    last = await session.scalars(
        select(LogChunkRow.offset)
        .where(LogChunkRow.run_id == run_id)
        .order_by(LogChunkRow.offset.desc())
        .limit(_CHUNKS_AT_ONCE)
    )
    await session.execute(
        delete(LogChunkRow)
        .where(LogChunkRow.run_id == run_id, LogChunkRow.offset >= min(last.all()))
        .execution_options(synchronize_session=False)
    )
    return True


async def _remove_file(session: AsyncSession, release: str) -> bool:
    """One file of a step; False when none is left."""
    run_id = await session.scalar(_run_with(StepFileChunkRow, release))
    if run_id is None:
        return False
    last = select(func.max(StepFileChunkRow.number)).where(StepFileChunkRow.run_id == run_id)
    await session.execute(
        delete(StepFileChunkRow)
        .where(StepFileChunkRow.run_id == run_id, StepFileChunkRow.number == await session.scalar(last))
        .execution_options(synchronize_session=False)
    )
    return True


def _run_with(chunks: type[LogChunkRow | StepFileChunkRow], release: str) -> Select[str]:
    """Any run of the release that has such chunks."""
    return (
        select(StepRunRow.id)
        .join(JobRow, JobRow.id == StepRunRow.job_id)
        .join(DeploymentRow, DeploymentRow.id == JobRow.deployment)
        .where(DeploymentRow.release == release)
        .where(select(chunks.offset).where(chunks.run_id == StepRunRow.id).exists())
        .limit(1)
    )


async def mark_removed(session: AsyncSession, release: str, before: datetime, now: datetime, kept_days: int) -> None:
    """Remember that the logs are gone, for those who look for them."""
    await session.execute(
        update(ReleaseRow)
        .where(ReleaseRow.id == release, _has_old_logs(before))
        .values(logs_removed_at=now, logs_kept_days=kept_days)
        .execution_options(synchronize_session=False)
    )


async def keep(session: AsyncSession, release: ReleaseId, by: str | None, actor: str, now: datetime) -> None:
    """Keep the release's logs for ever, as this person says; None lets them go in their time again."""
    changed = await session.scalar(
        update(ReleaseRow)
        .where(
            ReleaseRow.id == str(release),
            ReleaseRow.kept_by.is_not(None) if by is None else ReleaseRow.kept_by.is_(None),
        )
        .values(kept_by=by)
        .returning(ReleaseRow.id)
        .execution_options(synchronize_session=False)
    )
    if changed is not None:
        text = "Its logs are kept for ever" if by else "Its logs are no longer kept for ever"
        await session.execute(insert(EventRow), {"release": str(release), "at": now, "text": text, "by": actor})


def _has_old_logs(before: datetime) -> ColumnElement[bool]:
    is_left = or_(ReleaseRow.logs_removed_at.is_(None), ReleaseRow.logs_removed_at < ReleaseRow.finished_at)
    return (ReleaseRow.finished_at < before) & ReleaseRow.kept_by.is_(None) & is_left
