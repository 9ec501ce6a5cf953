"""Pipelines in the console: the list, and one pipeline with the form for a new release."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Caller, Releaser, Viewer
from api.inputs import Slug
from api.pages import stage_picture
from api.pages.forms import Form, SentForm
from api.pages.looks import Look
from api.pages.rendering import render
from api.pages.viewer import require_own_form
from api.people import requester_of
from api.release_start import NoSuchPipeline, Order, make_release
from api.releases import NewRelease
from api.services import Services, ServicesHere
from domain.person import Requester
from domain.pipeline import Pipeline, PlainVariable, Stage
from domain.refusal import Kind, Refusal
from domain.status import StageStatus
from storage import pipelines, releases
from storage.tables import PipelineRevisionRow

router = APIRouter(prefix="/pipelines", include_in_schema=False)
_LATEST = 8


@router.get("")
async def pipeline_list(request: Request, caller: Viewer, services: ServicesHere) -> Response:
    """By name."""
    async with services.database.reading() as session:
        revisions = await pipelines.all_latest(session)
    shown = [_line(Pipeline.model_validate(revision.definition), revision) for revision in revisions]
    return render(request, "pipelines.html", caller=caller, section="Pipelines", pipelines=shown)


@router.get("/{name}")
async def pipeline_page(request: Request, name: Slug, caller: Viewer, services: ServicesHere) -> Response:
    """Raises NoSuchPipeline."""
    return await _page(request, services, name, caller)


@router.post("/{name}/releases")
async def new_release(
    request: Request, name: Slug, caller: Releaser, form: SentForm, services: ServicesHere
) -> Response:
    """Make the release and show it; or the form again with what is wrong."""
    require_own_form(request, form.text("csrf"))
    try:
        async with services.database.reading() as session:
            requester = await requester_of(session, caller)
        order = _order(name, form, requester)
        made = await make_release(services, order)
    except ValidationError as invalid:
        return await _page(request, services, name, caller, problem=_told(invalid), form=form)
    except Refusal as refusal:
        if refusal.kind != Kind.INVALID:
            raise
        return await _page(request, services, name, caller, problem=str(refusal), form=form)
    return RedirectResponse(f"/releases/{made.release}", 303)


def _order(name: str, form: Form, requester: Requester) -> Order:
    """Raises ValidationError. The key in the form makes sending it twice one release."""
    new = NewRelease(
        pipeline=name,
        versions=dict(form.below("version.")),
        variables=dict(form.below("variable.")),
        manual_stages=tuple(form.texts("manual")),
        description=form.text("description"),
    )
    return Order(pipeline=name, request=new.request, requester=requester, key=form.text("key", 64) or None)


def _told(invalid: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in invalid.errors()[:3])


async def _page(
    request: Request, services: Services, name: str, caller: Caller, *, problem: str = "", form: Form | None = None
) -> Response:
    async with services.database.reading() as session:
        revision = await pipelines.latest(session, name)
        if revision is None:
            raise NoSuchPipeline(f"there is no pipeline {name}")
        latest = await _latest(session, name)
    pipeline = Pipeline.model_validate(revision.definition)
    return render(
        request,
        "pipeline.html",
        caller=caller,
        http_status=422 if problem else 200,
        section="Pipelines",
        pipeline=pipeline,
        revision=revision,
        releases=latest,
        picture=stage_picture.draw(pipeline.stages),
        nodes=_nodes(pipeline),
        settable={n: v for n, v in pipeline.variables.items() if isinstance(v, PlainVariable) and v.settable},
        key=uuid4().hex,
        problem=problem,
        given=form.given() if form else {},
        manual=form.texts("manual") if form else [],
    )


async def _latest(session: AsyncSession, name: str) -> Sequence[Any]:
    return await releases.page(session, pipeline=name, limit=_LATEST)


def _nodes(pipeline: Pipeline) -> Mapping[str, object]:
    """The stages in the picture; what they ask for stands where a release shows how they stand."""
    return {
        stage.stage: {
            "status": StageStatus.NOT_STARTED,
            "look": _look(stage),
            "word": _asks_for(stage),
            "note": "",
            "href": "#new",
            "after": [after.stage for after in stage.after],
        }
        for stage in pipeline.stages
    }


def _asks_for(stage: Stage) -> str:
    """What a stage wants from people, in a few words."""
    start = "by hand" if stage.manual else "by itself"
    match (stage.before.approval is not None, stage.after_deployment.approval is not None):
        case (False, False):
            return start
        case _ if stage.manual:
            return f"{start}, approval"
        case (True, True):
            return "approval twice"
        case (before, _):
            return "approval before" if before else "approval after"


def _look(stage: Stage) -> Look:
    if stage.before.approval or stage.after_deployment.approval:
        return Look("idle", "user")
    return Look("idle", "pointer" if stage.manual else "play")


def _line(pipeline: Pipeline, revision: PipelineRevisionRow) -> dict[str, object]:
    return {
        "pipeline": pipeline.pipeline,
        "description": pipeline.description,
        "revision": revision.revision,
        "updated_at": revision.created_at,
        "stages": [stage.stage for stage in pipeline.stages],
    }
