"""Wrong clocks."""

from datetime import timedelta

import pytest
from fakes.made_pipelines import NOON
from hypothesis import given
from hypothesis import strategies as st

from domain.clock_skew import between, clock_warning

spans = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))
skews = st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400))


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (None, ""),
        (0.0, ""),
        (-4.9, ""),
        (5.0, "its clock is 5 s ahead"),
        (-59.0, "its clock is 59 s behind"),
        (185.0, "its clock is 3 min ahead"),
        (-7200.0, "its clock is 2 h behind"),
        (86400.0, "its clock is 1 day ahead"),
        (-864000.0, "its clock is 10 days behind"),
    ],
)
def test_a_wrong_clock_is_told_in_words(ahead: float | None, expected: str) -> None:
    """A little is the way of a message, and not worth a word."""
    assert expected == clock_warning(ahead)


@given(spans, spans, spans)
def test_times_of_a_right_clock_are_believed(before: timedelta, took: timedelta, after: timedelta) -> None:
    """They lie between our question and the answer."""
    started, finished = NOON + before, NOON + before + took
    assert (started, finished) == between(NOON, finished + after, started, finished)


@given(spans, skews, skews)
def test_no_clock_makes_times_that_cannot_be(waited: timedelta, start_skew: timedelta, end_skew: timedelta) -> None:
    """However wrong it is, and though it jumps: nothing ends before it began, or lies outside of what we saw."""
    started, finished = between(NOON, NOON + waited, NOON + start_skew, NOON + waited + end_skew)
    assert NOON <= started <= finished <= NOON + waited


@pytest.mark.parametrize("skew", [timedelta(days=-1), timedelta(days=1), timedelta(minutes=3)])
def test_how_long_it_took_is_believed_of_any_steady_clock(skew: timedelta) -> None:
    """Only its place in time is ours."""
    took = timedelta(seconds=7)
    started, finished = between(NOON, NOON + timedelta(seconds=9), NOON + skew, NOON + skew + took)
    assert (NOON, took) == (started, finished - started)
