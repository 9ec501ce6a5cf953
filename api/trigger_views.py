"""The shapes of answers about triggers and hooks."""

from datetime import datetime, timedelta

from pydantic import Field

from api.view import View
from domain.duration import render
from domain.hook import HookKind
from domain.trigger import TriggerKind, TriggerOutcome
from storage.tables import HookRow, TriggerEventRow, TriggerPauseRow


class TriggerEventView(View):
    """Something that was to start a release, and what became of it. ``release`` is the one it made."""

    id: str
    pipeline: str
    kind: TriggerKind
    via: str
    alias: str
    version: str
    label: str
    branch: str | None
    url: str | None
    people: list[str]
    outcome: TriggerOutcome
    reason: str
    release: str | None
    received_at: datetime
    decided_at: datetime | None

    @classmethod
    def of(cls, row: TriggerEventRow) -> "TriggerEventView":
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields})


class TakenView(View):
    """What became of a webhook: one event for each pipeline that it concerns."""

    message: str
    events: list[TriggerEventView]


class PauseView(View):
    """Who paused the triggers of a pipeline, and why."""

    by: str
    reason: str
    at: datetime

    @classmethod
    def of(cls, row: TriggerPauseRow) -> "PauseView":
        return cls(by=row.by, reason=row.reason, at=row.at)


class ArtifactTriggerView(View):
    """What new versions of an artifact start. ``every`` is how often its source is asked; None: a webhook tells."""

    alias: str
    branches: list[str]
    exclude: list[str]
    tags: list[str]
    every: str | None
    polled_at: datetime | None
    error: str = Field(description="What the source said instead of its versions, when it was asked last.")
    failing_since: datetime | None


class ScheduleView(View):
    """One schedule. ``next_runs`` is empty while it is paused, or while Temporal cannot be asked."""

    cron: str
    timezone: str
    only_if_changed: bool
    next_runs: list[datetime]


class TriggersView(View):
    """How releases of a pipeline start themselves, and what started them, newest first."""

    pipeline: str
    paused: PauseView | None
    artifacts: list[ArtifactTriggerView]
    schedules: list[ScheduleView]
    events: list[TriggerEventView]
    next_cursor: str | None


class HookView(View):
    """A hook, without its secret."""

    name: str
    kind: HookKind
    connection: str | None
    project: str | None
    pipelines: list[str]
    owner: str
    url: str
    created_by: str
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: HookRow, url: str) -> "HookView":
        known = {name: getattr(row, name) for name in cls.model_fields if name != "url"}
        return cls.model_validate(known | {"url": url})


class MadeHook(HookView):
    """A new hook with its secret, which is in this answer and nowhere else."""

    secret: str


def every(poll: timedelta | None) -> str | None:
    """As the pipeline file writes it."""
    return render(poll) if poll is not None else None
