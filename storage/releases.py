"""Releases, their numbers, stages and history, and the answers that a repeated POST gets again."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import ReleaseId
from domain.refusal import NotFound
from domain.release import ReleasePlan
from domain.status import ReleaseStatus, StageStatus
from storage import cursor
from storage.tables import DeploymentRow, EventRow, IdempotencyKeyRow, PipelineRow, ReleaseRow, StageRow
from storage.upsert import insert_new

KEYS_ARE_KEPT_FOR = timedelta(hours=24)


async def next_number(session: AsyncSession, pipeline: str) -> int:
    """Take the pipeline's next release number; raises NotFound. No two transactions get the same one."""
    number = await session.scalar(
        update(PipelineRow)
        .where(PipelineRow.name == pipeline)
        .values(last_number=PipelineRow.last_number + 1)
        .returning(PipelineRow.last_number)
        .execution_options(synchronize_session=False)
    )
    if number is None:
        raise NotFound(f"there is no pipeline {pipeline}")
    return number


async def add(session: AsyncSession, plan: ReleasePlan, now: datetime) -> ReleaseRow:
    """Keep a new release, and each of its stages as not started."""
    row = ReleaseRow(
        id=str(plan.id),
        pipeline=plan.id.pipeline,
        number=plan.id.number,
        name=plan.name,
        plan=plan.model_dump(mode="json"),
        status=ReleaseStatus.REQUESTED,
        waiting_for="",
        reason="",
        requested_by=plan.requested_by,
        created_at=now,
    )
    session.add(row)
    session.add_all(
        StageRow(
            release=row.id, stage=stage.stage, status=StageStatus.NOT_STARTED, reason="", attempt=0, updated_at=now
        )
        for stage in plan.pipeline.stages
    )
    await session.flush()
    return row


async def get(session: AsyncSession, release: ReleaseId) -> ReleaseRow | None:
    """One release by its id."""
    return await session.get(ReleaseRow, str(release))


async def page(
    session: AsyncSession,
    *,
    pipeline: str | None = None,
    status: ReleaseStatus | None = None,
    limit: int = 50,
    before: str | None = None,
) -> Sequence[ReleaseRow]:
    """Newest first; ``before`` is the cursor of the last row of the page before (``cursor_of``). Raises BadCursor."""
    query = select(ReleaseRow).order_by(ReleaseRow.created_at.desc(), ReleaseRow.id.desc()).limit(limit)
    if pipeline is not None:
        query = query.where(ReleaseRow.pipeline == pipeline)
    if status is not None:
        query = query.where(ReleaseRow.status == status)
    if before is not None:
        query = query.where(cursor.older(ReleaseRow.created_at, ReleaseRow.id, before))
    return (await session.scalars(query)).all()


def cursor_of(row: ReleaseRow) -> str:
    """Where a page that ends with this row goes on."""
    return cursor.write(row.created_at, row.id)


async def stages(session: AsyncSession, release: ReleaseId) -> Sequence[StageRow]:
    """By name; the author's order is in the plan."""
    return (
        await session.scalars(select(StageRow).where(StageRow.release == str(release)).order_by(StageRow.stage))
    ).all()


async def names_of(session: AsyncSession, release_ids: Iterable[str]) -> dict[str, str]:
    """The names of several releases, by id."""
    found = await session.execute(select(ReleaseRow.id, ReleaseRow.name).where(ReleaseRow.id.in_(list(release_ids))))
    return dict(found.all())


async def requested_for(session: AsyncSession, release_ids: Iterable[str]) -> dict[str, str]:
    """The person for whom a service requested each release, by id; those that have none are left out."""
    person = ReleaseRow.plan["requested_for"].as_string()
    is_wanted = ReleaseRow.id.in_(list(release_ids)) & (person != "")
    found = await session.execute(select(ReleaseRow.id, person).where(is_wanted))
    return dict(found.all())


async def stages_of(session: AsyncSession, release_ids: Iterable[str]) -> Sequence[StageRow]:
    """Of several releases, in no order that means anything."""
    return (await session.scalars(select(StageRow).where(StageRow.release.in_(list(release_ids))))).all()


async def deployments(session: AsyncSession, release: ReleaseId) -> Sequence[DeploymentRow]:
    """In the order they were started."""
    found = await session.scalars(
        select(DeploymentRow)
        .where(DeploymentRow.release == str(release))
        .order_by(DeploymentRow.started_at, DeploymentRow.stage, DeploymentRow.attempt)
    )
    return found.all()


async def events(session: AsyncSession, release: ReleaseId) -> Sequence[EventRow]:
    """As they happened."""
    found = await session.scalars(
        select(EventRow).where(EventRow.release == str(release)).order_by(EventRow.at, EventRow.id)
    )
    return found.all()


async def unstarted(session: AsyncSession, older_than: datetime) -> Sequence[ReleaseRow]:
    """Releases that were accepted before then and whose workflow nobody has seen start, oldest first."""
    found = await session.scalars(
        select(ReleaseRow)
        .where(
            ReleaseRow.status == ReleaseStatus.REQUESTED,
            ReleaseRow.started_at.is_(None),
            ReleaseRow.created_at < older_than,
        )
        .order_by(ReleaseRow.created_at, ReleaseRow.id)
    )
    return found.all()


async def mark_started(session: AsyncSession, release: ReleaseId, run_id: str | None, now: datetime) -> None:
    """Remember that its workflow was started; what is known already stays."""
    await session.execute(
        update(ReleaseRow)
        .where(ReleaseRow.id == str(release))
        .values(started_at=func.coalesce(ReleaseRow.started_at, now), run_id=func.coalesce(ReleaseRow.run_id, run_id))
        .execution_options(synchronize_session=False)
    )


async def remembered(session: AsyncSession, caller: str, key: str) -> IdempotencyKeyRow | None:
    """What this caller's earlier POST with this key came to."""
    return await session.get(IdempotencyKeyRow, (caller, key))


async def remember(
    session: AsyncSession, caller: str, key: str, request_hash: str, release: ReleaseId, now: datetime
) -> bool:
    """Keep the key for at least 24 hours. False when another request has it: roll back and answer with that one's."""
    await session.execute(
        delete(IdempotencyKeyRow)
        .where(IdempotencyKeyRow.caller == caller, IdempotencyKeyRow.created_at < now - KEYS_ARE_KEPT_FOR)
        .execution_options(synchronize_session=False)
    )
    row = {"caller": caller, "key": key, "request_hash": request_hash, "release": str(release), "created_at": now}
    return await insert_new(session, IdempotencyKeyRow, row)
