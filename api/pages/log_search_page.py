"""Searching the logs of a deployment, and the lines that were found, each leading to its place."""

# ruff: noqa: FAST003  the parts of a deployment's path are read by a dependency

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.auth import Viewer
from api.deployment_logs import LogHits, search
from api.inputs import Cursor, Deployment
from api.pages import terminal
from api.pages.rendering import render
from api.queries import deployment_view, release_row
from api.services import ServicesHere

router = APIRouter(include_in_schema=False)
_HITS = 100


@router.get("/deployments/{pipeline}/{number}/{stage}/{attempt}/logs")
async def log_search_page(
    request: Request,
    deployment: Deployment,
    caller: Viewer,
    services: ServicesHere,
    q: Annotated[str, Query(max_length=200)] = "",
    cursor: Cursor = None,
) -> Response:
    """Without a text, the field alone. Raises NoSuchDeployment."""
    text = " ".join(q.splitlines())
    async with services.database.reading() as session:
        view = await deployment_view(session, services, deployment)
        release = await release_row(session, deployment.release)
    found = await search(services, deployment, text, _HITS, cursor) if text else LogHits(hits=[], next_cursor=None)
    return render(
        request,
        "log_search.html",
        caller=caller,
        section="Releases",
        deployment=view,
        release=release,
        text=text,
        cursor=cursor,
        hits=[(hit, " ".join(line.text for line in terminal.lines(hit.text))) for hit in found.hits],
        next_cursor=found.next_cursor,
    )
