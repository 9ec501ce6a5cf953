"""What was to start releases, what became of it, which pipelines are paused, and how far sources were polled."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from activities.triggers import PollPosition, TriggeredPipeline
from domain.pipeline import Pipeline
from domain.release import ReleasePlan
from domain.trigger import TriggerEvent, TriggerOutcome
from storage import cursor, pipelines
from storage.clock import Clock, utc_now
from storage.database import Database
from storage.tables import ReleaseRow, TriggerEventRow, TriggerPauseRow, TriggerPositionRow
from storage.upsert import insert_new, put

_MOST_AT_ONCE = 100


async def note(session: AsyncSession, event: TriggerEvent, now: datetime) -> TriggerEventRow:
    """Write it down, once for each key; returns the row as it stands.

    What was ignored or failed before is tried again when it is told again and is wanted by now.
    """
    told = _row(event, now)
    if not await insert_new(session, TriggerEventRow, {"id": uuid4().hex, **told}):
        again = event.outcome == TriggerOutcome.WAITING
        is_undone = TriggerEventRow.outcome.in_([TriggerOutcome.IGNORED, TriggerOutcome.FAILED])
        if again:
            await session.execute(
                update(TriggerEventRow)
                .where(TriggerEventRow.pipeline == event.pipeline, TriggerEventRow.key == event.key, is_undone)
                .values(told)
                .execution_options(synchronize_session=False)
            )
    found = await session.scalars(
        select(TriggerEventRow)
        .where(TriggerEventRow.pipeline == event.pipeline, TriggerEventRow.key == event.key)
        .execution_options(populate_existing=True)
    )
    return found.one()


async def get(session: AsyncSession, event_id: str) -> TriggerEventRow | None:
    """One of them, as the table has it now."""
    return await session.get(TriggerEventRow, event_id, populate_existing=True)


async def waiting(session: AsyncSession) -> Sequence[TriggerEventRow]:
    """Those of which a release is to be made, oldest first; the first hundred."""
    found = await session.scalars(
        select(TriggerEventRow)
        .where(TriggerEventRow.outcome == TriggerOutcome.WAITING)
        .order_by(TriggerEventRow.received_at, TriggerEventRow.id)
        .limit(_MOST_AT_ONCE)
    )
    return found.all()


async def untold(session: AsyncSession) -> Sequence[TriggerEventRow]:
    """Those that failed and nobody was told of yet; the first hundred."""
    found = await session.scalars(
        select(TriggerEventRow)
        .where(TriggerEventRow.outcome == TriggerOutcome.FAILED, TriggerEventRow.told_at.is_(None))
        .order_by(TriggerEventRow.received_at, TriggerEventRow.id)
        .limit(_MOST_AT_ONCE)
    )
    return found.all()


async def mark_told(session: AsyncSession, event_id: str, now: datetime) -> None:
    """Of each event somebody is told once, however often it fails."""
    await session.execute(
        update(TriggerEventRow)
        .where(TriggerEventRow.id == event_id)
        .values(told_at=now)
        .execution_options(synchronize_session=False)
    )


async def decide(
    session: AsyncSession, event_id: str, *, outcome: TriggerOutcome, now: datetime, reason: str = "", release: str = ""
) -> bool:
    """Say what became of one that waits; whether it still did. The row is ours until the transaction ends."""
    values = {"outcome": outcome, "reason": reason, "release": release or None, "decided_at": now}
    decided = await session.scalar(
        update(TriggerEventRow)
        .where(TriggerEventRow.id == event_id, TriggerEventRow.outcome == TriggerOutcome.WAITING)
        .values(values)
        .returning(TriggerEventRow.id)
        .execution_options(synchronize_session=False)
    )
    return decided is not None


async def made(session: AsyncSession, event_id: str, release: str) -> None:
    """Name the release that was made of it."""
    await session.execute(
        update(TriggerEventRow)
        .where(TriggerEventRow.id == event_id)
        .values(release=release)
        .execution_options(synchronize_session=False)
    )


async def page(
    session: AsyncSession, pipeline: str, *, limit: int = 50, before: str | None = None
) -> Sequence[TriggerEventRow]:
    """Newest first; ``before`` is the cursor of the last row of the page before. Raises BadCursor."""
    query = (
        select(TriggerEventRow)
        .where(TriggerEventRow.pipeline == pipeline)
        .order_by(TriggerEventRow.received_at.desc(), TriggerEventRow.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(cursor.older(TriggerEventRow.received_at, TriggerEventRow.id, before))
    return (await session.scalars(query)).all()


def cursor_of(row: TriggerEventRow) -> str:
    """Where a page that ends with this row goes on."""
    return cursor.write(row.received_at, row.id)


async def pause(session: AsyncSession, pipeline: str, by: str, reason: str, now: datetime) -> None:
    """Make no releases by triggers and schedules from now on; again changes who said so, and why."""
    await put(session, TriggerPauseRow, {"pipeline": pipeline, "by": by, "reason": reason, "at": now})


async def resume(session: AsyncSession, pipeline: str) -> bool:
    """Make them again; whether it was paused. What came meanwhile makes none: polls note anew where they stand."""
    await session.execute(
        delete(TriggerPositionRow)
        .where(TriggerPositionRow.pipeline == pipeline)
        .execution_options(synchronize_session=False)
    )
    resumed = await session.scalar(
        delete(TriggerPauseRow)
        .where(TriggerPauseRow.pipeline == pipeline)
        .returning(TriggerPauseRow.pipeline)
        .execution_options(synchronize_session=False)
    )
    return resumed is not None


async def pauses(session: AsyncSession, names: Iterable[str] | None = None) -> dict[str, TriggerPauseRow]:
    """The paused ones among these pipelines, or among all, by name."""
    query = select(TriggerPauseRow)
    if names is not None:
        query = query.where(TriggerPauseRow.pipeline.in_(list(names)))
    return {row.pipeline: row for row in await session.scalars(query)}


async def positions(session: AsyncSession, pipeline: str) -> dict[str, TriggerPositionRow]:
    """How far the artifacts of the pipeline were polled, by alias."""
    found = await session.scalars(select(TriggerPositionRow).where(TriggerPositionRow.pipeline == pipeline))
    return {row.alias: row for row in found}


class SqlTriggers:
    """Implements ``activities.triggers.TriggerStore``."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def pipeline(self, name: str) -> TriggeredPipeline | None:
        async with self._database.reading() as session:
            revision = await pipelines.latest(session, name)
            is_paused = bool(await pauses(session, [name]))
        if revision is None:
            return None
        return TriggeredPipeline(pipeline=Pipeline.model_validate(revision.definition), is_paused=is_paused)

    async def note(self, event: TriggerEvent) -> TriggerOutcome:
        async with self._database.transaction() as session:
            row = await note(session, event, self._clock())
        return TriggerOutcome(row.outcome)

    async def position(self, pipeline: str, alias: str) -> PollPosition | None:
        async with self._database.reading() as session:
            row = await session.get(TriggerPositionRow, (pipeline, alias))
        if row is None:
            return None
        return PollPosition(source=row.source, seen=tuple(row.seen), error=row.error, failing_since=row.failing_since)

    async def stand(self, pipeline: str, alias: str, position: PollPosition) -> None:
        values = position.model_dump() | {"seen": list(position.seen)}
        async with self._database.transaction() as session:
            key = {"pipeline": pipeline, "alias": alias, "polled_at": self._clock()}
            await put(session, TriggerPositionRow, key | values)

    async def last_versions(self, pipeline: str) -> tuple[str, dict[str, str]] | None:
        async with self._database.reading() as session:
            row = await session.scalar(
                select(ReleaseRow).where(ReleaseRow.pipeline == pipeline).order_by(ReleaseRow.number.desc()).limit(1)
            )
        if row is None:
            return None
        plan = ReleasePlan.model_validate(row.plan)
        return plan.name, {pin.alias: pin.version for pin in plan.artifacts} or plan.versions


def _row(event: TriggerEvent, now: datetime) -> dict[str, object]:
    is_decided = event.outcome != TriggerOutcome.WAITING
    return {
        "pipeline": event.pipeline,
        "key": event.key,
        "kind": event.kind,
        "via": event.via,
        "alias": event.alias,
        "version": event.new.version,
        "label": event.new.label,
        "branch": event.new.branch,
        "url": event.new.url,
        "people": list(event.new.people),
        "request": event.request.model_dump(mode="json"),
        "outcome": event.outcome,
        "reason": event.reason,
        "release": None,
        "received_at": now,
        "decided_at": now if is_decided else None,
    }
