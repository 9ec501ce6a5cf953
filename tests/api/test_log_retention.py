"""Old logs are removed in the background, and one is told so; a release can be kept."""

import asyncio
from datetime import timedelta

import httpx2
import pytest
from fakes.api_world import NOW, World

from activities.records import DeploymentFact, JobFact, ReleaseFact, StepFact
from api.log_retention import remove_old_logs
from domain.ids import DeploymentId
from domain.outputs import NotedFile
from domain.role import Role
from domain.status import ReleaseStatus, RunStatus, StageStatus
from storage import logs, step_files

TEST = DeploymentId.parse("webshop/1/test/1")
RUN = f"{TEST}/deploy/1/1"


@pytest.fixture
async def kept_for_90_days(world: World, releaser: httpx2.AsyncClient) -> World:
    """A world with a release that ended at its NOW, and a log of it."""
    await world.save()
    await releaser.post("/releases", json={"pipeline": "webshop"})
    job = {"job_id": f"{TEST}/deploy", "deployment": str(TEST), "position": 0, "job": "deploy", "pool": "default"}
    step = {"run_id": RUN, "job_id": f"{TEST}/deploy", "step": 1, "try_number": 1, "title": "x", "log_size": 4}
    files = (NotedFile(name="report", size=5),)
    await world.record(
        TEST.release.workflow_id,
        DeploymentFact(
            deployment=str(TEST), status=StageStatus.SUCCEEDED, requested_by="rita@example.com", started_at=NOW
        ),
        JobFact(**job, status=RunStatus.SUCCEEDED),
        StepFact(**step, status=RunStatus.SUCCEEDED, started_at=NOW, files=files),
        ReleaseFact(release=str(TEST.release), status=ReleaseStatus.SUCCEEDED, finished_at=NOW),
    )
    async with world.services.database.transaction() as session:
        await logs.append(session, RUN, 0, b"one\n")
        await step_files.append(session, RUN, 1, 0, b"bytes")
    return world.with_services(log_retention_days=90)


async def test_a_log_that_was_removed_is_told_from_one_that_never_was(
    kept_for_90_days: World,
) -> None:
    """When, and how long logs are kept; not before their time."""
    world = kept_for_90_days
    world.clock.move(timedelta(days=90))
    await remove_old_logs(world.services)
    async with world.calling(Role.VIEWER) as reader:
        assert b"one\n" == (await reader.get(f"/logs/{RUN}/text")).content
        assert b"bytes" == (await reader.get(f"/logs/{RUN}/files/1")).content
        world.clock.move(timedelta(seconds=1))
        await remove_old_logs(world.services)
    async with world.calling(Role.VIEWER) as reader:
        for way in ("text", "follow", "files/1"):
            refused = await reader.get(f"/logs/{RUN}/{way}")
            detail = "its log was removed on 2026-05-30; logs are kept for 90 days"
            told = refused.json()
            assert (404, "LogRemoved", detail) == (refused.status_code, told["error"], told["detail"])
        assert [] == (await reader.get(f"/deployments/{TEST}/logs/search?q=one")).json()["hits"]
        assert 200 == (await reader.get(f"/deployments/{TEST}/logs.zip")).status_code
    async with world.services.database.reading() as session:
        assert {} == await step_files.sizes(session, RUN)


async def test_nothing_is_removed_unless_somebody_says_after_how_long(kept_for_90_days: World) -> None:
    """The default keeps logs for ever."""
    world = kept_for_90_days.with_services(log_retention_days=0)
    world.clock.move(timedelta(days=10_000))
    await remove_old_logs(world.services)
    async with world.services.database.reading() as session:
        assert 4 == await logs.size(session, RUN)


async def test_a_release_can_be_kept_for_ever(kept_for_90_days: World) -> None:
    """By a releaser, told in its history; taken back, its logs go."""
    world = kept_for_90_days
    world.clock.move(timedelta(days=91))
    async with world.calling(Role.RELEASER) as releaser, world.calling(Role.APPROVER) as approver:
        assert 403 == (await approver.put("/releases/webshop/1/retain")).status_code
        assert 404 == (await releaser.put("/releases/webshop/7/retain")).status_code
        kept = await releaser.put("/releases/webshop/1/retain")
        assert {"id": "webshop/1", "kept_by": "rita@example.com"} == kept.json()
        await remove_old_logs(world.services)
        assert 200 == (await releaser.get(f"/logs/{RUN}/text")).status_code
        events = (await releaser.get("/releases/webshop/1")).json()["events"]
        assert "Its logs are kept for ever" in [event["text"] for event in events]
        assert None is (await releaser.delete("/releases/webshop/1/retain")).json()["kept_by"]
        await remove_old_logs(world.services)
        assert 404 == (await releaser.get(f"/logs/{RUN}/text")).status_code


async def test_old_logs_go_while_the_application_serves(kept_for_90_days: World) -> None:
    """Nobody has to start it; it ends with the application."""
    world = kept_for_90_days.with_application_of_its_own()
    world.clock.move(timedelta(days=91))
    before = asyncio.all_tasks()
    async with world.app.router.lifespan_context(world.app), asyncio.timeout(20):
        while await _size(world) > 0:
            await asyncio.sleep(0.01)
    assert before == asyncio.all_tasks()


async def _size(world: World) -> int:
    async with world.services.database.reading() as session:
        return await logs.size(session, RUN)
