"""Pipelines in the console: the list, and one pipeline with its latest releases."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Viewer
from api.inputs import Slug
from api.pages import stage_picture
from api.pages.looks import Look
from api.pages.rendering import render
from api.release_start import NoSuchPipeline
from api.services import ServicesHere
from domain.pipeline import Pipeline, Stage
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
        section="Pipelines",
        pipeline=pipeline,
        revision=revision,
        releases=latest,
        picture=stage_picture.draw(pipeline.stages),
        nodes=_nodes(pipeline),
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
            "href": "#definition",
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
