"""Releases that start themselves: what was told is written down first, and then becomes a release, once.

Webhooks come here at once. What workers wrote down, and what a process left behind that died in between, is found by
the sweep. The release and the end of the waiting are one transaction, so that two who are at it make one.
"""

import asyncio
from collections.abc import Iterable, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from activities.notifications import TellNoRelease
from api.people_behind import addresses_behind
from api.release_start import EventOver, NoSuchPipeline, Order, make_release
from api.services import Services
from domain.person import Requester
from domain.pipeline import Pipeline
from domain.refusal import Kind, Refusal
from domain.release import ReleaseRequest
from domain.trigger import ToldBuild, TriggerEvent, TriggerKind, TriggerOutcome, hit_of_build
from storage import pipelines, triggers
from storage.tables import TriggerEventRow, TriggerPauseRow

_SWEEP_EVERY_SECONDS = 2.0
_log = structlog.get_logger("slipway.api")


async def take_build(services: Services, told: ToldBuild, kind: TriggerKind, via: str) -> list[TriggerEventRow]:
    """Make releases of all pipelines that wait for this build; what became of it, by pipeline."""
    async with services.database.reading() as session:
        waiting = [
            Pipeline.model_validate(revision.definition)
            for revision in await pipelines.all_latest(session)
            if _has_triggers(revision.definition)
        ]
    hits = [(pipeline.pipeline, hit) for pipeline in waiting if (hit := hit_of_build(pipeline, told)) is not None]
    return await take(services, [hit.event(name, kind, via) for name, hit in hits])


async def take(services: Services, events: Sequence[TriggerEvent]) -> list[TriggerEventRow]:
    """Write them down, each once however often it is told, and make releases of them; what became of each."""
    async with services.database.transaction() as session:
        paused = await triggers.pauses(session, {event.pipeline for event in events})
        told = [_unless_paused(event, paused.get(event.pipeline)) for event in events]
        rows = [await triggers.note(session, event, services.clock()) for event in told]
    for row in rows:
        if row.outcome == TriggerOutcome.WAITING:
            await make(services, row)
    async with services.database.reading() as session:
        return [found for row in rows if (found := await triggers.get(session, row.id)) is not None]


async def make(services: Services, row: TriggerEventRow) -> None:
    """Make the release of an event that waits, or write down why there can be none."""
    try:
        await make_release(services, await _order(services, row))
    except EventOver:
        return
    except Refusal as refusal:
        if refusal.kind == Kind.UNAVAILABLE:
            return
        await _fail(services, row, str(refusal))


async def make_waiting(services: Services) -> None:
    """Make the releases of all that waits."""
    async with services.database.reading() as session:
        rows = await triggers.waiting(session)
    for row in rows:
        try:
            await make(services, row)
        except Exception as error:  # noqa: BLE001  one that cannot be dealt with must not keep the others waiting
            _log.error("trigger not dealt with", trigger=row.id, pipeline=row.pipeline, error=type(error).__name__)


async def tell_failed(services: Services) -> None:
    """Mail whoever stored the pipeline that something was to start a release, and why there is none. Once each."""
    async with services.database.reading() as session:
        rows = await triggers.untold(session)
        authors = {row.pipeline: await _author(session, row.pipeline) for row in rows}
    for row in rows:
        author = authors[row.pipeline]
        if author is not None:
            told = TellNoRelease(
                event_id=row.id, pipeline=row.pipeline, people=(author,), what=_what(row), reason=row.reason
            )
            await services.orchestrator.tell_no_release(told)
        async with services.database.transaction() as session:
            await triggers.mark_told(session, row.id, services.clock())


async def make_waiting_for_ever(services: Services) -> None:
    """Runs beside the application."""
    while True:
        try:
            await make_waiting(services)
            await tell_failed(services)
        except Exception as error:  # noqa: BLE001  recorded; the next round comes
            _log.warning("sweep failed", error=type(error).__name__)
        await asyncio.sleep(_SWEEP_EVERY_SECONDS)


async def _order(services: Services, row: TriggerEventRow) -> Order:
    """In the name of the trigger; the people behind the build count as its requesters, with all their addresses."""
    async with services.database.reading() as session:
        addresses = await _behind(session, row)
    request = ReleaseRequest.model_validate(row.request)
    if not request.description:
        request = request.model_copy(update={"description": _described(row)})
    requester = Requester(name=TriggerKind(row.kind).requester, addresses=addresses)
    return Order(pipeline=row.pipeline, request=request, requester=requester, event=row.id)


async def _behind(session: AsyncSession, row: TriggerEventRow) -> tuple[str, ...]:
    revision = await pipelines.latest(session, row.pipeline)
    if revision is None:
        raise NoSuchPipeline(f"there is no pipeline {row.pipeline}")
    return await addresses_behind(session, Pipeline.model_validate(revision.definition), _names(row.people))


async def _fail(services: Services, row: TriggerEventRow, reason: str) -> None:
    async with services.database.transaction() as session:
        is_first = await triggers.decide(
            session, row.id, outcome=TriggerOutcome.FAILED, now=services.clock(), reason=reason
        )
    if is_first:
        _log.warning("trigger made no release", pipeline=row.pipeline, kind=row.kind, trigger=row.id, reason=reason)


async def _author(session: AsyncSession, pipeline: str) -> str | None:
    """Who stored its newest revision; a service reads no mail."""
    revision = await pipelines.latest(session, pipeline)
    return revision.author if revision is not None and "@" in revision.author else None


def _what(row: TriggerEventRow) -> str:
    """In a few words, for a mail."""
    if row.kind == TriggerKind.SCHEDULE:
        return f"the schedule {row.via}"
    version = f"{row.alias} {row.label or row.version}".strip()
    return f"{row.kind} {row.via}: {version}" if version else f"{row.kind} {row.via}"


def _described(row: TriggerEventRow) -> str:
    """For those who approve it."""
    if row.kind == TriggerKind.SCHEDULE:
        return f"Started by the schedule {row.via}."
    of = f" of {row.branch}" if row.branch else ""
    return f"Started by build {row.label or row.version}{of}." if row.version else ""


def _unless_paused(event: TriggerEvent, pause: TriggerPauseRow | None) -> TriggerEvent:
    if pause is None or event.outcome != TriggerOutcome.WAITING:
        return event
    why = f": {pause.reason}" if pause.reason else ""
    text = f"{event.pipeline} was paused by {pause.by}{why}"
    return event.model_copy(update={"outcome": TriggerOutcome.IGNORED, "reason": text})


def _has_triggers(definition: dict[str, object]) -> bool:
    """Looked up before the definition is read, which takes a hundred times longer."""
    artifacts = definition.get("artifacts")
    found = artifacts.values() if isinstance(artifacts, dict) else ()
    return any(isinstance(artifact, dict) and artifact.get("trigger") is not None for artifact in found)


def _names(told: Iterable[object]) -> list[str]:
    return [name for name in told if isinstance(name, str)]
