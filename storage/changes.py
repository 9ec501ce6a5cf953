"""What deployments change in their stages: compared from the tables, and kept with the commits that were found."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from activities.changes import Comparison
from domain.changes import Base, StageChanges, compare
from domain.ids import DeploymentId, ReleaseId
from domain.release import ReleasePlan
from domain.status import StageStatus
from storage import deployments, releases
from storage.database import Database
from storage.tables import DeploymentChangesRow, DeploymentRow, ReleaseRow
from storage.upsert import put

_GOOD = (StageStatus.SUCCEEDED, StageStatus.PARTIALLY_SUCCEEDED)


async def kept(session: AsyncSession, deployment: DeploymentId) -> StageChanges | None:
    """What was found when the deployment began."""
    row = await session.get(DeploymentChangesRow, str(deployment))
    return StageChanges.model_validate(row.content) if row is not None else None


async def kept_of(session: AsyncSession, deployment_ids: Iterable[str]) -> Mapping[str, StageChanges]:
    """Of several deployments, by id; those of which nothing is kept are left out."""
    wanted = DeploymentChangesRow.deployment.in_(list(deployment_ids))
    rows = await session.scalars(select(DeploymentChangesRow).where(wanted))
    return {row.deployment: StageChanges.model_validate(row.content) for row in rows}


async def compared(session: AsyncSession, plan: ReleasePlan, deployment: DeploymentId) -> StageChanges:
    """Beside the last good deployment of another release there, before this one ended; without commits."""
    there = await deployments.last_good(session, plan.id.pipeline, deployment.stage, than=deployment)
    row = await releases.get(session, ReleaseId.parse(there.release)) if there is not None else None
    if there is None or row is None:
        return compare(plan, deployment.stage, None, None)
    return _compared(plan, deployment.stage, there.id, there.finished_at, row)


async def previews(session: AsyncSession, plan: ReleasePlan, stages: Iterable[str]) -> Mapping[str, StageChanges]:
    """What the release would change in these stages if it were deployed now, by stage; two queries for all."""
    newest = (
        select(
            DeploymentRow.id,
            func.row_number()
            .over(
                partition_by=DeploymentRow.stage,
                order_by=(DeploymentRow.finished_at.desc(), DeploymentRow.id.desc()),
            )
            .label("place"),
        )
        .join(ReleaseRow, ReleaseRow.id == DeploymentRow.release)
        .where(
            ReleaseRow.pipeline == plan.id.pipeline,
            ReleaseRow.id != str(plan.id),
            DeploymentRow.stage.in_(list(stages)),
            DeploymentRow.status.in_(_GOOD),
        )
        .subquery()
    )
    there = (
        await session.scalars(
            select(DeploymentRow).join(newest, newest.c.id == DeploymentRow.id).where(newest.c.place == 1)
        )
    ).all()
    rows = await session.scalars(select(ReleaseRow).where(ReleaseRow.id.in_({row.release for row in there})))
    known = {row.id: row for row in rows}
    found = {stage: compare(plan, stage, None, None) for stage in stages}
    return found | {
        row.stage: _compared(plan, row.stage, row.id, row.finished_at, known[row.release])
        for row in there
        if row.release in known
    }


def _compared(plan: ReleasePlan, stage: str, deployment: str, finished_at: Any, row: ReleaseRow) -> StageChanges:
    there = ReleasePlan.model_validate(row.plan)
    base = Base(release=row.id, name=row.name, deployment=deployment, finished_at=finished_at)
    return compare(plan, stage, base, there)


class SqlChanges:
    """Implements ChangeStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def compared(self, deployment: DeploymentId) -> Comparison | None:
        async with self._database.reading() as session:
            row = await releases.get(session, deployment.release)
            if row is None:
                return None
            plan = ReleasePlan.model_validate(row.plan)
            return Comparison(plan=plan, changes=await compared(session, plan, deployment))

    async def keep(self, deployment: DeploymentId, changes: StageChanges) -> None:
        row = {"deployment": str(deployment), "content": changes.model_dump(mode="json")}
        async with self._database.transaction() as session:
            await put(session, DeploymentChangesRow, row)
