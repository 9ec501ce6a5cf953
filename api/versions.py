"""The recent versions of a pipeline's artifact over HTTP, for those who choose one for a new release."""

import logging
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from activities.artifact_source import SourceDenied
from activities.source_desk import spoken
from api.auth import needs
from api.errors import documented
from api.inputs import Slug
from api.release_start import NoSuchPipeline
from api.services import Services, ServicesHere
from api.view import View
from domain.artifact import VersionOffer
from domain.nearest import did_you_mean
from domain.pipeline import Artifact, LatestOf, Pipeline
from domain.refusal import Kind, NotFound, Refusal
from domain.role import Role
from storage import pipelines

router = APIRouter(prefix="/pipelines", tags=["pipelines"], responses=documented(401, 403, 404, 422, 503))
_logger = logging.getLogger(__name__)


class NoSuchArtifact(NotFound):
    """The pipeline has no artifact of that alias."""


class SourceUnusable(Refusal):
    """The source answers, and yet nothing can be had from it: only an admin can help."""

    kind = Kind.UNAVAILABLE


class VersionOfferView(View):
    """A version that can be released. ``label`` is what people call it; ``built_at`` and the rest as far as known."""

    version: str
    label: str
    branch: str | None
    commit: str | None
    author: str | None
    built_at: datetime | None
    url: str | None
    tags: list[str]


@router.get(
    "/{name}/artifacts/{alias}/versions",
    dependencies=[needs(Role.RELEASER)],
    operation_id="list_versions",
    summary="List the recent versions of an artifact, newest first",
)
async def list_versions(
    name: Slug,
    alias: Slug,
    services: ServicesHere,
    *,
    branch: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Only of this branch; else as the pipeline says.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> list[VersionOfferView]:
    """Good and finished ones. The source itself is asked, and has ten seconds (503 ``SourceSilent``)."""
    async with services.database.reading() as session:
        revision = await pipelines.latest(session, name)
    if revision is None:
        raise NoSuchPipeline(f"there is no pipeline {name}")
    known = Pipeline.model_validate(revision.definition).artifacts
    if alias not in known:
        raise NoSuchArtifact(f"pipeline {name} has no artifact {alias}{did_you_mean(alias, known)}")
    offers = await recent_versions(services, known[alias], limit, branch=branch)
    return [VersionOfferView.model_validate(offer.model_dump()) for offer in offers]


async def recent_versions(
    services: Services, artifact: Artifact, most: int, *, branch: str | None = None, seconds: float | None = None
) -> tuple[VersionOffer, ...]:
    """As the pipeline's own choice narrows them, unless a branch is named. Raises what the source refuses."""
    wanted = artifact.version if isinstance(artifact.version, LatestOf) else LatestOf()
    wanted = LatestOf(branch=branch) if branch else wanted
    try:
        offers = await services.desk.ask(artifact.source, lambda opened: opened.recent(wanted, most), seconds=seconds)
    except SourceDenied as denied:
        raise SourceUnusable(f"{denied}; an admin can correct the connection") from denied
    except Refusal:
        raise
    except Exception as error:
        _logger.exception("a source could not tell its versions")
        raise SourceUnusable(f"{spoken(artifact.source)} could not be understood; name the version yourself") from error
    return tuple(offers)[:most]
