"""How releases of a pipeline start themselves: what comes next, what came and what became of it; pause and resume."""

from collections.abc import Iterable

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api import triggers
from api.auth import Releaser, Viewer
from api.inputs import Cursor, Slug
from api.pages.forms import SentForm
from api.pages.rendering import render
from api.pages.viewer import require_own_form
from api.services import ServicesHere
from api.trigger_views import ArtifactTriggerView

router = APIRouter(prefix="/pipelines", include_in_schema=False)
_LONGEST_REASON = 500


@router.get("/{name}/triggers")
async def trigger_page(
    request: Request, name: Slug, caller: Viewer, services: ServicesHere, cursor: Cursor = None
) -> Response:
    """Raises NoSuchPipeline, BadCursor."""
    shown = await triggers.triggers_view(services, name, cursor=cursor)
    waits_for = {artifact.alias: _waits_for(artifact) for artifact in shown.artifacts}
    return render(
        request,
        "triggers.html",
        caller=caller,
        section="Pipelines",
        shown=shown,
        waits_for=waits_for,
        is_first=cursor is None,
    )


@router.post("/{name}/pause")
async def pause(request: Request, name: Slug, caller: Releaser, form: SentForm, services: ServicesHere) -> Response:
    """Let nothing start by itself, and show that."""
    require_own_form(request, form.text("csrf"))
    await triggers.pause(services, caller, name, form.text("reason", _LONGEST_REASON))
    return RedirectResponse(f"/pipelines/{name}/triggers", 303)


@router.post("/{name}/resume")
async def resume(request: Request, name: Slug, caller: Releaser, form: SentForm, services: ServicesHere) -> Response:
    """Let what comes from now on start releases again, and show that."""
    require_own_form(request, form.text("csrf"))
    await triggers.resume(services, caller, name)
    return RedirectResponse(f"/pipelines/{name}/triggers", 303)


def _waits_for(artifact: ArtifactTriggerView) -> str:
    """``new versions of main, release/*, not of release/old-*, asked for every 5m``."""
    parts = ["new versions"]
    parts += _listed(" of ", artifact.branches)
    parts += _listed(", not of ", artifact.exclude)
    parts += _listed(", with the tags ", artifact.tags)
    parts.append(f", asked for every {artifact.every}" if artifact.every else ", of which a webhook tells")
    return "".join(parts)


def _listed(before: str, names: Iterable[str]) -> list[str]:
    joined = ", ".join(names)
    return [f"{before}{joined}"] if joined else []
