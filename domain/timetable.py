"""What is to happen by itself for a pipeline: the times of its schedules, and how often its sources are asked."""

import hashlib
from datetime import timedelta

from domain.frozen import Frozen
from domain.ids import poll_id, schedule_id
from domain.pipeline import Pipeline


class TimetableEntry(Frozen):
    """One of them: a schedule has a ``number``, a ``cron`` and a ``timezone``, a poll an ``alias`` and ``every``."""

    id: str
    pipeline: str
    is_paused: bool
    number: int = 0
    cron: str = ""
    timezone: str = "UTC"
    alias: str = ""
    every: timedelta | None = None

    @property
    def offset(self) -> timedelta:
        """So that not all polls of five minutes come at the same moment; always the same for the same poll."""
        seconds = int(self.every.total_seconds()) if self.every else 0
        number = int.from_bytes(hashlib.sha256(self.id.encode()).digest()[:8], "big")
        return timedelta(seconds=number % seconds) if seconds else timedelta()


def timetable(pipeline: Pipeline, *, is_paused: bool) -> tuple[TimetableEntry, ...]:
    """All of a pipeline."""
    name = pipeline.pipeline
    schedules = (
        TimetableEntry(
            id=schedule_id(name, number),
            pipeline=name,
            is_paused=is_paused,
            number=number,
            cron=schedule.cron,
            timezone=schedule.timezone,
        )
        for number, schedule in enumerate(pipeline.schedules)
    )
    polls = (
        TimetableEntry(
            id=poll_id(name, alias), pipeline=name, is_paused=is_paused, alias=alias, every=artifact.trigger.poll
        )
        for alias, artifact in pipeline.artifacts.items()
        if artifact.trigger is not None and artifact.trigger.poll is not None
    )
    return (*schedules, *polls)
