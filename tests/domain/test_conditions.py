"""Whether a job or step runs, by how those before it ended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conditions import should_run
from domain.pipeline import Condition
from domain.status import RunStatus as R

FINAL = st.lists(st.sampled_from([run for run in R if run.is_final]), max_size=5)


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ([], Condition.SUCCEEDED),
        ([R.SUCCEEDED], Condition.SUCCEEDED),
        ([R.SKIPPED], Condition.SUCCEEDED),
        ([R.PARTIALLY_SUCCEEDED], Condition.SUCCEEDED),
        ([R.SUCCEEDED, R.FAILED], Condition.FAILED),
        ([R.TIMED_OUT], Condition.FAILED),
        ([R.UNKNOWN], Condition.FAILED),
        ([R.CANCELED], Condition.FAILED),
        ([R.FAILED, R.SUCCEEDED], Condition.FAILED),
    ],
)
def test_what_went_before_is_a_success_or_a_failure(earlier: list[R], expected: Condition) -> None:
    """A skipped run counts for nothing, one that nobody saw end for a failure."""
    assert should_run(expected, earlier)


@given(FINAL)
def test_always_ignores_what_was_and_the_others_exclude_each_other(earlier: list[R]) -> None:
    """Exactly one of success and failure is the case."""
    assert should_run(Condition.ALWAYS, earlier)
    assert should_run(Condition.SUCCEEDED, earlier) != should_run(Condition.FAILED, earlier)
