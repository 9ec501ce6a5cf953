"""Logs of step runs over HTTP: bytes from an offset or a line on, or followed live as server-sent events.

And the files that the steps wanted kept.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from anyio import CancelScope
from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import needs
from api.errors import documented
from api.inputs import LARGEST_OFFSET, FileNumber, Offset, StepRun
from api.log_text import whole_characters
from api.services import Services, ServicesHere
from domain.ids import DeploymentId
from domain.outputs import NotedFile
from domain.refusal import NotFound
from domain.role import Role
from domain.status import RunStatus
from storage import deployments, logs, releases, step_files
from storage.log_retention import removal
from storage.tables import StepRunRow

router = APIRouter(
    prefix="/logs", tags=["logs"], dependencies=[needs(Role.VIEWER)], responses=documented(401, 403, 404, 422)
)

_LONGEST_ANSWER = 1024 * 1024
_PIECE = 64 * 1024
_MOST_LINES = 100_000
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 1.0
_LATE_BYTES_SECONDS = 30.0


class NoSuchRun(NotFound):
    """There is no such step run (yet)."""


class NoSuchFile(NotFound):
    """The run has kept no such file, or not all of it has arrived."""


Line = Annotated[
    int | None,
    Query(
        ge=-LARGEST_OFFSET,
        le=LARGEST_OFFSET,
        description="Number of the first line, from 1, instead of an offset; -20 begins twenty lines before the end.",
    ),
]


class LogRemoved(NotFound):
    """The log was kept as long as logs are kept here."""


@router.get(
    "/{run_id:path}/text",
    operation_id="get_log",
    summary="Read a log from an offset, or some of its lines",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "The bytes, exactly as the step wrote them"}},
)
async def get_log(
    run_id: StepRun,
    services: ServicesHere,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=_LONGEST_ANSWER)] = _LONGEST_ANSWER,
    from_line: Line = None,
    lines: Annotated[int, Query(ge=1, le=_MOST_LINES)] = 1000,
) -> Response:
    """At most ``limit`` bytes, or whole ``lines`` of no more than so many bytes.

    The headers ``X-Log-Size`` and ``X-Log-Lines`` tell how many bytes and lines there are by now, ``X-Log-Offset``
    where these begin, and ``X-Log-First-Line`` the number of the first one, when lines were asked for.
    """
    async with services.database.reading() as session:
        await _require_log(session, run_id)
        if from_line is None:
            found = logs.Excerpt(0, offset, await logs.read(session, run_id, offset, limit))
        else:
            found = await logs.lines(session, run_id, from_line or 1, lines, limit)
        extent = await logs.extent(session, run_id)
    headers = {"X-Log-Size": extent.size, "X-Log-Lines": extent.lines, "X-Log-Offset": found.offset}
    if found.first_line:
        headers["X-Log-First-Line"] = found.first_line
    told = {name: str(number) for name, number in headers.items()}
    return Response(found.data, media_type="text/plain; charset=utf-8", headers=told)


@dataclass(frozen=True)
class _Look:
    """What one look at the store shows: bytes from an offset on, and how the run stands."""

    data: bytes
    status: RunStatus
    log_size: int


@dataclass
class Follower:
    """One reader of one log, from a byte offset to the end."""

    services: Services
    run_id: str
    offset: int

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Pieces of text, each with the offset after it as its id; then ``end``, when no more can come."""
        wait, waited = _FIRST_WAIT_SECONDS, 0.0
        while True:
            # A reader who leaves must not tear a connection from its query: the pool would lose it.
            with CancelScope(shield=True):
                look = await _look(self.services, self.run_id, self.offset)
            is_last = self._is_last(look, waited)
            length = len(look.data) if is_last else whole_characters(look.data)
            if length:
                self.offset += length
                wait, waited = _FIRST_WAIT_SECONDS, 0.0
                yield ServerSentEvent(data=look.data[:length].decode(errors="replace"), id=str(self.offset))
            elif is_last:
                end = {"status": look.status, "size": self.offset}
                yield ServerSentEvent(event="end", data=end, id=str(self.offset))
                return
            else:
                await asyncio.sleep(wait)
                waited, wait = waited + wait, min(wait * 1.5, _LONGEST_WAIT_SECONDS)

    def _is_last(self, look: _Look, waited: float) -> bool:
        """Whether nothing follows these bytes: all that was told has come, or what is missing is not coming."""
        if not look.status.is_final or len(look.data) == _PIECE:
            return False
        return self.offset + len(look.data) >= look.log_size or waited > _LATE_BYTES_SECONDS


async def follower(
    run_id: StepRun,
    services: ServicesHere,
    offset: Offset = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=LARGEST_OFFSET)] = None,
) -> Follower:
    """Where the reader is: after the last event it has seen, or at ``offset``. Raises NoSuchRun and LogRemoved."""
    reader = Follower(services, run_id, offset if last_event_id is None else last_event_id)
    async with services.database.reading() as session:
        await _require_log(session, run_id)
    return reader


@router.get(
    "/{run_id:path}/follow",
    operation_id="follow_log",
    summary="Follow a log live",
    response_class=EventSourceResponse,
)
async def follow_log(reader: Annotated[Follower, Depends(follower)]) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events. ``id`` is the byte offset after the piece, so ``Last-Event-ID`` goes on without loss."""
    async for event in reader.events():
        yield event


@router.get(
    "/{run_id:path}/files/{number}",
    operation_id="get_step_file",
    summary="Download a file that a step wanted kept",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The bytes; secrets are masked"}},
)
async def get_step_file(run_id: StepRun, number: FileNumber, services: ServicesHere) -> StreamingResponse:
    """The release lists the files of each step run under ``files``, once the run has ended."""
    async with services.database.reading() as session:
        run = await _require_log(session, run_id)
        if number > len(run.files):
            raise NoSuchFile(f"step run {run_id} has kept no file {number}")
        file = NotedFile.model_validate(run.files[number - 1])
        if (await step_files.sizes(session, run_id)).get(number, 0) != file.size:
            raise NoSuchFile(f"not all of file {number} of step run {run_id} has arrived")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Length": str(file.size),
        "X-Content-Type-Options": "nosniff",
    }
    pieces = _pieces(services, run_id, number, file.size)
    return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)


async def _pieces(services: Services, run_id: str, number: int, size: int) -> AsyncIterator[bytes]:
    """A session for each piece: who reads slowly must not hold a connection meanwhile, nor tear it when they leave."""
    for offset in range(0, size, _LONGEST_ANSWER):
        with CancelScope(shield=True):
            async with services.database.reading() as session:
                piece = await step_files.read(session, run_id, number, offset, _LONGEST_ANSWER)
        yield piece


async def _require_log(session: AsyncSession, run_id: str) -> StepRunRow:
    """Raises NoSuchRun and LogRemoved."""
    run = await deployments.step_run(session, run_id)
    if run is None:
        raise NoSuchRun(f"there is no step run {run_id}")
    release = await releases.get(session, DeploymentId.parse(run_id.rsplit("/", 3)[0]).release)
    gone = removal(release, run) if release is not None else None
    if gone is not None:
        raise LogRemoved(f"its log was removed on {gone.at:%Y-%m-%d}; logs are kept for {gone.kept_days} days")
    return run


async def _look(services: Services, run_id: str, offset: int) -> _Look:
    """Raises NoSuchRun."""
    async with services.database.reading() as session:
        run = await deployments.step_run(session, run_id)
        if run is None:
            raise NoSuchRun(f"there is no step run {run_id}")
        data = await logs.read(session, run_id, offset, _PIECE)
    return _Look(data=data, status=RunStatus(run.status), log_size=run.log_size or 0)
