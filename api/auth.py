"""Who is calling, and whether they may: bearer tokens, browser sessions, and the right each route declares.

A route declares its right as a dependency: ``caller: Viewer`` (or another of the roles below), or ``PUBLIC``.
``create_app`` refuses to start while any route declares none.
"""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Request, params

from api.services import Services, services_of
from domain.approval_policy import Proof
from domain.refusal import Kind, NotAllowed, Refusal
from domain.role import Role
from storage import tokens
from storage.tables import TokenRow

SESSION_COOKIE = "slipway_session"
SERVICE = "service:"
_LOGIN_IS_FRESH_FOR = timedelta(minutes=10)
_NOT_VALID = "this token is not valid (any more)"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_log = structlog.get_logger("slipway.api")


class NotAuthenticated(Refusal):
    """There is no token, or none that is valid; which of the two is not told."""

    kind = Kind.FORBIDDEN


class ForeignOrigin(NotAllowed):
    """A browser sent this from a page of another site."""


@dataclass(frozen=True)
class Caller:
    """Who calls: a person's mail address, ``service:<name>``, or an agent's name.

    ``token_id`` is None for the bootstrap token. ``owner`` is the person who answers for a service, ``signed_in_at``
    when the session that a browser keeps was made.
    """

    subject: str
    role: Role
    token_id: str | None
    is_browser: bool = False
    expires_at: datetime | None = None
    owner: str | None = None
    signed_in_at: datetime | None = None

    @property
    def is_service(self) -> bool:
        return self.subject.startswith(SERVICE)

    def proof(self, now: datetime) -> Proof:
        """How well they have shown who they are: whoever has just signed in holds the token, not only a cookie."""
        if not self.is_browser or self.signed_in_at is None:
            return Proof.LOGIN
        is_fresh = timedelta(0) <= now - self.signed_in_at < _LOGIN_IS_FRESH_FOR
        return Proof.FRESH_LOGIN if is_fresh else Proof.LOGIN


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
    return await caller_by_cookie(services, cookie)


async def caller_by_cookie(services: Services, cookie: str) -> Caller:
    """Whose browser has this session cookie; raises NotAuthenticated. Agents have none."""
    row = await _token(services, cookie)
    if row.role == Role.AGENT:
        raise NotAuthenticated(_NOT_VALID)
    return replace(_caller(row), is_browser=True)


def _bearer(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


async def known(services: Services, value: str) -> Caller:
    """Whose token this is; raises NotAuthenticated."""
    if is_bootstrap_token(services, value):
        return Caller(subject=services.bootstrap_admin, role=Role.ADMIN, token_id=None)
    return _caller(await _token(services, value))


async def _token(services: Services, value: str) -> TokenRow:
    row = await tokens.authenticate(services.database, value, services.clock())
    if row is None:
        raise NotAuthenticated(_NOT_VALID)
    return row


def _caller(row: TokenRow) -> Caller:
    return Caller(
        subject=row.subject,
        role=Role(row.role),
        token_id=row.id,
        expires_at=row.expires_at,
        owner=row.owner,
        signed_in_at=row.created_at if row.name == tokens.BROWSER_SESSION else None,
    )


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
    """The dependency that declares a route's right and holds callers to it.

    ``in_person`` are rights that no service has, whatever its role.
    """

    role: Role
    in_person: bool = False

    async def __call__(self, request: Request) -> Caller:
        found = await caller(request)
        if not found.role.includes(self.role):
            path = request.scope["route"].path if "route" in request.scope else ""
            _log.warning("refused", subject=found.subject, role=found.role, needed=self.role, route=path)
            raise NotAllowed(f"this needs the role {self.role}; yours is {found.role}")
        if self.in_person and found.is_service:
            _log.warning("refused a service", subject=found.subject, owner=found.owner)
            raise NotAllowed(f"{found.subject} is a service, and approvals are for people; use a token of your own")
        return found


@dataclass(frozen=True)
class Public:
    """The dependency that declares that a route needs no caller."""

    async def __call__(self) -> None:
        return None


Viewer = Annotated[Caller, Depends(Needs(Role.VIEWER))]
Approver = Annotated[Caller, Depends(Needs(Role.APPROVER, in_person=True))]
Releaser = Annotated[Caller, Depends(Needs(Role.RELEASER))]
ReleaseManager = Annotated[Caller, Depends(Needs(Role.RELEASE_MANAGER, in_person=True))]
Admin = Annotated[Caller, Depends(Needs(Role.ADMIN))]
AgentCaller = Annotated[Caller, Depends(Needs(Role.AGENT))]
PUBLIC = Depends(Public())


def needs(role: Role) -> params.Depends:
    """For ``dependencies=[needs(Role.VIEWER)]`` where the route does not look at its caller."""
    return params.Depends(Needs(role))
