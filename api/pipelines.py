"""Pipelines over HTTP: check a file, store it as a revision, look at what is stored, the JSON Schema for editors."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from api.auth import PUBLIC, Admin, needs
from api.errors import Flaw, Flawed, documented
from api.inputs import Number, Slug
from api.release_start import NoSuchPipeline
from api.schedules import tell_now
from api.services import ServicesHere
from api.views import PipelineView, RevisionText, RevisionView, SavedView, ValidView
from authoring import json_schema, problem
from authoring.loading import load
from domain.pipeline import Pipeline
from domain.refusal import NotFound
from domain.role import Role
from storage import pipelines
from storage.tables import PipelineRevisionRow

router = APIRouter(prefix="/pipelines", tags=["pipelines"], responses=documented(401, 403, 422))
schemas = APIRouter(prefix="/schemas", tags=["pipelines"], dependencies=[PUBLIC])
_TEXT_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string"}} for kind in ("application/yaml", "application/json")},
    }
}


class BrokenPipeline(Flawed):
    """The pipeline file has problems; ``errors`` names each with its place."""


class NoSuchRevision(NotFound):
    """The pipeline has no revision of that number."""


class NotText(Flawed):
    """The body is no UTF-8 text."""


async def _written(request: Request) -> str:
    """The body as text, whatever it says it is."""
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise NotText("the pipeline file is no UTF-8 text", [Flaw(message=f"byte {error.start} is no UTF-8")]) from None


Written = Annotated[str, Depends(_written)]
FileName = Annotated[str, Query(max_length=200, description="How errors call the file.")]


@router.post(
    "",
    status_code=201,
    operation_id="save_pipeline",
    summary="Store a pipeline file as a revision",
    responses={200: {"model": SavedView, "description": "The newest revision is the same; nothing was stored"}},
    openapi_extra=_TEXT_BODY,
)
async def save_pipeline(
    text: Written, caller: Admin, services: ServicesHere, response: Response, file: FileName = "pipeline.yaml"
) -> SavedView:
    """Releases under way keep the definition they were made with."""
    pipeline = await _pipeline(text, file)
    async with services.database.transaction() as session:
        before = await pipelines.latest(session, pipeline.pipeline)
        row = await pipelines.save_revision(session, pipeline, text, caller.subject, services.clock())
    if before is not None and before.revision == row.revision:
        response.status_code = 200
    else:
        await tell_now(services, row.pipeline)
    return SavedView(pipeline=row.pipeline, revision=row.revision)


@router.post(
    "/validate",
    dependencies=[needs(Role.VIEWER)],
    operation_id="validate_pipeline",
    summary="Say everything that is wrong with a pipeline file",
    openapi_extra=_TEXT_BODY,
)
async def validate_pipeline(text: Written, file: FileName = "pipeline.yaml") -> ValidView:
    """Stores nothing."""
    pipeline = await _pipeline(text, file)
    return ValidView(pipeline=pipeline.pipeline, stages=[stage.stage for stage in pipeline.stages])


@router.get("", dependencies=[needs(Role.VIEWER)], operation_id="list_pipelines", summary="List pipelines")
async def list_pipelines(services: ServicesHere) -> list[PipelineView]:
    """By name."""
    async with services.database.reading() as session:
        rows = await pipelines.all_pipelines(session)
    return [PipelineView(name=row.name, revision=row.revision, updated_at=row.updated_at) for row in rows]


@router.get(
    "/{name}",
    dependencies=[needs(Role.VIEWER)],
    operation_id="get_pipeline",
    summary="Show a pipeline as it stands",
    responses=documented(404),
)
async def get_pipeline(name: Slug, services: ServicesHere) -> RevisionText:
    """Its newest revision, as its author wrote it."""
    async with services.database.reading() as session:
        row = await pipelines.latest(session, name)
    if row is None:
        raise NoSuchPipeline(f"there is no pipeline {name}")
    return _revision(row)


@router.get(
    "/{name}/revisions",
    dependencies=[needs(Role.VIEWER)],
    operation_id="list_revisions",
    summary="List the revisions of a pipeline, newest first",
    responses=documented(404),
)
async def list_revisions(name: Slug, services: ServicesHere) -> list[RevisionView]:
    """Every one is kept."""
    async with services.database.reading() as session:
        rows = await pipelines.revisions(session, name)
    if not rows:
        raise NoSuchPipeline(f"there is no pipeline {name}")
    return [
        RevisionView(pipeline=row.pipeline, revision=row.revision, author=row.author, created_at=row.created_at)
        for row in rows
    ]


@router.get(
    "/{name}/revisions/{revision}",
    dependencies=[needs(Role.VIEWER)],
    operation_id="get_revision",
    summary="Show one revision of a pipeline",
    responses=documented(404),
)
async def get_revision(name: Slug, revision: Number, services: ServicesHere) -> RevisionText:
    """As its author wrote it."""
    async with services.database.reading() as session:
        row = await pipelines.revision(session, name, revision)
    if row is None:
        raise NoSuchRevision(f"pipeline {name} has no revision {revision}")
    return _revision(row)


@schemas.get("/pipeline-v1.json", operation_id="pipeline_schema", summary="The JSON Schema of pipeline files")
async def pipeline_schema() -> dict[str, Any]:
    """For editors: ``# yaml-language-server: $schema=<this address>``."""
    return json_schema.pipeline_schema()


def _revision(row: PipelineRevisionRow) -> RevisionText:
    return RevisionText(
        pipeline=row.pipeline,
        revision=row.revision,
        author=row.author,
        created_at=row.created_at,
        text=row.text,
    )


async def _pipeline(text: str, file: str) -> Pipeline:
    """Raises BrokenPipeline with every problem of the file."""
    try:
        return await asyncio.to_thread(load, text, file)
    except problem.BrokenPipeline as broken:
        count = len(broken.problems)
        word = "problem" if count == 1 else "problems"
        raise BrokenPipeline(f"{file} has {count} {word}", [_flaw(found) for found in broken.problems]) from None


def _flaw(found: problem.Problem) -> Flaw:
    return Flaw(
        message=found.message,
        file=found.file,
        line=found.line,
        column=found.column,
        path=found.path,
        suggestion=found.suggestion,
    )
