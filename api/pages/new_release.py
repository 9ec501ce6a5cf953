"""The form for a new release: a version of each artifact, settable variables, stages to start by hand, and why."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from api.auth import Caller, Releaser
from api.inputs import Slug
from api.pages.forms import Form, SentForm
from api.pages.rendering import render
from api.pages.viewer import require_own_form
from api.people import requester_of
from api.release_start import NoSuchPipeline, Order, make_release
from api.releases import NewRelease
from api.services import Services, ServicesHere
from api.versions import recent_versions
from domain.artifact import VersionOffer
from domain.person import Requester
from domain.pipeline import Artifact, Pipeline, PlainVariable
from domain.refusal import Kind, Refusal
from storage import pipelines

router = APIRouter(prefix="/pipelines", include_in_schema=False)
_MOST_VERSIONS = 30
_SOURCES_ANSWER_WITHIN_SECONDS = 5.0


@dataclass(frozen=True)
class Choice:
    """The versions of one artifact to choose from; ``trouble`` says why there are none."""

    alias: str
    artifact: Artifact
    offers: tuple[VersionOffer, ...]
    trouble: str = ""

    @property
    def must_be_named(self) -> bool:
        return self.artifact.version == "ask"


@router.get("/{name}/new")
async def show_form(request: Request, name: Slug, caller: Releaser, services: ServicesHere) -> Response:
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
    """Raises ValidationError. What was typed counts before what was chosen.

    The key in the form makes sending it twice one release.
    """
    new = NewRelease(
        pipeline=name,
        versions={**form.below("chosen."), **form.below("version.")},
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
    pipeline = Pipeline.model_validate(revision.definition)
    return render(
        request,
        "new_release.html",
        caller=caller,
        http_status=422 if problem else 200,
        section="Pipelines",
        pipeline=pipeline,
        choices=await asyncio.gather(*(_choice(services, *one) for one in pipeline.artifacts.items())),
        settable={n: v for n, v in pipeline.variables.items() if isinstance(v, PlainVariable) and v.settable},
        key=uuid4().hex,
        problem=problem,
        given=form.given() if form else {},
        manual=form.texts("manual") if form else [],
    )


async def _choice(services: Services, alias: str, artifact: Artifact) -> Choice:
    """What the source offers; one that does not answer leaves the version to be typed."""
    try:
        offers = await recent_versions(services, artifact, _MOST_VERSIONS, seconds=_SOURCES_ANSWER_WITHIN_SECONDS)
    except Refusal as refusal:
        return Choice(alias, artifact, (), str(refusal))
    return Choice(alias, artifact, offers)
