"""Insert-or-update, the same on both databases."""

from sqlalchemy import select

from storage.tables import AppliedEntryRow, GroupRow, SecretRow
from storage.upsert import insert_new, put


async def test_only_the_first_of_a_key_is_inserted(database):
    """And each caller knows whether it was theirs."""
    async with database.transaction() as session:
        assert await insert_new(session, GroupRow, {"name": "ops", "members": ["a"]}) is True
        assert await insert_new(session, GroupRow, {"name": "ops", "members": ["b"]}) is False
        assert ["a"] == await session.scalar(select(GroupRow.members))


async def test_put_writes_over_what_is_there_but_keeps_what_it_is_told_to(database, now):
    """Several rows in one statement, new ones among them."""
    async with database.transaction() as session:
        row = {"name": "a", "sealed": b"1", "updated_by": "ann", "updated_at": now}
        await put(session, SecretRow, row)
        again = row | {"sealed": b"2", "updated_by": "bob"}
        await put(session, SecretRow, again, again | {"name": "b"}, keep=["updated_by"])
        rows = await session.execute(select(SecretRow.name, SecretRow.sealed, SecretRow.updated_by))
        assert {("a", b"2", "ann"), ("b", b"2", "bob")} == {tuple(row) for row in rows}


async def test_put_of_nothing_does_nothing(database):
    """No rows, no statement; and a row that is all key stays as it is."""
    key = {"workflow_id": "w", "run_id": "r", "sequence": 1}
    async with database.transaction() as session:
        await put(session, AppliedEntryRow)
        await put(session, AppliedEntryRow, key)
        await put(session, AppliedEntryRow, key)
        assert len((await session.scalars(select(AppliedEntryRow))).all()) == 1
