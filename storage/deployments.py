"""Deployments with their jobs and step runs."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Select, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import DeploymentId, ReleaseId
from domain.status import RunStatus, StageStatus
from storage.tables import DeploymentRow, JobRow, ReleaseRow, StepRunRow


async def get(session: AsyncSession, deployment: DeploymentId) -> DeploymentRow | None:
    """One deployment by its id."""
    return await session.get(DeploymentRow, str(deployment))


async def jobs(session: AsyncSession, deployment: DeploymentId) -> Sequence[JobRow]:
    """In the author's order."""
    found = await session.scalars(
        select(JobRow).where(JobRow.deployment == str(deployment)).order_by(JobRow.position, JobRow.id)
    )
    return found.all()


async def job(session: AsyncSession, job_id: str) -> JobRow | None:
    """One job by its id."""
    return await session.get(JobRow, job_id)


async def jobs_of_agents(session: AsyncSession, agents: Iterable[str]) -> Sequence[JobRow]:
    """The jobs that run on these agents now."""
    found = await session.scalars(
        select(JobRow).where(JobRow.agent.in_(list(agents)), JobRow.status == RunStatus.RUNNING).order_by(JobRow.id)
    )
    return found.all()


async def step_runs(session: AsyncSession, deployment: DeploymentId) -> Sequence[StepRunRow]:
    """Job by job, step by step, try by try."""
    found = await session.scalars(
        select(StepRunRow)
        .join(JobRow, JobRow.id == StepRunRow.job_id)
        .where(JobRow.deployment == str(deployment))
        .order_by(JobRow.position, JobRow.id, StepRunRow.step, StepRunRow.try_number)
    )
    return found.all()


async def step_run(session: AsyncSession, run_id: str) -> StepRunRow | None:
    """One run of a step by its id."""
    return await session.get(StepRunRow, run_id)


async def asked_runs(session: AsyncSession) -> Sequence[StepRunRow]:
    """The runs that people are asked about, oldest first."""
    asked = select(StepRunRow).where(StepRunRow.is_asked).order_by(StepRunRow.finished_at, StepRunRow.id)
    return (await session.scalars(asked)).all()


async def secrets_of_job(session: AsyncSession, job_id: str) -> Sequence[str]:
    """The names of the stored secrets that steps of the job were given so far."""
    found = await session.scalars(select(StepRunRow.secrets).where(StepRunRow.job_id == job_id))
    return sorted({name for secrets in found for name in secrets.values()})


async def jobs_of_release(session: AsyncSession, release: ReleaseId) -> Sequence[JobRow]:
    """Of all deployments of the release, each deployment's in the author's order."""
    found = await session.scalars(
        select(JobRow)
        .join(DeploymentRow, DeploymentRow.id == JobRow.deployment)
        .where(DeploymentRow.release == str(release))
        .order_by(JobRow.deployment, JobRow.position, JobRow.id)
    )
    return found.all()


async def step_runs_of_release(session: AsyncSession, release: ReleaseId) -> Sequence[StepRunRow]:
    """Of all jobs of the release, each job's step by step, try by try."""
    found = await session.scalars(
        select(StepRunRow)
        .join(JobRow, JobRow.id == StepRunRow.job_id)
        .join(DeploymentRow, DeploymentRow.id == JobRow.deployment)
        .where(DeploymentRow.release == str(release))
        .order_by(StepRunRow.job_id, StepRunRow.step, StepRunRow.try_number)
    )
    return found.all()


async def last_good(session: AsyncSession, pipeline: str, stage: str, *, than: DeploymentId) -> DeploymentRow | None:
    """The newest deployment of another release of this pipeline to that stage that went well.

    Other ``than`` those of this one's release, and what came later than it.
    """
    own = await get(session, than)
    earlier = DeploymentRow.finished_at < own.finished_at if own is not None and own.finished_at else true()
    of_others = _good_ones(pipeline, stage).where(DeploymentRow.release != str(than.release), earlier)
    return (await session.scalars(of_others)).first()


async def newest_good(session: AsyncSession, pipeline: str, stage: str) -> DeploymentRow | None:
    """The deployment of this pipeline to that stage that went well last: what is there now."""
    return (await session.scalars(_good_ones(pipeline, stage))).first()


def _good_ones(pipeline: str, stage: str) -> Select[DeploymentRow]:
    """The newest alone."""
    return (
        select(DeploymentRow)
        .join(ReleaseRow, ReleaseRow.id == DeploymentRow.release)
        .where(
            ReleaseRow.pipeline == pipeline,
            DeploymentRow.stage == stage,
            DeploymentRow.status.in_([StageStatus.SUCCEEDED, StageStatus.PARTIALLY_SUCCEEDED]),
        )
        .order_by(DeploymentRow.finished_at.desc(), DeploymentRow.id.desc())
        .limit(1)
    )


async def running_of(session: AsyncSession, release_ids: Iterable[str]) -> Sequence[DeploymentRow]:
    """The deployments of several releases that wait or run now, as they were started."""
    found = await session.scalars(
        select(DeploymentRow)
        .where(
            DeploymentRow.release.in_(list(release_ids)),
            DeploymentRow.status.in_([StageStatus.WAITING, StageStatus.IN_PROGRESS]),
        )
        .order_by(DeploymentRow.started_at, DeploymentRow.id)
    )
    return found.all()
