"""What a release changes in a stage, on a page of its own, and for the pages that show it among other things."""

# ruff: noqa: FAST003  the parts of a release's path are read by a dependency

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Viewer
from api.changes import Preview, changed_at
from api.inputs import Release, Slug
from api.pages.rendering import render
from api.services import ServicesHere
from api.views import ReleaseView
from domain.changes import StageChanges
from domain.ids import DeploymentId
from domain.release import ReleasePlan
from storage import changes as stored

router = APIRouter(prefix="/releases", include_in_schema=False)


@dataclass(frozen=True)
class Shown:
    """The changes of one stage; a preview is of what has not been deployed there."""

    changes: StageChanges
    is_preview: bool


@router.get("/{pipeline}/{number}/stages/{stage}/changes")
async def changes_page(
    request: Request, release: Release, stage: Slug, caller: Viewer, services: ServicesHere, *, preview: Preview = False
) -> Response:
    """All commits; for what was not deployed yet, the sources are asked."""
    found = await changed_at(services, release, stage, is_preview=preview)
    return render(
        request,
        "changes.html",
        caller=caller,
        section="Releases",
        changes=found.changes,
        is_preview=found.deployment is None,
        is_there=found.is_there,
    )


async def changes_of(session: AsyncSession, plan: ReleasePlan, deployment: DeploymentId) -> StageChanges:
    """As they were found when the deployment began, or else as the tables tell them."""
    kept = await stored.kept(session, deployment)
    return kept or await stored.compared(session, plan, deployment)


async def changes_by_stage(session: AsyncSession, plan: ReleasePlan, view: ReleaseView) -> Mapping[str, Shown]:
    """Of every stage, once the artifacts are known; nothing where there are none."""
    if view.digest is None or not plan.artifacts:
        return {}
    latest = {stage.stage: stage.attempt for stage in view.stages}
    begun = {d.stage: d.id for d in view.deployments if d.attempt == latest[d.stage]}
    kept = await stored.kept_of(session, begun.values())
    found = {
        stage: Shown(kept.get(name) or await stored.compared(session, plan, DeploymentId.parse(name)), is_preview=False)
        for stage, name in begun.items()
    }
    to_come = [stage for stage in latest if stage not in begun]
    return found | {stage: Shown(await stored.preview(session, plan, stage), is_preview=True) for stage in to_come}
