"""Times and words come back from both databases as they should."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from storage.tables import EventRow, TokenRow


async def _kept(database, **values):
    async with database.transaction() as session:
        session.add(EventRow(**({"release": "webshop/1", "text": "", "by": ""} | values)))
    async with database.reading() as session:
        return (await session.scalars(select(EventRow))).one()


async def test_times_come_back_aware_and_in_utc(database):
    """From whichever zone they came, to the microsecond."""
    told = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    row = await _kept(database, at=told)
    assert (datetime(2026, 3, 29, 0, 30, 0, 123456, tzinfo=UTC), UTC) == (row.at, row.at.tzinfo)


async def test_a_time_without_a_zone_is_refused(database):
    """It would mean another moment on every machine."""
    with pytest.raises(StatementError, match="without a zone"):
        await _kept(database, at=datetime(2026, 3, 29))  # noqa: DTZ001  that is the point


async def test_a_time_may_be_absent(database, now):
    """A token that was never used."""
    async with database.transaction() as session:
        session.add(
            TokenRow(id="1", token_hash="h", name="n", subject="s", role="viewer", created_at=now, expires_at=now)
        )
    async with database.reading() as session:
        assert (await session.scalars(select(TokenRow.revoked_at))).one() is None


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("plain — ünïcödé 🚢", "plain — ünïcödé 🚢"),
        ("NUL \0 and half a character \ud83d", "NUL \ufffd and half a character \ufffd"),
        ("long" * 10_000, ("long" * 10_000)[:20_000]),
        ("", ""),
    ],
)
async def test_words_of_any_kind_are_kept(database, now, told, kept):
    """What cannot be written is replaced and what is too long is cut; nothing fails."""
    row = await _kept(database, at=now, text=told)
    assert kept == row.text


async def test_words_are_cut_to_their_column(database, now):
    """Each column to its own length."""
    async with database.transaction() as session:
        session.add(
            TokenRow(id="1", token_hash="h", name="n" * 500, subject="s", role="viewer", created_at=now, expires_at=now)
        )
    async with database.reading() as session:
        assert "n" * 200 == await session.scalar(select(TokenRow.name))
