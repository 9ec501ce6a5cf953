"""Questions over many deployments at once."""

from datetime import timedelta

import pytest

from activities.records import DeploymentFact, Entry, JobFact, StepFact
from domain.ids import DeploymentId, ReleaseId
from domain.status import RunStatus, StageStatus
from storage import deployments, releases
from storage.records import SqlRecords


@pytest.fixture
async def deployed(database, plan, now):
    """Releases 1 to 4 at stage prod: good, partially good, failed, running; each with one job of one step."""
    statuses = (
        StageStatus.SUCCEEDED,
        StageStatus.PARTIALLY_SUCCEEDED,
        StageStatus.FAILED,
        StageStatus.IN_PROGRESS,
    )
    for number, status in enumerate(statuses, start=1):
        release = ReleaseId(pipeline="webshop", number=number)
        async with database.transaction() as session:
            await releases.add(session, plan.model_copy(update={"id": release}), now)
        await SqlRecords(database).apply(_entry(DeploymentId(release=release, stage="prod", attempt=1), status, now))


def _entry(deployment, status, now):
    at = now + timedelta(minutes=deployment.release.number)
    job = f"{deployment}/deploy"
    facts = (
        DeploymentFact(
            deployment=str(deployment),
            status=status,
            requested_by="bob@example.com",
            started_at=at,
            finished_at=at if status.is_final else None,
        ),
        JobFact(
            job_id=job,
            deployment=str(deployment),
            position=0,
            job="deploy",
            status=RunStatus.RUNNING,
            pool="default",
        ),
        StepFact(run_id=f"{job}/1/1", job_id=job, step=1, try_number=1, title="t", status=RunStatus.RUNNING),
    )
    return Entry(workflow_id=deployment.workflow_id, run_id="run", sequence=1, at=at, facts=facts)


@pytest.mark.usefixtures("deployed")
async def test_the_last_good_deployment_is_the_newest_that_went_well(database):
    """Partially well is well enough; other stages and pipelines do not count, nor what came later than that."""
    first, second, fourth = (DeploymentId.parse(f"webshop/{number}/prod/1") for number in (1, 2, 4))
    async with database.reading() as session:
        last = await deployments.last_good(session, "webshop", "prod", than=fourth)
        before = await deployments.last_good(session, "webshop", "prod", than=second)
        assert await deployments.last_good(session, "webshop", "prod", than=first) is None
        assert await deployments.last_good(session, "webshop", "test", than=fourth) is None
        assert await deployments.last_good(session, "other", "prod", than=fourth) is None
    assert ("webshop/2/prod/1", "webshop/1/prod/1") == (last and last.id, before and before.id)


@pytest.mark.usefixtures("deployed")
async def test_running_deployments_are_found_for_many_releases(database):
    """Those that wait or run, of the releases that were asked for."""
    ids = [f"webshop/{number}" for number in range(1, 5)]
    async with database.reading() as session:
        assert ["webshop/4/prod/1"] == [row.id for row in await deployments.running_of(session, ids)]
        assert await deployments.running_of(session, ids[:3]) == []
        assert len(await releases.stages_of(session, ids)) == 8


@pytest.mark.usefixtures("deployed")
async def test_jobs_and_steps_of_a_release_are_its_own(database):
    """Not those of its neighbours."""
    release = ReleaseId(pipeline="webshop", number=2)
    async with database.reading() as session:
        jobs = await deployments.jobs_of_release(session, release)
        runs = await deployments.step_runs_of_release(session, release)
    assert ["webshop/2/prod/1/deploy"] == [job.id for job in jobs]
    assert ["webshop/2/prod/1/deploy/1/1"] == [run.id for run in runs]


async def test_what_is_not_there_is_nothing(database):
    """Asking is no error."""
    unknown = DeploymentId(release=ReleaseId(pipeline="webshop", number=9), stage="prod", attempt=1)
    async with database.reading() as session:
        assert await deployments.get(session, unknown) is None
        assert await deployments.job(session, f"{unknown}/deploy") is None
        assert await deployments.step_run(session, f"{unknown}/deploy/1/1") is None
        assert await deployments.jobs(session, unknown) == []
        assert await deployments.step_runs(session, unknown) == []
