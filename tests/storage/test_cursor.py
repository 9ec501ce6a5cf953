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
