"""Keeping Temporal's Schedules as the newest revisions of the pipelines want them.

Told at once where something changes, and gone through again and again, so that it does not matter which process died
in between, or whether Temporal was there.
"""

import asyncio

import structlog

from api.orchestrator import ScheduleRefused, TemporalUnavailable
from api.services import Services
from domain.pipeline import Pipeline
from domain.timetable import TimetableEntry, timetable
from storage import pipelines, triggers

_SWEEP_EVERY_SECONDS = 10.0
_ALL_ANEW_EVERY = 60  # sweeps
_log = structlog.get_logger("slipway.api")


class Timekeeper:
    """Remembers what Temporal was told, so that a sweep that finds nothing new costs one query of the tables."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._told: dict[str, TimetableEntry] | None = None

    async def keep(self) -> None:
        """Create, change, pause and delete what differs. Raises TemporalUnavailable; what was done stays done."""
        wanted = await wanted_entries(self._services)
        orchestrator = self._services.orchestrator
        if self._told is None:
            strays = [one for one in await orchestrator.schedules() if one not in wanted]
            for one in strays:
                await orchestrator.delete_schedule(one)
            self._told = {}
        for one, entry in wanted.items():
            if self._told.get(one) != entry:
                await _put(self._services, entry)
                self._told[one] = entry
        for one in [one for one in self._told if one not in wanted]:
            await orchestrator.delete_schedule(one)
            del self._told[one]

    def forget(self) -> None:
        """Tell Temporal all of it anew next time: it may have lost some."""
        self._told = None


async def keep_schedules_for_ever(services: Services) -> None:
    """Runs beside the application."""
    keeper, sweeps = Timekeeper(services), 0
    while True:
        sweeps += 1
        if sweeps % _ALL_ANEW_EVERY == 0:
            keeper.forget()
        try:
            await keeper.keep()
        except Exception as error:  # noqa: BLE001  recorded; the next round comes
            _log.warning("schedules not kept", error=type(error).__name__)
        await asyncio.sleep(_SWEEP_EVERY_SECONDS)


async def tell_now(services: Services, name: str) -> None:
    """What changed of this pipeline, at once. That Temporal is away is no failure: the sweep tells it later."""
    wanted = await wanted_entries(services, name)
    try:
        for entry in wanted.values():
            await _put(services, entry)
    except TemporalUnavailable as error:
        _log.warning("schedules not told yet", pipeline=name, error=type(error).__name__)


async def _put(services: Services, entry: TimetableEntry) -> None:
    """One that Temporal refuses keeps it from none of the others."""
    try:
        await services.orchestrator.put_schedule(entry)
    except ScheduleRefused as refused:
        _log.error("schedule refused", pipeline=entry.pipeline, schedule=entry.id, reason=str(refused))


async def wanted_entries(services: Services, only: str | None = None) -> dict[str, TimetableEntry]:
    """By id; of one pipeline or of all."""
    async with services.database.reading() as session:
        paused = await triggers.pauses(session)
        revisions = await pipelines.all_latest(session)
    found = [
        entry
        for revision in revisions
        if only in {None, revision.pipeline} and _starts_something(revision.definition)
        for entry in timetable(Pipeline.model_validate(revision.definition), is_paused=revision.pipeline in paused)
    ]
    return {entry.id: entry for entry in found}


def _starts_something(definition: dict[str, object]) -> bool:
    """Looked up before the definition is read, which takes a hundred times longer."""
    artifacts = definition.get("artifacts")
    found = artifacts.values() if isinstance(artifacts, dict) else ()
    triggered = (one.get("trigger") for one in found if isinstance(one, dict))
    return bool(definition.get("schedules")) or any(isinstance(one, dict) and one.get("poll") for one in triggered)
