"""Errors as pages for people: what went wrong in a sentence, and the way to sign in where that is what is missing."""

from collections.abc import Mapping
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from api.pages.rendering import render

_NOT_PAGES = ("/api/", "/schemas/", "/static/", "/healthz", "/readyz", "/version", "/metrics", "/openapi.json")
_FORMS_ON_THEMSELVES = "/approvals"
_UNAUTHORIZED = 401
_OUR_FAULT = 500


def wants_page(request: Request) -> bool:
    """Whether a browser asked for something that is a page."""
    accepts = request.headers.get("accept", "")
    return "text/html" in accepts and not request.url.path.startswith(_NOT_PAGES)


def error_page(
    request: Request, *, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The page; for somebody who is not signed in the way to do so, and back."""
    if status == _UNAUTHORIZED:
        return RedirectResponse(f"/login?next={quote(_wanted(request))}", 303)
    trace_id = request.scope.get("trace_id") if status >= _OUR_FAULT else None
    page = render(
        request,
        "error.html",
        http_status=status,
        status=status,
        title=title,
        detail=_sentence(detail),
        trace_id=trace_id,
    )
    page.headers.update(headers or {})
    return page


def _sentence(text: str) -> str:
    """Refusals are worded to stand after a colon; on a page they stand alone."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _wanted(request: Request) -> str:
    """Where to go after signing in: this page, or for a form that was sent the page it stands on."""
    if request.method not in {"GET", "HEAD"} and not request.url.path.startswith(_FORMS_ON_THEMSELVES):
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
