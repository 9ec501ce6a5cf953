"""The logs of a whole deployment or release over HTTP: searched, or as one ZIP file."""

# ruff: noqa: FAST003  the parts of a deployment's path are read by a dependency

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import needs
from api.errors import documented
from api.inputs import Cursor, Deployment, Limit, Release
from api.log_archive import Entry, archive, entries
from api.log_search import Hit, Place, Search, pattern_of
from api.queries import NoSuchDeployment, release_row
from api.services import Services, ServicesHere
from api.view import View
from domain.ids import DeploymentId, ReleaseId
from domain.role import Role
from storage import deployments, releases
from storage.cursor import BadCursor
from storage.tables import JobRow, StepRunRow

router = APIRouter(tags=["logs"], dependencies=[needs(Role.VIEWER)], responses=documented(401, 403, 404, 422))

SearchedText = Annotated[
    str, Query(min_length=1, max_length=200, pattern=r"^[^\r\n]+$", description="Plain text, in upper or lower case.")
]
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}}, "description": "One file for each step run that has begun"},
}


class LogHit(View):
    """A line with the text. ``offset`` is where the text is, in bytes; ``text`` is the line, cut around it."""

    run_id: str
    job: str
    step: int
    try_number: int
    title: str
    line: int
    offset: int
    text: str


class LogHits(View):
    """Lines in the order of the logs. ``next_cursor`` is None when all was searched; until then there may be more."""

    hits: list[LogHit]
    next_cursor: str | None


@router.get(
    "/deployments/{pipeline}/{number}/{stage}/{attempt}/logs/search",
    operation_id="search_logs",
    summary="Search all logs of a deployment",
)
async def search_logs(
    deployment: Deployment, q: SearchedText, services: ServicesHere, limit: Limit = 50, cursor: Cursor = None
) -> LogHits:
    """Until ``limit`` lines were found or two seconds have passed; ``next_cursor`` goes on from there."""
    return await search(services, deployment, q, limit, cursor)


@router.get(
    "/deployments/{pipeline}/{number}/{stage}/{attempt}/logs.zip",
    operation_id="get_deployment_logs",
    summary="All logs of a deployment as a ZIP file",
    response_class=StreamingResponse,
    responses=_ZIP,
)
async def get_deployment_logs(deployment: Deployment, services: ServicesHere) -> StreamingResponse:
    """Of a step that still runs, what it has written so far."""
    async with services.database.reading() as session:
        files = entries(*await _steps(session, deployment))
    return _zip(services, files, str(deployment))


@router.get(
    "/releases/{pipeline}/{number}/logs.zip",
    operation_id="get_release_logs",
    summary="All logs of a release as a ZIP file",
    response_class=StreamingResponse,
    responses=_ZIP,
)
async def get_release_logs(release: Release, services: ServicesHere) -> StreamingResponse:
    """A folder for each deployment, such as ``prod-1``."""
    async with services.database.reading() as session:
        files = await _entries_of_release(session, release)
    return _zip(services, files, str(release))


async def search(services: Services, deployment: DeploymentId, text: str, limit: int, cursor: str | None) -> LogHits:
    """Raises NoSuchDeployment and BadCursor."""
    async with services.database.reading() as session:
        jobs, runs = await _steps(session, deployment)
        if not runs:
            return LogHits(hits=[], next_cursor=None)
        known = {run.id: run for run in runs}
        start = _read_cursor(cursor) if cursor else Place(runs[0].id)
        if start.run_id not in known:
            raise BadCursor("this cursor was not given out by a search of this deployment")
        found = Search(session, pattern_of(text), limit)
        stopped = await found.look(list(known), start)
    names = {job.id: job.job for job in jobs}
    hits = [_hit(hit, known[hit.run_id], names[known[hit.run_id].job_id]) for hit in found.hits]
    return LogHits(hits=hits, next_cursor=_cursor(stopped) if stopped else None)


def _hit(hit: Hit, run: StepRunRow, job: str) -> LogHit:
    return LogHit(
        run_id=run.id,
        job=job,
        step=run.step,
        try_number=run.try_number,
        title=run.title,
        line=hit.line,
        offset=hit.offset,
        text=hit.text,
    )


async def _steps(session: AsyncSession, deployment: DeploymentId) -> tuple[Sequence[JobRow], Sequence[StepRunRow]]:
    """Raises NoSuchDeployment."""
    if await deployments.get(session, deployment) is None:
        raise NoSuchDeployment(f"there is no deployment {deployment}")
    return await deployments.jobs(session, deployment), await deployments.step_runs(session, deployment)


async def _entries_of_release(session: AsyncSession, release: ReleaseId) -> list[Entry]:
    """Raises NoSuchRelease."""
    await release_row(session, release)
    files: list[Entry] = []
    for row in await releases.deployments(session, release):
        jobs, runs = await _steps(session, DeploymentId.parse(row.id))
        files += entries(jobs, runs, f"{row.stage}-{row.attempt}/")
    return files


def _zip(services: Services, files: Sequence[Entry], of: str) -> StreamingResponse:
    name = f"{of.replace('/', '-')}-logs.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(archive(services.database, files), media_type="application/zip", headers=headers)


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place.offset}|{place.run_id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> Place:
    """Raises BadCursor."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        offset, _, run_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition("|")
        place = Place(run_id, int(offset))
    except (ValueError, binascii.Error):
        raise BadCursor("this cursor was not given out by a search") from None
    if not 0 <= place.offset < 1 << 53:
        raise BadCursor("this cursor was not given out by a search")
    return place
