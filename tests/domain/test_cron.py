"""Cron times: what Temporal takes is taken, all else is said to be wrong, in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cron import what_is_wrong


@pytest.mark.parametrize(
    "cron",
    ["0 6 * * MON-FRI", "*/10 * * * *", "0 0 29 2 *", "5,35 8-18/2 1-7 JAN,jul mon", "59 23 31 12 7", "0 6 * * 1-5"],
)
def test_what_temporal_takes_is_taken(cron: str) -> None:
    """Numbers, names in either case, lists, ranges and steps."""
    assert "" == what_is_wrong(cron)


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("0 6 * *", "has 4 fields"),
        ("0 0 6 * * MON", "has 6 fields"),
        ("@daily", "has 1 fields"),
        ("60 * * * *", "minute: 60 is outside 0-59"),
        ("0 24 * * *", "hour: 24 is outside"),
        ("0 0 0 * *", "day: 0 is outside 1-31"),
        ("0 0 * 13 *", "month: 13 is outside"),
        ("0 0 * * MOON", "weekday: MOON is none of"),
        ("0 0 * * XYZ", "weekday: XYZ is outside 0-7; write a number or a name such as MON"),
        ("0 0 * MON *", "month: MON is outside"),
        ("0 0 5-1 * *", "ends before it begins"),
        ("*/0 * * * *", "makes no sense"),
        ("5/10 * * * *", "makes no sense"),
        ("*-5 * * * *", "is outside"),
        ("1,,2 * * * *", "minute: nothing is none of"),
        ("0 0 31 2 *", "never comes"),
        ("0 0 31 4,6 *", "never comes"),
        ("0 0 L * *", "day: L is none of"),
    ],
)
def test_what_would_not_do_is_told(cron: str, told: str) -> None:
    """The field, what is wrong with it, and what to write."""
    assert told in what_is_wrong(cron)


@given(st.text(alphabet="0123456789*/,-ABCJNMOFRI ", max_size=30))
def test_whatever_is_written_gets_an_answer(cron: str) -> None:
    """Nothing that people may write makes it stumble."""
    assert isinstance(what_is_wrong(cron), str)
