"""Templates to answers: autoescaped, strict about names, under a policy that allows no inline script or style."""

from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.auth import Caller
from api.pages import assets, wording
from api.pages.log_lines import log_line, log_lines
from api.pages.looks import look
from api.pages.viewer import SignedIn, signed_in
from api.services import services_of
from domain.changes import headline

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _PAGE_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def render(
    request: Request,
    template: str,
    *,
    caller: Caller | None = None,
    http_status: int = 200,
    section: str = "",
    **content: Any,
) -> HTMLResponse:
    """One page. ``section`` is the entry of the navigation it belongs to; ``content`` is what the template names."""
    now = services_of(request).clock()
    html = _TEMPLATES.get_template(template).render(
        viewer=signed_in(request, caller) if caller else None,
        section=section,
        took=lambda start, end: wording.span((end or now) - start),
        **content,
    )
    # Browsers say where a form came from only under a policy that lets them. Mailed links are told to nobody.
    headers = _HEADERS | ({"Referrer-Policy": "same-origin"} if caller else {})
    return HTMLResponse(html, http_status, headers)


def _navigation(viewer: SignedIn) -> list[tuple[str, str]]:
    entries = [("/", "Releases"), ("/pipelines", "Pipelines"), ("/approvals", "Approvals"), ("/agents", "Agents")]
    return [*entries, ("/outbox", "Outbox")] if viewer.is_admin else entries


def _tame(value: object) -> object:
    return wording.tame(value) if type(value) is str else value


def _environment() -> Environment:
    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_tame,
    )
    environment.globals |= {
        "asset": assets.address,
        "look": look,
        "log_line": log_line,
        "log_lines": log_lines,
        "navigation": _navigation,
        "channel": wording.channel,
        "delivery": wording.delivery,
        "mail_kind": wording.mail_kind,
        "new_id": lambda: uuid4().hex,
        "requester": wording.requester,
        "span_of": wording.span_of,
        "version": version("slipway"),
    }
    environment.filters |= {
        "iso": wording.iso,
        "utc": wording.utc,
        "utc_exact": wording.utc_exact,
        "bytes": wording.size,
        "cut": wording.cut,
        "version_rule": wording.version_rule,
        "source": wording.source,
        "slug": wording.slug,
        "web": wording.web,
        "links": wording.links,
        "headline": headline,
    }
    return environment


_TEMPLATES = _environment()
