"""Signing in with an access token, and out again. The browser keeps a session token, never the one pasted."""

from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import PUBLIC, SESSION_COOKIE, Caller, NotAuthenticated, Viewer, known, require_same_origin
from api.pages.forms import SentForm
from api.pages.rendering import render
from api.pages.viewer import require_own_form
from api.services import Services, ServicesHere
from domain.role import Role
from storage import tokens

router = APIRouter(include_in_schema=False)
_LASTS = timedelta(hours=12)
_NOT_VALID = "This token is not valid (any more). Tokens start with slw_ and have no blanks."


@router.get("/login", dependencies=[PUBLIC])
async def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002  the name in the address
    """The form, open to everybody, also to who is signed in: some answers want a login of the last minutes."""
    return render(request, "login.html", next=local_path(next), problem="")


@router.post("/login", dependencies=[PUBLIC])
async def login(request: Request, form: SentForm, services: ServicesHere) -> Response:
    """Exchange the pasted token for a session."""
    require_same_origin(request)
    target = local_path(form.text("next"))
    try:
        who = await known(services, form.text("token"))
    except NotAuthenticated:
        who = None
    # A session is no key to another one: whoever has got hold of a cookie would be freshly signed in for ever.
    if who is None or who.role == Role.AGENT or who.signed_in_at is not None:
        return render(request, "login.html", http_status=401, next=target, problem=_NOT_VALID)
    response = RedirectResponse(target, 303)
    _set_cookie(response, services, await _session(services, who))
    await _end_session(services, request.cookies.get(SESSION_COOKIE))
    return response


@router.post("/logout")
async def logout(request: Request, caller: Viewer, form: SentForm, services: ServicesHere) -> Response:
    """End this session on the server too."""
    require_own_form(request, form.text("csrf"))
    if caller.token_id is not None and caller.is_browser:
        async with services.database.transaction() as session:
            await tokens.revoke(session, caller.token_id, services.clock())
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


async def _session(services: Services, who: Caller) -> str:
    """It never outlives the token that it was given for, so that signing in again and again prolongs nothing."""
    now = services.clock()
    expires_at = min(now + _LASTS, who.expires_at or now + _LASTS)
    async with services.database.transaction() as session:
        _, value = await tokens.issue(
            session,
            name=tokens.BROWSER_SESSION,
            subject=who.subject,
            owner=who.owner,
            role=who.role,
            expires_at=expires_at,
            now=now,
        )
    return value


async def _end_session(services: Services, cookie: str | None) -> None:
    """The browser has a newer one; what it kept before is worth nothing any more."""
    if not cookie:
        return
    async with services.database.transaction() as session:
        row = await tokens.find(session, cookie, services.clock())
        if row is not None and row.name == tokens.BROWSER_SESSION:
            await tokens.revoke(session, row.id, services.clock())


def _set_cookie(response: Response, services: Services, value: str) -> None:
    response.set_cookie(
        SESSION_COOKIE,
        value,
        max_age=int(_LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=services.public_url.startswith("https://"),
    )


def local_path(target: str) -> str:
    """The target if it is a path of this console, else the start: nobody is led elsewhere by a crafted link."""
    try:
        parts = urlsplit(target)
    except ValueError:  # such as an IPv6 address that is none
        return "/"
    is_local = not parts.scheme and not parts.netloc and target.startswith("/") and not target.startswith("//")
    return target if is_local and target.isprintable() and "\\" not in target else "/"
