"""Who is calling, and whether they may: bearer tokens, browser sessions, and the right each route declares.

A route declares its right as a dependency: ``caller: Viewer`` (or another of the roles below), or ``PUBLIC``.
``create_app`` refuses to start while any route declares none.
"""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Request, params

from api.services import Services, services_of
from domain.refusal import Kind, NotAllowed, Refusal
from domain.role import Role
from storage import tokens

SESSION_COOKIE = "slipway_session"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_log = structlog.get_logger("slipway.api")


class NotAuthenticated(Refusal):
    """There is no token, or none that is valid; which of the two is not told."""

    kind = Kind.FORBIDDEN


class ForeignOrigin(NotAllowed):
    """A browser sent this from a page of another site."""


@dataclass(frozen=True)
class Caller:
    """Who calls: a person's mail address, or an agent's name. ``token_id`` is None for the bootstrap token."""

    subject: str
    role: Role
    token_id: str | None
    is_browser: bool = False
    expires_at: datetime | None = None


async def caller(request: Request) -> Caller:
    """The caller by bearer token or session cookie; raises NotAuthenticated.

    The cookie travels by itself, so a request that changes something counts only from a page of our own.
    """
    services = services_of(request)
    bearer = _bearer(request)
    if bearer is not None:
        return await known(services, bearer)
    cookie = request.cookies.get(SESSION_COOKIE)
    if not cookie:
        raise NotAuthenticated("sign in, or send a token: Authorization: Bearer <token>")
    require_same_origin(request)
    found = await known(services, cookie)
    if found.role == Role.AGENT:
        raise NotAuthenticated("this token is not valid (any more)")
    return replace(found, is_browser=True)


def _bearer(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


async def known(services: Services, value: str) -> Caller:
    """Whose token this is; raises NotAuthenticated."""
    if is_bootstrap_token(services, value):
        return Caller(subject=services.bootstrap_admin, role=Role.ADMIN, token_id=None)
    row = await tokens.authenticate(services.database, value, services.clock())
    if row is None:
        raise NotAuthenticated("this token is not valid (any more)")
    return Caller(subject=row.subject, role=Role(row.role), token_id=row.id, expires_at=row.expires_at)


def is_bootstrap_token(services: Services, value: str) -> bool:
    """Compare in constant time; without a configured token nothing matches."""
    expected = services.bootstrap_token.get_secret_value() if services.bootstrap_token else ""
    return bool(expected) and hmac.compare_digest(expected.encode(), value.encode())


def require_same_origin(request: Request) -> None:
    """Turn away a state change that a browser sends from another site's page; raises ForeignOrigin.

    Browsers tell by Sec-Fetch-Site wherever the connection is trustworthy, and by Origin otherwise. Under our
    ``no-referrer`` policy Origin is ``null``, which is let through only over plain HTTP: there the cookie's
    SameSite is the guard that is left.
    """
    if request.method in _SAFE_METHODS:
        return
    public = urlsplit(services_of(request).public_url)
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site in {"same-origin", "none"}
    elif origin == "null":
        is_ours = public.scheme == "http"
    else:
        ours = {f"{public.scheme}://{public.netloc}", f"{request.url.scheme}://{request.url.netloc}"}
        is_ours = origin in ours
    if not is_ours:
        raise ForeignOrigin("this request did not come from a page of this console")


@dataclass(frozen=True)
class Needs:
    """The dependency that declares a route's right and holds callers to it."""

    role: Role

    async def __call__(self, request: Request) -> Caller:
        found = await caller(request)
        if not found.role.includes(self.role):
            path = request.scope["route"].path if "route" in request.scope else ""
            _log.warning("refused", subject=found.subject, role=found.role, needed=self.role, route=path)
            raise NotAllowed(f"this needs the role {self.role}; yours is {found.role}")
        return found


@dataclass(frozen=True)
class Public:
    """The dependency that declares that a route needs no caller."""

    async def __call__(self) -> None:
        return None


Viewer = Annotated[Caller, Depends(Needs(Role.VIEWER))]
Approver = Annotated[Caller, Depends(Needs(Role.APPROVER))]
Releaser = Annotated[Caller, Depends(Needs(Role.RELEASER))]
Admin = Annotated[Caller, Depends(Needs(Role.ADMIN))]
AgentCaller = Annotated[Caller, Depends(Needs(Role.AGENT))]
PUBLIC = Depends(Public())


def needs(role: Role) -> params.Depends:
    """For ``dependencies=[needs(Role.VIEWER)]`` where the route does not look at its caller."""
    return params.Depends(Needs(role))
