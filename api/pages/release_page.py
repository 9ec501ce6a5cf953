"""One release: its stages as a picture, what each deployment came to, and the buttons of those who may press them."""

# ruff: noqa: FAST003  the parts of a release's path are read by a dependency

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api import log_retention
from api import releases as api_releases
from api.auth import Releaser, Viewer
from api.cancellation import Cancellation
from api.inputs import Release, Slug
from api.pages import stage_picture
from api.pages.changes import Shown, changes_by_stage
from api.pages.forms import SentForm
from api.pages.log_tail import Tail, tails
from api.pages.looks import look
from api.pages.rendering import render
from api.pages.standing import sentence, underway_of
from api.pages.viewer import is_awaited, require_own_form
from api.people import person_of
from api.queries import release_row, release_view
from api.services import ServicesHere
from api.views import DeploymentView, ReleaseView, StageView
from domain.release import ReleasePlan
from domain.status import RunStatus, StageStatus

router = APIRouter(prefix="/releases", include_in_schema=False)
_MOST_TAILS = 3


@dataclass(frozen=True)
class StageSection:
    """One stage with its deployments, the latest apart. ``request_id`` makes pressing the button twice harmless."""

    stage: StageView
    latest: DeploymentView | None
    earlier: Sequence[DeploymentView]
    may_deploy: bool
    peeks: dict[str, Tail]
    changes: Shown | None
    request_id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Kept:
    """How long the logs are kept: by whose word for ever, else how many days; 0 if nothing is ever removed."""

    by: str | None
    removed_at: datetime | None
    days: int


@router.get("/{pipeline}/{number}")
async def release_page(request: Request, release: Release, caller: Viewer, services: ServicesHere) -> Response:
    """The whole release as it stands."""
    async with services.database.reading() as session:
        row = await release_row(session, release)
        view = await release_view(session, services, release)
        peeks = await tails(session, _watched(view))
        person = await person_of(session, caller)
        plan = ReleasePlan.model_validate(row.plan)
        shown = await changes_by_stage(session, plan, view)
    waiting_for = sentence(view.waiting_for, underway_of(view))
    return render(
        request,
        "release.html",
        caller=caller,
        section="Releases",
        release=view.model_copy(update={"waiting_for": waiting_for}),
        picture=stage_picture.draw(plan.pipeline.stages),
        nodes={stage.stage: _node(stage) for stage in view.stages},
        sections=[_section(view, stage, peeks, shown.get(stage.stage)) for stage in view.stages],
        awaited=[a.id for d in view.deployments for a in d.approvals if is_awaited(person, a)],
        kept=Kept(by=row.kept_by, removed_at=row.logs_removed_at, days=services.log_retention_days),
        is_live=not view.status.is_final or any(d.finished_at is None for d in view.deployments),
    )


@router.post("/{pipeline}/{number}/cancel")
async def cancel(
    request: Request, release: Release, caller: Releaser, form: SentForm, services: ServicesHere
) -> Response:
    """Ask for the end of the release, and show it."""
    require_own_form(request, form.text("csrf"))
    why = Cancellation(reason=form.text("reason", 1000))
    await api_releases.cancel_release(release, why, caller, services)
    return RedirectResponse(f"/releases/{release}", 303)


@router.post("/{pipeline}/{number}/keep")
async def keep_logs(
    request: Request, release: Release, caller: Releaser, form: SentForm, services: ServicesHere
) -> Response:
    """Keep the release's logs for ever, or no longer, and show the release."""
    require_own_form(request, form.text("csrf"))
    if form.text("keep", 10):
        await log_retention.retain_release(release, caller, services)
    else:
        await log_retention.stop_retaining_release(release, caller, services)
    return RedirectResponse(f"/releases/{release}", 303)


@router.post("/{pipeline}/{number}/stages/{stage}/deploy")
async def deploy(
    request: Request, release: Release, stage: Slug, caller: Releaser, form: SentForm, services: ServicesHere
) -> Response:
    """Deploy the stage (again), and show the release."""
    require_own_form(request, form.text("csrf"))
    why = api_releases.StageDeployment(comment=form.text("comment", 1000))
    key = form.text("request_id", 64) or uuid4().hex
    await api_releases.deploy_stage(release, stage, why, caller, services, key)
    return RedirectResponse(f"/releases/{release}#stage-{stage}", 303)


def _watched(view: ReleaseView) -> list[str]:
    """The step runs whose last lines are shown: those that run, and those that failed last."""
    latest = {stage.stage: stage.attempt for stage in view.stages}
    steps = [
        step
        for deployment in view.deployments
        if deployment.attempt == latest[deployment.stage]
        for job in deployment.jobs
        for step in job.steps
    ]
    running = [step.run_id for step in steps if step.status == RunStatus.RUNNING]
    failed = [step.run_id for step in reversed(steps) if step.status.is_failure]
    return [*running, *failed][:_MOST_TAILS]


def _node(stage: StageView) -> dict[str, object]:
    """One stage in the picture."""
    is_left_to_people = stage.status == StageStatus.NOT_STARTED and stage.manual
    return {
        "status": stage.status,
        "look": look(stage.status),
        "word": "by hand" if is_left_to_people else stage.status,
        "note": f"attempt {stage.attempt}" if stage.attempt > 1 else "",
        "href": f"#stage-{stage.stage}",
        "after": stage.after,
    }


def _section(view: ReleaseView, stage: StageView, peeks: dict[str, Tail], shown: Shown | None) -> StageSection:
    tries = sorted((d for d in view.deployments if d.stage == stage.stage), key=lambda d: -d.attempt)
    is_idle = not stage.status.is_running and view.digest is not None
    return StageSection(
        stage=stage,
        latest=tries[0] if tries else None,
        earlier=tries[1:],
        may_deploy=is_idle and (stage.status.is_final or stage.manual or view.status.is_final),
        peeks=peeks,
        changes=shown,
    )
