"""Old logs go, batch by batch; what may not go stays."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from domain.ids import DeploymentId
from domain.status import ReleaseStatus, RunStatus, StageStatus
from storage import log_retention, logs, releases, step_files
from storage.database import Database
from storage.tables import DeploymentRow, JobRow, LogChunkRow, ReleaseRow, StepRunRow

_DEPLOYMENT = DeploymentId.parse("webshop/41/test/1")
_RUN = f"{_DEPLOYMENT}/deploy/1/1"


@pytest.fixture
async def ended(database: Database, plan, now) -> Database:
    """A release that ended a hundred days ago, with a log of many chunks."""
    then = now - timedelta(days=100)
    async with database.transaction() as session:
        row = await releases.add(session, plan, then)
        row.status, row.finished_at = ReleaseStatus.SUCCEEDED, then
        session.add(
            DeploymentRow(
                id=str(_DEPLOYMENT),
                release=row.id,
                stage="test",
                attempt=1,
                status=StageStatus.SUCCEEDED,
                requested_by="bob@example.com",
                started_at=then,
                finished_at=then,
            )
        )
        job = {"position": 0, "job": "deploy", "status": RunStatus.SUCCEEDED, "pool": "default", "demands": []}
        session.add(JobRow(id=f"{_DEPLOYMENT}/deploy", deployment=str(_DEPLOYMENT), **job))
        step = {"step": 1, "try_number": 1, "title": "x", "status": RunStatus.SUCCEEDED, "secrets": {}}
        session.add(StepRunRow(id=_RUN, job_id=f"{_DEPLOYMENT}/deploy", started_at=then, **step))
        for number in range(70):
            await logs.append(session, _RUN, 10 * number, b"123456789\n")
    return database


async def _chunks(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(LogChunkRow)) or 0


async def test_old_logs_are_removed_from_their_ends_on(ended, plan, now):
    """In batches, each of which leaves a log without holes; then the release says so and is not looked at again."""
    before = now - timedelta(days=90)
    left = [await _chunks(ended)]
    async with ended.reading() as session:
        assert [str(plan.id)] == await log_retention.releases_with_old_logs(session, before)
    while await _remove(ended, plan, before):
        left.append(await _chunks(ended))
        async with ended.reading() as session:
            assert logs.Extent(10 * left[-1], left[-1]) == await logs.extent(session, _RUN)
    assert [70, 38, 6, 0] == left
    async with ended.transaction() as session:
        await log_retention.mark_removed(session, str(plan.id), before, now, 90)
    async with ended.reading() as session:
        assert [] == await log_retention.releases_with_old_logs(session, before)
        row, run = await releases.get(session, plan.id), await session.get(StepRunRow, _RUN)
        assert log_retention.Removal(now, 90) == log_retention.removal(row, run)


async def _remove(database: Database, plan, before) -> bool:
    async with database.transaction() as session:
        return await log_retention.remove_some(session, str(plan.id), before)


async def test_files_of_steps_go_after_the_logs(ended, plan, now):
    """One by one; those of other releases stay."""
    before = now - timedelta(days=90)
    other = "webshop/40/test/1/deploy/1/1"
    async with ended.transaction() as session:
        for run, number in ((_RUN, 1), (_RUN, 3), (other, 1)):
            await step_files.append(session, run, number, 0, b"one")
            await step_files.append(session, run, number, 3, b"two")
    left = []
    while await _remove(ended, plan, before):
        async with ended.reading() as session:
            left.append((await _chunks(ended), await step_files.sizes(session, _RUN)))
    assert [(38, {1: 6, 3: 6}), (6, {1: 6, 3: 6}), (0, {1: 6, 3: 6}), (0, {1: 6}), (0, {})] == left
    async with ended.reading() as session:
        assert {1: 6} == await step_files.sizes(session, other)


@pytest.mark.parametrize(
    "changed",
    [{"finished_at": None, "status": "active"}, {"kept_by": "ann@example.com"}, "younger"],
    ids=["deployed again", "kept", "younger"],
)
async def test_logs_that_may_not_go_stay(ended, plan, now, changed):
    """Also when that turned out after the first batch."""
    before = now - timedelta(days=90)
    assert await _remove(ended, plan, before)
    values = {"finished_at": now} if changed == "younger" else changed
    async with ended.transaction() as session:
        await session.execute(update(ReleaseRow).values(values))
    assert not await _remove(ended, plan, before)
    async with ended.transaction() as session:
        await log_retention.mark_removed(session, str(plan.id), before, now, 90)
    async with ended.reading() as session:
        row = await releases.get(session, plan.id)
        assert (None, []) == (row.logs_removed_at, await log_retention.releases_with_old_logs(session, before))
    assert 38 == await _chunks(ended)


async def test_logs_of_a_later_deployment_are_kept_and_go_in_their_time(ended, plan, now):
    """A release deployed again after its logs were removed has new ones."""
    async with ended.transaction() as session:
        await session.execute(update(ReleaseRow).values(logs_removed_at=now - timedelta(days=95), logs_kept_days=5))
        await session.execute(update(ReleaseRow).values(finished_at=now - timedelta(days=92)))
        await session.execute(update(StepRunRow).values(started_at=now - timedelta(days=93)))
    async with ended.reading() as session:
        row, run = await releases.get(session, plan.id), await session.get(StepRunRow, _RUN)
        assert log_retention.removal(row, run) is None
        before = now - timedelta(days=90)
        assert [str(plan.id)] == await log_retention.releases_with_old_logs(session, before)


async def test_keeping_is_told_in_the_history_once(ended, plan, now):
    """Saying it twice changes nothing."""
    for by in ("ann@example.com", "bob@example.com", None, None):
        async with ended.transaction() as session:
            await log_retention.keep(session, plan.id, by, by or "cem@example.com", now)
    async with ended.reading() as session:
        told = [(event.text, event.by) for event in await releases.events(session, plan.id)]
    assert [
        ("Its logs are kept for ever", "ann@example.com"),
        ("Its logs are no longer kept for ever", "cem@example.com"),
    ] == told
