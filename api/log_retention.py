"""Removing old logs in the background, and keeping those of a release for ever."""

# ruff: noqa: FAST003  the parts of a release's path are read by a dependency

import asyncio
from datetime import datetime, timedelta

import structlog
from fastapi import APIRouter

from api.auth import Releaser
from api.errors import documented
from api.inputs import Release
from api.queries import release_row
from api.services import Services, ServicesHere
from api.view import View
from domain.ids import ReleaseId
from storage import log_retention

router = APIRouter(prefix="/releases", tags=["logs"], responses=documented(401, 403, 404, 422))

_LOOK_EVERY_SECONDS = 3600.0
_BREATH_SECONDS = 0.05
_log = structlog.get_logger("slipway.api")


class Retention(View):
    """Whether a release's logs are kept for ever, and by whose word."""

    id: str
    kept_by: str | None


@router.put("/{pipeline}/{number}/retain", operation_id="retain_release", summary="Keep a release's logs for ever")
async def retain_release(release: Release, caller: Releaser, services: ServicesHere) -> Retention:
    """Until it is taken back with DELETE. Logs that were removed before do not come back."""
    return await _keep(services, release, caller.subject, by=caller.subject)


@router.delete(
    "/{pipeline}/{number}/retain",
    operation_id="stop_retaining_release",
    summary="Let a release's logs go in their time again",
)
async def stop_retaining_release(release: Release, caller: Releaser, services: ServicesHere) -> Retention:
    """They are removed when they are older than the server keeps logs."""
    return await _keep(services, release, caller.subject, by=None)


async def _keep(services: Services, release: ReleaseId, actor: str, *, by: str | None) -> Retention:
    async with services.database.transaction() as session:
        await release_row(session, release)
        await log_retention.keep(session, release, by, actor, services.clock())
    async with services.database.reading() as session:
        row = await release_row(session, release)
    return Retention(id=row.id, kept_by=row.kept_by)


async def remove_old_logs(services: Services) -> None:
    """Of every release that ended more days ago than logs are kept, batch by batch; others write in between."""
    days = services.log_retention_days
    if days == 0:
        return
    before = services.clock() - timedelta(days=days)
    while True:
        async with services.database.reading() as session:
            old = await log_retention.releases_with_old_logs(session, before)
        if not old:
            return
        for release in old:
            is_left = True
            while is_left:
                is_left = await _remove_some(services, release, before)
                await asyncio.sleep(_BREATH_SECONDS)
            async with services.database.transaction() as session:
                await log_retention.mark_removed(session, release, before, services.clock(), days)
            _log.info("old logs removed", release=release, kept_days=days)


async def _remove_some(services: Services, release: str, before: datetime) -> bool:
    async with services.database.transaction() as session:
        return await log_retention.remove_some(session, release, before)


async def remove_old_logs_for_ever(services: Services) -> None:
    """Runs beside the application."""
    while True:
        try:
            await remove_old_logs(services)
        except Exception as error:  # noqa: BLE001  recorded; the next round comes
            _log.warning("old logs were not removed", error=type(error).__name__)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
