"""What a release changes in a stage over HTTP, and its release notes."""

# ruff: noqa: FAST003  the parts of a release's path are read by a dependency

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from activities.changes import Comparison, with_commits
from api.auth import needs
from api.change_views import ChangesView, NotesView, changes_view, notes_view
from api.errors import documented
from api.inputs import Release, Slug
from api.queries import release_row
from api.releases import NoSuchStage
from api.services import Services, ServicesHere
from domain.changes import StageChanges
from domain.ids import SLUG_PATTERN, DeploymentId, ReleaseId
from domain.nearest import did_you_mean
from domain.release import ReleasePlan
from domain.release_notes import release_notes
from domain.role import Role
from storage import changes, deployments, releases

router = APIRouter(
    prefix="/releases", tags=["releases"], dependencies=[needs(Role.VIEWER)], responses=documented(401, 403, 404, 422)
)
Preview = Annotated[
    bool, Query(description="What would change if the stage were deployed now, instead of what its deployment changed.")
]


@dataclass(frozen=True)
class Changed:
    """What a release changes in a stage. ``deployment`` began with it; None for a preview.

    ``is_there``: what is previewed is in the stage already.
    """

    plan: ReleasePlan
    changes: StageChanges
    deployment: str | None
    is_there: bool = False

    @property
    def view(self) -> ChangesView:
        return changes_view(self.changes, self.deployment, is_there=self.is_there)


@router.get(
    "/{pipeline}/{number}/stages/{stage}/changes",
    operation_id="get_changes",
    summary="Show what the release changes in a stage",
)
async def get_changes(
    release: Release, stage: Slug, services: ServicesHere, *, preview: Preview = False
) -> ChangesView:
    """Beside the last good deployment of another release there, with the commits between the two.

    As it was found when the stage's latest deployment began. For a stage that was never deployed, and with
    ``preview``, the sources are asked for the commits; what they do not say within ten seconds is told as unknown.
    """
    return (await changed_at(services, release, stage, is_preview=preview)).view


@router.get(
    "/{pipeline}/{number}/notes",
    operation_id="get_release_notes",
    summary="Show the release notes, as JSON or as text",
    response_model=NotesView,
    responses={200: {"content": {"text/plain": {}}, "description": "The notes; as text with format=text"}},
)
async def get_release_notes(
    release: Release,
    services: ServicesHere,
    *,
    stage: Annotated[
        str | None, Query(pattern=SLUG_PATTERN, description="Of which stage; else the last of the pipeline.")
    ] = None,
    format: Annotated[Literal["json", "text"], Query(description="text reads well as Markdown, too.")] = "json",  # noqa: A002  its name for callers
    preview: Preview = False,
) -> NotesView | Response:
    """Description, versions and commits, beside the last good deployment of another release at the stage."""
    if stage is None:
        async with services.database.reading() as session:
            row = await release_row(session, release)
        stage = ReleasePlan.model_validate(row.plan).pipeline.stages[-1].stage
    found = await changed_at(services, release, stage, is_preview=preview)
    if format == "text":
        return PlainTextResponse(release_notes(found.plan, found.changes))
    return notes_view(found.plan, found.view)


async def changed_at(services: Services, release: ReleaseId, stage: str, *, is_preview: bool = False) -> Changed:
    """With commits. Raises NoSuchRelease and NoSuchStage."""
    async with services.database.reading() as session:
        row = await release_row(session, release)
        plan = ReleasePlan.model_validate(row.plan)
        attempts = {known.stage: known.attempt for known in await releases.stages(session, release)}
        if stage not in attempts:
            raise NoSuchStage(f"release {release} has no stage {stage}{did_you_mean(stage, attempts)}")
        latest = DeploymentId(release=release, stage=stage, attempt=attempts[stage])
        if not is_preview and await deployments.get(session, latest) is not None:
            kept = await changes.kept(session, latest)
            return Changed(plan, kept or await changes.compared(session, plan, latest), str(latest))
        now = await changes.preview(session, plan, stage)
        there = await deployments.newest_good(session, release.pipeline, stage)
    found = await with_commits(services.desk, Comparison(plan=plan, changes=now))
    return Changed(plan, found, None, is_there=there is not None and there.release == str(release))
