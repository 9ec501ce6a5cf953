"""Cursors are opaque words that carry a time and a key."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import cursor


@given(
    at=st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  bounds are naive here
    key=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
def test_a_cursor_reads_back_as_it_was_written(at, key):
    """To the microsecond, and with any key."""
    assert (at, key) == cursor.read(cursor.write(at, key))


@given(st.text(max_size=60))
def test_any_other_text_is_refused_or_read_but_never_an_error_of_ours(text):
    """People change addresses by hand."""
    try:
        cursor.read(text)
    except cursor.BadCursor as refused:
        assert "cursor" in str(refused)  # noqa: PT017  being refused is one of two good ends


def test_a_cursor_without_a_time_zone_is_refused():
    """It would be compared with aware times."""
    word = cursor.base64.urlsafe_b64encode(b"2026-11-23T12:00:00|webshop/1").decode()
    with pytest.raises(cursor.BadCursor):
        cursor.read(word)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_cursor_at_the_end_of_time_is_refused(at):
    """There is no such moment in UTC, which the tables keep."""
    with pytest.raises(cursor.BadCursor):
        cursor.read(cursor.base64.urlsafe_b64encode(f"{at}|webshop/1".encode()).decode())
