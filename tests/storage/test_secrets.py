"""Secrets are written by name and leave only by name."""

import pytest
from sqlalchemy import update

from storage import secrets
from storage.sealing import SealBroken
from storage.tables import SecretRow


async def _put(database, sealing, now, **values):
    async with database.transaction() as session:
        for name, value in values.items():
            await secrets.put(session, sealing, name=name, value=value, author="ann@example.com", now=now)


async def test_values_come_back_for_the_names_that_are_asked(database, sealing, now):
    """And for no others; a name asked twice is one."""
    await _put(database, sealing, now, a="älpha", b="beta", c="")
    async with database.reading() as session:
        assert {"a": "älpha", "c": ""} == await secrets.values(session, sealing, ["a", "c", "a"])
        assert await secrets.values(session, sealing, []) == {}
        assert await secrets.names(session) == ["a", "b", "c"]


async def test_a_secret_is_replaced_by_its_next_value(database, sealing, now):
    """The one before is gone."""
    await _put(database, sealing, now, a="one")
    await _put(database, sealing, now, a="two")
    async with database.reading() as session:
        assert {"a": "two"} == await secrets.values(session, sealing, ["a"])


async def test_a_missing_secret_is_named(database, sealing, now):
    """So that the step's author knows which one to store."""
    await _put(database, sealing, now, a="one")
    async with database.reading() as session:
        with pytest.raises(secrets.SecretMissing, match="b, c"):
            await secrets.values(session, sealing, ["b", "a", "c"])


async def test_a_removed_secret_is_missing(database, sealing, now):
    """Removing says whether there was one."""
    await _put(database, sealing, now, a="one")
    async with database.transaction() as session:
        assert [True, False] == [await secrets.remove(session, "a"), await secrets.remove(session, "a")]
        assert await secrets.names(session) == []


async def test_a_sealed_value_copied_to_another_name_does_not_open(database, sealing, now):
    """Whoever can write rows cannot read secrets through a pipeline of their own."""
    await _put(database, sealing, now, prod="hunter2", mine="x")
    async with database.transaction() as session:
        stolen = (await session.get(SecretRow, "prod")).sealed
        await session.execute(update(SecretRow).where(SecretRow.name == "mine").values(sealed=stolen))
    async with database.reading() as session:
        with pytest.raises(SealBroken):
            await secrets.values(session, sealing, ["mine"])
