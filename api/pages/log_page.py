"""The log of one step run: its end as it stands, followed live where there is script, or lines from some number on."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Viewer
from api.inputs import LARGEST_OFFSET, StepRun
from api.logs import NoSuchRun
from api.pages import wording
from api.pages.log_tail import tail, window
from api.pages.rendering import render
from api.pages.step_progress import progress
from api.queries import release_row
from api.services import ServicesHere
from domain.ids import DeploymentId
from domain.outputs import Issue, NotedFile
from domain.status import RunStatus
from storage import deployments, logs, step_files
from storage.log_retention import removal
from storage.tables import JobRow, StepRunRow

router = APIRouter(include_in_schema=False)
_SHOWN = 32 * 1024
_MOST_LINES = 500
_MOST_BYTES = 128 * 1024


@router.get("/logs/{run_id:path}")
async def log_page(
    request: Request,
    run_id: StepRun,
    caller: Viewer,
    services: ServicesHere,
    from_line: Annotated[int | None, Query(ge=-LARGEST_OFFSET, le=LARGEST_OFFSET)] = None,
) -> Response:
    """Raises NoSuchRun."""
    async with services.database.reading() as session:
        step, job = await _step_and_job(session, run_id)
        deployment = DeploymentId.parse(job.deployment)
        release = await release_row(session, deployment.release)
        end = await tail(session, run_id, _SHOWN) if from_line is None else None
        part = await window(session, run_id, from_line, _MOST_LINES, _MOST_BYTES) if from_line is not None else None
        extent = await logs.extent(session, run_id)
        files = await _files(session, step)
        told = None if RunStatus(step.status).is_final else await progress(session, run_id)
    began = step.started_at or services.clock()
    return render(
        request,
        "log.html",
        caller=caller,
        section="Releases",
        step=step,
        status=RunStatus(step.status),
        job=job,
        stage=deployment.stage,
        deployment=deployment,
        release=release,
        duration=wording.span((step.finished_at or services.clock()) - began),
        end=end,
        part=part,
        extent=extent,
        removal=removal(release, step),
        issues=[Issue.model_validate(issue) for issue in step.issues],
        files=files,
        progress=told,
    )


@dataclass(frozen=True)
class _File:
    """A file that the step wanted kept; whether all of it is here."""

    number: int
    name: str
    size: int
    is_here: bool


async def _files(session: AsyncSession, step: StepRunRow) -> list[_File]:
    noted = [NotedFile.model_validate(file) for file in step.files]
    arrived = await step_files.sizes(session, step.id) if noted else {}
    return [
        _File(number, file.name, file.size, is_here=arrived.get(number, 0) == file.size)
        for number, file in enumerate(noted, start=1)
    ]


async def _step_and_job(session: AsyncSession, run_id: str) -> tuple[StepRunRow, JobRow]:
    """Raises NoSuchRun."""
    step = await deployments.step_run(session, run_id)
    job = await deployments.job(session, step.job_id) if step is not None else None
    if step is None or job is None:
        raise NoSuchRun(f"there is no step run {run_id}")
    return step, job
