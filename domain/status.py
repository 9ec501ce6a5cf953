"""Statuses of releases, stages, jobs and steps, and how many fold into one.

A status knows whether it is final and whether dependents may start. Severity is data: ``worst`` folds any number
of stage statuses into the one that speaks for all.
"""

from collections.abc import Iterable
from enum import StrEnum


class StageStatus(StrEnum):
    """Where a stage (and its latest deployment) stands; also the status of one deployment."""

    NOT_STARTED = "not started"
    WAITING = "waiting"
    IN_PROGRESS = "in progress"
    SUCCEEDED = "succeeded"
    PARTIALLY_SUCCEEDED = "partially succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELED = "canceled"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"

    @property
    def is_final(self) -> bool:
        return self not in _OPEN

    @property
    def is_running(self) -> bool:
        return self in {StageStatus.WAITING, StageStatus.IN_PROGRESS}


_OPEN = {StageStatus.NOT_STARTED, StageStatus.WAITING, StageStatus.IN_PROGRESS}

# From harmless to grave. What is still open speaks only when nothing final is graver than success.
_SEVERITY: tuple[StageStatus, ...] = (
    StageStatus.SKIPPED,
    StageStatus.NOT_STARTED,
    StageStatus.SUCCEEDED,
    StageStatus.SUPERSEDED,
    StageStatus.PARTIALLY_SUCCEEDED,
    StageStatus.WAITING,
    StageStatus.IN_PROGRESS,
    StageStatus.CANCELED,
    StageStatus.EXPIRED,
    StageStatus.REJECTED,
    StageStatus.FAILED,
)


def worst(statuses: Iterable[StageStatus]) -> StageStatus:
    """The gravest of the statuses; ``SKIPPED`` for none. Order-free and associative."""
    return max(statuses, key=_SEVERITY.index, default=StageStatus.SKIPPED)


class ReleaseStatus(StrEnum):
    """Where a release stands."""

    REQUESTED = "requested"
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    PARTIALLY_SUCCEEDED = "partially succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABANDONED = "abandoned"

    @property
    def is_final(self) -> bool:
        return self not in {ReleaseStatus.REQUESTED, ReleaseStatus.ACTIVE}


def release_status(stages: Iterable[StageStatus]) -> ReleaseStatus:
    """The status of a release in which nothing runs or waits any more.

    A release whose stages were all left for later (manual ones) has nothing against it: it succeeded so far. One that
    was superseded somewhere did not get everywhere: it succeeded in part. What still runs keeps it active.
    """
    stages = tuple(stages)
    if any(stage.is_running for stage in stages):
        return ReleaseStatus.ACTIVE
    gravest = worst(stages)
    if gravest in {StageStatus.PARTIALLY_SUCCEEDED, StageStatus.SUPERSEDED}:
        return ReleaseStatus.PARTIALLY_SUCCEEDED
    if gravest == StageStatus.CANCELED:
        return ReleaseStatus.CANCELED
    if gravest in {StageStatus.FAILED, StageStatus.REJECTED, StageStatus.EXPIRED}:
        return ReleaseStatus.FAILED
    return ReleaseStatus.SUCCEEDED


class RunStatus(StrEnum):
    """Where a job, or one run of a step, stands."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIALLY_SUCCEEDED = "partially succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    CANCELED = "canceled"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        return self not in {RunStatus.WAITING, RunStatus.RUNNING}

    @property
    def is_failure(self) -> bool:
        return self in {RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.UNKNOWN}


_RUN_SEVERITY: tuple[RunStatus, ...] = (
    RunStatus.SKIPPED,
    RunStatus.SUCCEEDED,
    RunStatus.PARTIALLY_SUCCEEDED,
    RunStatus.WAITING,
    RunStatus.RUNNING,
    RunStatus.CANCELED,
    RunStatus.TIMED_OUT,
    RunStatus.FAILED,
    RunStatus.UNKNOWN,
)


def worst_run(runs: Iterable[RunStatus]) -> RunStatus:
    """The gravest of the run statuses; ``SKIPPED`` for none."""
    return max(runs, key=_RUN_SEVERITY.index, default=RunStatus.SKIPPED)


_STAGE_OF_RUN = {
    RunStatus.SUCCEEDED: StageStatus.SUCCEEDED,
    RunStatus.SKIPPED: StageStatus.SUCCEEDED,
    RunStatus.PARTIALLY_SUCCEEDED: StageStatus.PARTIALLY_SUCCEEDED,
    RunStatus.CANCELED: StageStatus.CANCELED,
}


def deployment_status(jobs: Iterable[RunStatus]) -> StageStatus:
    """What the finished jobs of a deployment mean for its stage."""
    return _STAGE_OF_RUN.get(worst_run(jobs), StageStatus.FAILED)
