"""Secrets that steps set: sealed, given by where they were set, gone with their deployment."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from activities.records import DeploymentFact, Entry
from domain.status import StageStatus
from storage import secret_outputs
from storage.database import Database
from storage.records import SqlRecords
from storage.sealing import SealBroken, Sealing
from storage.secrets import SecretMissing
from storage.tables import JobRow, SecretOutputRow, StepRunRow

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DEPLOYMENT = "webshop/1/test/1"
JOB = f"{DEPLOYMENT}/deploy"
RUN = f"{JOB}/1/1"
SEALING = Sealing("ab" * 32)


async def _keep(database: Database, run: str = RUN, masks: tuple[str, ...] = (), **variables: str) -> None:
    job = JobRow(id=JOB, deployment=DEPLOYMENT)
    async with database.transaction() as session:
        await secret_outputs.keep(
            session, SEALING, run=StepRunRow(id=run), job=job, variables=variables, masks=masks, now=NOW
        )


async def _values(database: Database, *names: str, deployment: str = DEPLOYMENT) -> dict[str, str]:
    async with database.reading() as session:
        return await secret_outputs.values(session, SEALING, deployment, [f"{RUN}/{name}" for name in names])


async def test_a_value_is_given_by_the_run_that_set_it(database: Database) -> None:
    """The last one it told; kept as nothing that could be read."""
    await _keep(database, token="first", OTHER="o")
    await _keep(database, token="s3cr3t-value")
    assert {f"{RUN}/TOKEN": "s3cr3t-value"} == await _values(database, "TOKEN")
    async with database.reading() as session:
        rows = (await session.scalars(select(SecretOutputRow))).all()
    assert ["OTHER", "TOKEN"] == sorted(row.name for row in rows)
    assert not [row for row in rows if b"s3cr3t" in row.sealed]


async def test_what_no_step_set_is_named(database: Database) -> None:
    """So that the step's failure says what is missing; what another deployment set is not found either."""
    await _keep(database, TOKEN="s3cr3t-value")
    with pytest.raises(SecretMissing, match="set GONE left no value"):
        await _values(database, "TOKEN", "GONE")
    with pytest.raises(SecretMissing, match="TOKEN"):
        await _values(database, "TOKEN", deployment="webshop/2/test/1")


async def test_all_that_a_deployment_keeps_secret_is_known_for_masking(database: Database) -> None:
    """Of each of its jobs, with and without a name."""
    await _keep(database, TOKEN="one")
    await _keep(database, f"{DEPLOYMENT}/other/1/1", ("two", "three"), TOKEN="four")
    async with database.reading() as session:
        assert ["four", "one", "three", "two"] == sorted(
            await secret_outputs.of_deployment(session, SEALING, DEPLOYMENT)
        )
        assert [] == await secret_outputs.of_deployment(session, SEALING, "webshop/1/test/2")


async def test_a_value_moved_to_another_row_cannot_be_opened(database: Database) -> None:
    """It is bound to the run and the name."""
    await _keep(database, TOKEN="one", OTHER="two")
    async with database.transaction() as session:
        other = await session.scalar(select(SecretOutputRow.sealed).where(SecretOutputRow.name == "OTHER"))
        await session.execute(
            update(SecretOutputRow)
            .where(SecretOutputRow.name == "TOKEN")
            .values(sealed=other)
            .execution_options(synchronize_session=False)
        )
    with pytest.raises(SealBroken):
        await _values(database, "TOKEN")


@pytest.mark.parametrize(
    ("status", "left"), [(StageStatus.IN_PROGRESS, 1), (StageStatus.SUCCEEDED, 0), (StageStatus.FAILED, 0)]
)
async def test_the_end_of_the_deployment_removes_them(database: Database, status: StageStatus, left: int) -> None:
    """However it ended."""
    await _keep(database, TOKEN="one")
    fact = DeploymentFact(deployment=DEPLOYMENT, status=status, requested_by="ana@example.com", started_at=NOW)
    entry = Entry(workflow_id=f"deployment/{DEPLOYMENT}", run_id="r", sequence=1, at=NOW, facts=(fact,))
    await SqlRecords(database).apply(entry)
    async with database.reading() as session:
        assert left == len((await session.scalars(select(SecretOutputRow))).all())
