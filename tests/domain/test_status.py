"""How many statuses fold into one."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.status import (
    ReleaseStatus,
    RunStatus,
    StageStatus,
    deployment_status,
    release_status,
    worst,
    worst_run,
)

S, R = StageStatus, RunStatus
stages = st.lists(st.sampled_from(StageStatus), max_size=6)
runs = st.lists(st.sampled_from(RunStatus), max_size=6)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], S.SKIPPED),
        ([S.SUCCEEDED, S.SKIPPED, S.REJECTED], S.REJECTED),
        ([S.SUCCEEDED, S.NOT_STARTED], S.SUCCEEDED),
        ([S.SUCCEEDED, S.SUPERSEDED], S.SUPERSEDED),
        ([S.SUCCEEDED, S.PARTIALLY_SUCCEEDED], S.PARTIALLY_SUCCEEDED),
        ([S.PARTIALLY_SUCCEEDED, S.WAITING], S.WAITING),
        ([S.CANCELED, S.EXPIRED, S.REJECTED, S.FAILED], S.FAILED),
        ([S.EXPIRED, S.CANCELED], S.EXPIRED),
    ],
)
def test_the_gravest_status_speaks_for_all(statuses: list[S], expected: S) -> None:
    """Failure before rejection before expiry before cancellation before success."""
    assert expected == worst(statuses)


@given(stages, stages)
def test_worst_is_free_of_order_and_of_grouping(some: list[S], others: list[S]) -> None:
    """Folding parts and then the parts' results is folding all."""
    assert worst([*some, *others]) == worst([*others, *some]) == worst([worst(some), worst(others)])


@given(stages, st.sampled_from(S))
def test_worst_is_never_better_than_its_worst_member(some: list[S], one: S) -> None:
    """Adding a status never hides a graver one."""
    assert worst([*some, one]) == worst([worst(some), one])
    assert worst(some) in [*some, S.SKIPPED]


@given(runs, runs)
def test_the_worst_run_is_free_of_order_and_of_grouping(some: list[R], others: list[R]) -> None:
    """As for stages."""
    assert worst_run([*some, *others]) == worst_run([worst_run(others), worst_run(some)])


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([S.SUCCEEDED, S.SUCCEEDED], ReleaseStatus.SUCCEEDED),
        ([S.SUCCEEDED, S.NOT_STARTED], ReleaseStatus.SUCCEEDED),
        ([S.NOT_STARTED], ReleaseStatus.SUCCEEDED),
        ([S.SUCCEEDED, S.PARTIALLY_SUCCEEDED, S.SKIPPED], ReleaseStatus.PARTIALLY_SUCCEEDED),
        ([S.SUCCEEDED, S.SUPERSEDED, S.SKIPPED], ReleaseStatus.PARTIALLY_SUCCEEDED),
        ([S.FAILED, S.SKIPPED], ReleaseStatus.FAILED),
        ([S.SUCCEEDED, S.REJECTED, S.SKIPPED], ReleaseStatus.FAILED),
        ([S.SUCCEEDED, S.EXPIRED], ReleaseStatus.FAILED),
        ([S.SUCCEEDED, S.CANCELED, S.SKIPPED], ReleaseStatus.CANCELED),
        ([S.FAILED, S.WAITING], ReleaseStatus.ACTIVE),
        ([S.REJECTED, S.IN_PROGRESS, S.SUCCEEDED], ReleaseStatus.ACTIVE),
    ],
)
def test_a_release_is_what_its_stages_come_to(statuses: list[S], expected: ReleaseStatus) -> None:
    """A skipped stage counts for what it was skipped for; what runs keeps the release active."""
    for order in permutations(statuses):
        assert expected == release_status(iter(order))


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([R.SUCCEEDED], S.SUCCEEDED),
        ([R.SUCCEEDED, R.SKIPPED], S.SUCCEEDED),
        ([R.SKIPPED], S.SUCCEEDED),
        ([R.SUCCEEDED, R.PARTIALLY_SUCCEEDED], S.PARTIALLY_SUCCEEDED),
        ([R.SUCCEEDED, R.FAILED], S.FAILED),
        ([R.TIMED_OUT, R.CANCELED], S.FAILED),
        ([R.UNKNOWN, R.SUCCEEDED], S.FAILED),
        ([R.CANCELED, R.SUCCEEDED], S.CANCELED),
    ],
)
def test_a_deployment_is_what_its_jobs_come_to(statuses: list[R], expected: S) -> None:
    """Unknown and timed out are failures."""
    assert expected == deployment_status(statuses)


@given(runs)
def test_a_deployment_succeeds_only_without_a_failure(some: list[R]) -> None:
    """No mixture hides one."""
    assert deployment_status(some) != S.SUCCEEDED or not any(run.is_failure for run in some)


def test_statuses_know_whether_they_are_final() -> None:
    """What is open is named; all else is final."""
    assert [S.NOT_STARTED, S.WAITING, S.IN_PROGRESS] == [status for status in S if not status.is_final]
    assert [S.WAITING, S.IN_PROGRESS] == [status for status in S if status.is_running]
    assert [R.WAITING, R.RUNNING] == [status for status in R if not status.is_final]
    assert [ReleaseStatus.REQUESTED, ReleaseStatus.ACTIVE] == [s for s in ReleaseStatus if not s.is_final]


def test_no_status_is_ever_renamed() -> None:
    """Histories and tables keep these words for years; new ones may be added."""
    stage_words = (
        "not started|waiting|in progress|succeeded|partially succeeded|failed|rejected|expired|canceled|skipped"
    )
    run_words = "waiting|running|succeeded|partially succeeded|failed|timed out|canceled|skipped|unknown"
    release_words = "requested|active|succeeded|partially succeeded|failed|canceled|abandoned"
    assert {*stage_words.split("|"), "superseded"} <= {status.value for status in S}
    assert set(run_words.split("|")) <= {status.value for status in R}
    assert set(release_words.split("|")) <= {status.value for status in ReleaseStatus}
