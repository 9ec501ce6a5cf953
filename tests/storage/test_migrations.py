"""The schema goes from empty to head, back and forth, and is what the tables say."""

import asyncio
from datetime import datetime

from sqlalchemy import Connection, inspect

from storage import groups, schema
from storage.database import Database


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


async def test_migrating_from_empty_gives_exactly_the_tables(empty_url):
    """Nothing differs between the migrated schema and storage.tables."""
    database = Database(empty_url)
    await database.migrate()
    assert await database.is_at_head() is True
    assert await _on(database, schema.drift) == []
    await database.close()


async def test_drift_is_seen(database):
    """The comparison above would notice a missing index and a missing column."""

    def damage(connection: Connection) -> list[str]:
        connection.exec_driver_sql("DROP INDEX ix_agents_pool")
        connection.exec_driver_sql("ALTER TABLE agents DROP COLUMN version")
        return schema.drift(connection)

    found = await _on(database, damage)
    assert isinstance(found, list)
    assert len(found) == 2


async def test_migrating_again_changes_nothing(database):
    """Every start migrates; what is there stays."""
    async with database.transaction() as session:
        await groups.put(session, "ops", ["ann@example.com"])
    await database.migrate()
    async with database.reading() as session:
        assert await groups.all_groups(session) == {"ops": ("ann@example.com",)}


async def test_one_step_down_and_up_again(database):
    """The newest revision can be taken back, and taken again."""
    before = await _on(database, _tables)
    await _on(database, lambda connection: schema.downgrade(connection, "-1"))
    assert await database.is_at_head() is False
    await database.migrate()
    assert await _on(database, _tables) == before
    assert await _on(database, schema.drift) == []


async def test_processes_that_start_together_migrate_once(empty_url, now: datetime):
    """The second one waits and finds the work done."""
    databases = [Database(empty_url) for _ in range(4)]
    await asyncio.gather(*(database.migrate() for database in databases))
    assert [True] * 4 == [await database.is_at_head() for database in databases]
    for database in databases:
        await database.close()
