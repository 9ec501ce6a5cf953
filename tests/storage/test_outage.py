"""Errors of a real PostgreSQL that pass, and one that does not."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from storage import outage
from storage.database import Database


@pytest.fixture
def kind() -> str:
    """SQLite has errors of its own classes for these."""
    return "postgresql"


@pytest.mark.parametrize("setting", ["statement_timeout = '1ms'", "transaction_read_only = on"])
async def test_a_server_that_is_busy_or_read_only_is_away_for_now(database: Database, setting: str) -> None:
    """Its answer has the same class as the answer to a statement that is wrong."""
    async with database.transaction() as session:
        await session.execute(text(f"SET LOCAL {setting}"))
        with pytest.raises(DBAPIError) as refused:
            await session.execute(text("DELETE FROM agents USING pg_sleep(0.1)"))
        await session.rollback()
    assert outage.is_passing(refused.value)


async def test_a_statement_that_is_wrong_does_not_pass(database: Database) -> None:
    """That is a fault of ours."""
    with pytest.raises(ProgrammingError) as refused:
        async with database.reading() as session:
            await session.execute(text("SELECT nothing FROM nowhere"))
    assert not outage.is_passing(refused.value)


async def test_a_server_that_takes_no_connection_is_away_for_now(empty_url: str) -> None:
    """Such as one that is starting up, or whose database is being restored."""
    away = Database(f"{empty_url}_to_be_restored")
    with pytest.raises(DBAPIError) as refused:
        await away.is_at_head()
    await away.close()
    assert outage.is_passing(refused.value)
