"""What deployments change in their stages: compared from the tables, and kept with the commits that were found."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from activities.changes import Comparison
from domain.changes import Base, StageChanges, compare
from domain.ids import DeploymentId, ReleaseId
from domain.release import ReleasePlan
from storage import deployments, releases
from storage.database import Database
from storage.tables import DeploymentChangesRow
from storage.upsert import put

_NONE_YET = 0


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
    base = Base(release=row.id, name=row.name, deployment=there.id, finished_at=there.finished_at)
    return compare(plan, deployment.stage, base, ReleasePlan.model_validate(row.plan))


async def preview(session: AsyncSession, plan: ReleasePlan, stage: str) -> StageChanges:
    """What the release would change in the stage if it were deployed now."""
    return await compared(session, plan, DeploymentId(release=plan.id, stage=stage, attempt=_NONE_YET))


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
