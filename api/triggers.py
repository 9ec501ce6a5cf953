"""Triggers of a pipeline over HTTP: what started releases or could not, what comes next, pause and resume."""

import asyncio

import structlog
from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Caller, Releaser, needs
from api.errors import documented
from api.inputs import Body, Cursor, Limit, Slug
from api.orchestrator import TemporalUnavailable
from api.release_start import NoSuchPipeline
from api.schedules import tell_now
from api.services import Services, ServicesHere
from api.trigger_views import (
    ArtifactTriggerView,
    PauseView,
    ScheduleView,
    TriggerEventView,
    TriggersView,
    every,
)
from domain.ids import schedule_id
from domain.pipeline import Pipeline, Schedule
from domain.refusal import Kind, Refusal
from domain.role import Role
from storage import pipelines, triggers

router = APIRouter(prefix="/pipelines", tags=["triggers"], responses=documented(401, 403, 404, 422))
_log = structlog.get_logger("slipway.api")


class Pause(Body):
    """Why its triggers make no releases for the time being."""

    reason: str = Field(default="", max_length=500)


class NotPaused(Refusal):
    """Its triggers and schedules make releases as it is."""

    kind = Kind.CONFLICT


@router.get(
    "/{name}/triggers",
    dependencies=[needs(Role.VIEWER)],
    operation_id="get_triggers",
    summary="Show how releases of a pipeline start themselves",
)
async def get_triggers(name: Slug, services: ServicesHere, limit: Limit = 50, cursor: Cursor = None) -> TriggersView:
    """What started them, or could not and why, newest first. Go on with ``next_cursor`` as ``cursor``."""
    return await triggers_view(services, name, limit=limit, cursor=cursor)


@router.post("/{name}/pause", operation_id="pause_triggers", summary="Let triggers and schedules make no releases")
async def pause_triggers(name: Slug, why: Pause, caller: Releaser, services: ServicesHere) -> TriggersView:
    """What they are told meanwhile is written down as ignored. People make releases as before."""
    await pause(services, caller, name, why.reason)
    return await triggers_view(services, name)


@router.post(
    "/{name}/resume",
    operation_id="resume_triggers",
    summary="Let triggers and schedules make releases again",
    responses=documented(409),
)
async def resume_triggers(name: Slug, caller: Releaser, services: ServicesHere) -> TriggersView:
    """Of what comes from now on; what came meanwhile makes none."""
    await resume(services, caller, name)
    return await triggers_view(services, name)


async def pause(services: Services, caller: Caller, name: str, reason: str) -> None:
    """Raises NoSuchPipeline."""
    async with services.database.transaction() as session:
        await _pipeline(session, name)
        await triggers.pause(session, name, caller.subject, reason, services.clock())
    _log.info("triggers paused", pipeline=name, by=caller.subject)
    await tell_now(services, name)


async def resume(services: Services, caller: Caller, name: str) -> None:
    """Raises NoSuchPipeline, NotPaused."""
    async with services.database.transaction() as session:
        await _pipeline(session, name)
        if not await triggers.resume(session, name):
            raise NotPaused(f"{name} is not paused")
    _log.info("triggers resumed", pipeline=name, by=caller.subject)
    await tell_now(services, name)


async def triggers_view(services: Services, name: str, *, limit: int = 50, cursor: str | None = None) -> TriggersView:
    """Raises NoSuchPipeline, BadCursor."""
    async with services.database.reading() as session:
        pipeline = await _pipeline(session, name)
        paused = (await triggers.pauses(session, [name])).get(name)
        positions = await triggers.positions(session, name)
        rows = await triggers.page(session, name, limit=limit, before=cursor)
    is_full = len(rows) == limit
    artifacts = []
    for alias, artifact in pipeline.artifacts.items():
        if artifact.trigger is not None:
            position = positions.get(alias)
            artifacts.append(
                ArtifactTriggerView(
                    alias=alias,
                    branches=list(artifact.trigger.branches),
                    exclude=list(artifact.trigger.exclude),
                    tags=list(artifact.trigger.tags),
                    every=every(artifact.trigger.poll),
                    polled_at=position.polled_at if position else None,
                    error=position.error if position else "",
                    failing_since=position.failing_since if position else None,
                )
            )
    return TriggersView(
        pipeline=name,
        paused=PauseView.of(paused) if paused else None,
        artifacts=artifacts,
        schedules=await asyncio.gather(*(_schedule(services, name, *one) for one in enumerate(pipeline.schedules))),
        events=[TriggerEventView.of(row) for row in rows],
        next_cursor=triggers.cursor_of(rows[-1]) if is_full else None,
    )


async def _schedule(services: Services, name: str, number: int, schedule: Schedule) -> ScheduleView:
    try:
        runs = await services.orchestrator.next_runs(schedule_id(name, number))
    except TemporalUnavailable:
        runs = []
    return ScheduleView(**schedule.model_dump(), next_runs=runs)


async def _pipeline(session: AsyncSession, name: str) -> Pipeline:
    revision = await pipelines.latest(session, name)
    if revision is None:
        raise NoSuchPipeline(f"there is no pipeline {name}")
    return Pipeline.model_validate(revision.definition)
