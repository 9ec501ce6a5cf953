"""Transactions commit, roll back and wait for each other."""

import asyncio
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text

from storage import groups
from storage.database import Database, WroteWhileReading
from storage.tables import EventRow, GroupRow


async def _count(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(EventRow)) or 0


async def _add_after_reading(database: Database, now: datetime) -> None:
    async with database.transaction() as session:
        before = await session.scalar(select(func.count()).select_from(EventRow))
        await asyncio.sleep(0)
        session.add(EventRow(release="webshop/1", at=now, text=f"after {before}", by=""))


async def test_a_transaction_is_kept_when_it_ends(database, now):
    """What a transaction wrote is there for the next reader."""
    await _add_after_reading(database, now)
    assert await _count(database) == 1


async def test_a_transaction_that_fails_leaves_nothing(database, now):
    """An error inside takes everything back."""

    async def fail() -> None:
        async with database.transaction() as session:
            session.add(EventRow(release="webshop/1", at=now, text="half", by=""))
            await session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await _count(database) == 0


async def test_a_transaction_that_is_cancelled_leaves_nothing_and_blocks_nobody(database, now):
    """A request whose client went away gives the write lock back."""
    is_inside = asyncio.Event()

    async def hang() -> None:
        async with database.transaction() as session:
            session.add(EventRow(release="webshop/1", at=now, text="half", by=""))
            await session.flush()
            is_inside.set()
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    await is_inside.wait()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    await _add_after_reading(database, now)
    assert await _count(database) == 1


async def test_statements_cancelled_at_any_moment_leave_the_database_usable(database, now):
    """Cancelling in the middle of a statement loses that transaction only."""
    for number in range(60):
        delay = number / 10_000
        writing = asyncio.create_task(_add_after_reading(database, now))
        await asyncio.wait([writing], timeout=delay)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        before = await _count(database)
        await _add_after_reading(database, now)
        assert await _count(database) == before + 1


async def test_sixteen_writers_of_one_process_all_get_their_turn(database, now):
    """Writers that read first and write later wait for each other instead of failing."""
    await asyncio.gather(*(_add_after_reading(database, now) for _ in range(16 * 5)))
    assert await _count(database) == 16 * 5


async def test_sixteen_writers_that_share_nothing_but_the_database_all_get_their_turn(url, now):
    """Sixteen separate processes' worth of connections: none fails with a locked database."""
    databases = [Database(url) for _ in range(16)]

    async def write(database: Database) -> None:
        for _ in range(5):
            await _add_after_reading(database, now)

    await asyncio.gather(*(write(database) for database in databases))
    assert await _count(databases[0]) == 16 * 5
    for database in databases:
        await database.close()


async def test_a_reader_sees_one_snapshot(database, now):
    """What others write meanwhile does not appear in the middle of a page."""
    async with database.reading() as session:
        before = await session.scalar(select(func.count()).select_from(EventRow))
        await _add_after_reading(database, now)
        after = await session.scalar(select(func.count()).select_from(EventRow))
    assert (0, 0) == (before, after)


async def test_readers_go_on_while_somebody_writes(database, now):
    """A writer in the middle of its work keeps no reader waiting."""
    async with database.transaction() as session:
        session.add(EventRow(release="webshop/1", at=now, text="half", by=""))
        await session.flush()
        assert await asyncio.wait_for(_count(database), 2) == 0


async def test_a_reading_session_refuses_to_write(database):
    """A query that writes is told so on both databases, whichever way it writes."""
    async with database.reading() as session:
        with pytest.raises(WroteWhileReading):
            await session.execute(insert(GroupRow).values(name="ops", members=[]))
        session.add(GroupRow(name="ops", members=[]))
        with pytest.raises(WroteWhileReading):
            await session.flush()
        session.expunge_all()


async def test_a_reading_session_refuses_a_core_upsert(database):
    """Statements that go past the mapping are caught, too."""
    async with database.reading() as session:
        with pytest.raises(WroteWhileReading):
            await groups.put(session, "ops", ["ann@example.com"])


async def test_error_messages_do_not_hold_values(database):
    """A statement that fails is told without its parameters, which may be secret."""
    with pytest.raises(Exception, match="hidden") as told:
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO nowhere VALUES (:value)"), {"value": "hunter2"})
    assert "hunter2" not in str(told.value)


async def test_sqlite_keeps_what_was_committed_through_a_power_cut(tmp_path):
    """The pragmas that make that true are set on every connection."""
    database = Database(f"sqlite:///{tmp_path / 'slipway.db'}")
    async with database.transaction() as session:
        names = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        found = [await session.scalar(text(f"PRAGMA {name}")) for name in names]
    await database.close()
    assert ["wal", 2, 10000, 1] == found


async def test_many_processes_may_open_a_new_sqlite_file_at_once(tmp_path: Path):
    """Turning the file to WAL while others open it fails for none of them."""
    databases = [Database(f"sqlite:///{tmp_path / 'slipway.db'}") for _ in range(12)]
    await asyncio.gather(*(database.is_at_head() for database in databases))
    for database in databases:
        await database.close()
    with sqlite3.connect(tmp_path / "slipway.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
