"""Tokens are good until they expire or are revoked, and nobody can read them again."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import event

from storage import tokens
from storage.token_hash import token_hash


@pytest.fixture
async def issued(database, now):
    """A token of Ann's, good for an hour: its row and its value."""
    async with database.transaction() as session:
        return await tokens.issue(
            session,
            name="laptop",
            subject="ann@example.com",
            role="releaser",
            expires_at=now + timedelta(hours=1),
            now=now,
        )


async def _found(database, value, at):
    async with database.reading() as session:
        return await tokens.find(session, value, at)


async def test_a_token_is_found_by_its_value(database, issued, now):
    """With who it is for; only its hash is kept."""
    row, value = issued
    found = await _found(database, value, now)
    assert found is not None
    assert (row.id, "ann@example.com", "releaser") == (found.id, found.subject, found.role)
    assert value.startswith("slw_")
    assert token_hash(value) == row.token_hash
    assert value not in str(vars(found))


async def test_values_are_long_and_never_the_same(database, now):
    """Two hundred and fifty-six bits each."""
    values = set()
    async with database.transaction() as session:
        for _ in range(50):
            _, value = await tokens.issue(session, name="n", subject="s", role="viewer", expires_at=now, now=now)
            values.add(value)
    assert len(values) == 50
    assert {43} == {len(value.removeprefix("slw_")) for value in values}


async def test_an_expired_token_is_refused(database, issued, now):
    """From the very moment on, and for ever."""
    row, value = issued
    assert await _found(database, value, row.expires_at - timedelta(seconds=1)) is not None
    for moment in (row.expires_at, now + timedelta(days=365)):
        assert await _found(database, value, moment) is None
        assert await tokens.authenticate(database, value, moment) is None


async def test_a_revoked_token_is_refused(database, issued, now):
    """Revoking it again says that it was no longer good."""
    row, value = issued
    async with database.transaction() as session:
        assert await tokens.revoke(session, row.id, now) is True
        assert await tokens.revoke(session, row.id, now) is False
        assert await tokens.revoke(session, "unknown", now) is False
    assert await _found(database, value, now) is None


async def test_all_tokens_of_a_subject_are_revoked_together(database, issued, now):
    """Those of the same role only: an agent may be named like a person."""
    _, value = issued
    async with database.transaction() as session:
        await tokens.revoke_all_of(session, "ann@example.com", "agent", now)
    assert await _found(database, value, now) is not None
    async with database.transaction() as session:
        await tokens.revoke_all_of(session, "ann@example.com", "releaser", now)
    assert await _found(database, value, now) is None


@pytest.mark.parametrize("guess", ["", "slw_", "slw_guess", "ä", "' OR 1=1 --"])
async def test_a_guess_finds_nothing(database, issued, now, guess):
    """Nor does a part of a value, nor its hash."""
    row, value = issued
    for text in (guess, value[:-1], value + "=", row.token_hash):
        assert await _found(database, text, now) is None


async def test_use_is_noted_at_most_once_a_minute(database, issued, now):
    """A request usually reads only."""
    _, value = issued
    seen = []
    for seconds in (0, 59, 60, 100):
        with _writes(database) as written:
            await tokens.authenticate(database, value, now + timedelta(seconds=seconds))
        async with database.reading() as session:
            [row] = await tokens.all_tokens(session)
        seen.append((len(written), (row.last_used_at - now).total_seconds()))
    assert [(1, 0), (0, 0), (1, 60), (0, 60)] == seen


async def test_a_session_that_writes_notes_the_use_itself(database, issued, now):
    """One that reads leaves it."""
    row, value = issued
    await _found(database, value, now)
    async with database.transaction() as session:
        assert (await session.get(tokens.TokenRow, row.id)).last_used_at is None
        await tokens.find(session, value, now)
        [row] = await tokens.all_tokens(session)
        await session.refresh(row)
        assert now == row.last_used_at


async def test_requests_at_once_with_one_token_are_all_let_in(database, issued, now):
    """Also while its use is being noted."""
    _, value = issued
    found = await asyncio.gather(*(tokens.authenticate(database, value, now) for _ in range(20)))
    assert all(found)


class _writes:  # noqa: N801  reads as a word of the test
    """The UPDATE statements a database is given meanwhile."""

    def __init__(self, database):
        self._engine = database._engine.sync_engine
        self._seen = []

    def __enter__(self):
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self._seen

    def __exit__(self, *_):
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement, *_):
        if statement.startswith("UPDATE"):
            self._seen.append(statement)
