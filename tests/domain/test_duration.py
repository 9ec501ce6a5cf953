"""Durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.duration import LONGEST, Duration, PositiveDuration, parse, render


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("3h", timedelta(hours=3)),
        ("30d", timedelta(days=30)),
        ("007m", timedelta(minutes=7)),
        ("3650d", LONGEST),
    ],
)
def test_a_number_and_a_unit_are_a_duration(text: str, expected: timedelta) -> None:
    """Seconds, minutes, hours, days."""
    assert expected == parse(text)


@pytest.mark.parametrize(
    "wrong",
    ["", "10", "m", "1.5h", "-1s", "+1s", "10 m", "10M", "1w", "1h30m", "10m\n", "٣m", "1234567890s", 10, 1.5, None],
)
def test_anything_else_is_refused_with_the_forms_that_are_right(wrong: object) -> None:
    """The message is all that an author needs."""
    with pytest.raises(ValueError, match="such as 90s, 10m, 3h or 30d"):
        parse(wrong)


@pytest.mark.parametrize("wrong", ["3651d", "999999999d", "999999999h"])
def test_what_no_timer_can_hold_is_refused(wrong: str) -> None:
    """Ten years are enough."""
    with pytest.raises(ValueError, match="must be at most 3650d"):
        parse(wrong)


@given(st.integers(0, int(LONGEST.total_seconds())).map(lambda seconds: timedelta(seconds=seconds)))
def test_writing_and_reading_give_the_same(duration: timedelta) -> None:
    """In the largest whole unit."""
    assert duration == parse(render(duration))
    assert duration == parse(duration)


@pytest.mark.parametrize(("seconds", "expected"), [(0, "0s"), (90, "90s"), (3600, "1h"), (86_400, "1d"), (60, "1m")])
def test_a_duration_is_written_in_its_largest_whole_unit(seconds: int, expected: str) -> None:
    """As a person would."""
    assert expected == render(timedelta(seconds=seconds))
    assert f'"{expected}"' == TypeAdapter(Duration).dump_json(timedelta(seconds=seconds)).decode()


def test_a_timeout_of_nothing_is_refused_where_it_would_mean_none() -> None:
    """Nought is a duration, but no timeout."""
    assert timedelta(0) == TypeAdapter(Duration).validate_python("0s")
    with pytest.raises(ValidationError, match="must be more than 0"):
        TypeAdapter(PositiveDuration).validate_python("0s")
