"""The log of one step run: the end of it as it stands, followed live where there is script."""

from fastapi import APIRouter, Request, Response

from api.auth import Viewer
from api.inputs import StepRun
from api.logs import NoSuchRun
from api.pages import wording
from api.pages.log_tail import tail
from api.pages.rendering import render
from api.queries import release_row
from api.services import ServicesHere
from domain.ids import DeploymentId
from domain.status import RunStatus
from storage import deployments

router = APIRouter(include_in_schema=False)
_SHOWN = 32 * 1024


@router.get("/logs/{run_id:path}")
async def log_page(request: Request, run_id: StepRun, caller: Viewer, services: ServicesHere) -> Response:
    """Raises NoSuchRun."""
    async with services.database.reading() as session:
        step = await deployments.step_run(session, run_id)
        job = await deployments.job(session, step.job_id) if step is not None else None
        if step is None or job is None:
            raise NoSuchRun(f"there is no step run {run_id}")
        deployment = DeploymentId.parse(job.deployment)
        release = await release_row(session, deployment.release)
        end = await tail(session, run_id, _SHOWN)
    status = RunStatus(step.status)
    began = step.started_at or services.clock()
    return render(
        request,
        "log.html",
        caller=caller,
        section="Releases",
        step=step,
        status=status,
        job=job,
        stage=deployment.stage,
        release=release,
        duration=wording.span((step.finished_at or services.clock()) - began),
        lines=end.lines,
        start=end.start,
        size=end.size,
        first_line=end.first_line,
    )
