"""The schema goes from empty to head, back and forth, and is what the tables say."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, inspect

from storage import groups, schema
from storage.database import Database


@pytest.fixture
async def migrated(empty_url) -> AsyncIterator[Database]:
    """A database at head that may be damaged."""
    database = Database(empty_url)
    await database.migrate()
    yield database
    await database.close()


async def _on(database: Database, work) -> object:
    async with database._my_turn(), database._writing_engine().begin() as connection:
        return await connection.run_sync(work)


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_an_empty_database_is_not_at_head(empty_url):
    """Readiness can tell that migrations are still to run."""
    database = Database(empty_url)
    assert await database.is_at_head() is False
    await database.close()


async def test_migrating_from_empty_gives_exactly_the_tables(migrated):
    """Nothing differs between the migrated schema and storage.tables."""
    assert await migrated.is_at_head() is True
    assert await _on(migrated, schema.drift) == []


async def test_drift_is_seen(migrated):
    """The comparison above would notice a missing index and a missing column."""

    def damage(connection: Connection) -> list[str]:
        connection.exec_driver_sql("DROP INDEX ix_agents_pool")
        connection.exec_driver_sql("ALTER TABLE agents DROP COLUMN version")
        return schema.drift(connection)

    found = await _on(migrated, damage)
    assert isinstance(found, list)
    assert len(found) == 2


async def test_migrating_again_changes_nothing(migrated):
    """Every start migrates; what is there stays."""
    async with migrated.transaction() as session:
        await groups.put(session, "ops", ["ann@example.com"])
    await migrated.migrate()
    async with migrated.reading() as session:
        assert await groups.all_groups(session) == {"ops": ("ann@example.com",)}


async def test_one_step_down_and_up_again(migrated):
    """The newest revision can be taken back, and taken again."""
    before = await _on(migrated, _tables)
    await _on(migrated, lambda connection: schema.downgrade(connection, "-1"))
    assert await migrated.is_at_head() is False
    await migrated.migrate()
    assert await _on(migrated, _tables) == before
    assert await _on(migrated, schema.drift) == []


async def test_processes_that_start_together_migrate_once(empty_url):
    """The second one waits and finds the work done."""
    databases = [Database(empty_url) for _ in range(4)]
    await asyncio.gather(*(database.migrate() for database in databases))
    assert [True] * 4 == [await database.is_at_head() for database in databases]
    for database in databases:
        await database.close()
