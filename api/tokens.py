"""Tokens over HTTP: issue, list, revoke; and who one is."""

from datetime import timedelta
from typing import Annotated, Literal, Self

import structlog
from fastapi import APIRouter, Path
from pydantic import Field, model_validator

from api.auth import SERVICE, Admin, Viewer, needs
from api.errors import documented
from api.inputs import Body, Mail, SlugText
from api.services import ServicesHere
from api.views import CallerView, IssuedToken, TokenView
from domain.refusal import NotFound
from domain.role import Role
from storage import tokens
from storage.tables import TokenRow

router = APIRouter(tags=["tokens"], responses=documented(401, 403, 422))
_log = structlog.get_logger("slipway.api")


class NewToken(Body):
    """Whose token, good for what, and for how long: a person's (``subject``), or a service's, which has an ``owner``.

    Agents get theirs by enrolling.
    """

    name: str = Field(min_length=1, max_length=200)
    subject: Mail | None = None
    service: SlugText | None = None
    owner: Mail | None = Field(default=None, description="Who answers for the service; they count as its requester.")
    role: Literal[Role.ADMIN, Role.RELEASE_MANAGER, Role.RELEASER, Role.APPROVER, Role.VIEWER]
    days: int = Field(default=90, ge=1, le=366)

    @model_validator(mode="after")
    def _of_a_person_or_of_a_service(self) -> Self:
        if (self.subject is None) == (self.service is None):
            raise ValueError("give either subject, the mail address of a person, or service, the name of a program")
        if (self.service is None) != (self.owner is None):
            raise ValueError("a service has an owner, a person has none: give service and owner together")
        return self

    @property
    def bearer(self) -> str:
        """Who acts with it."""
        return self.subject or f"{SERVICE}{self.service}"


class NoSuchToken(NotFound):
    """There is no such token, or it was revoked before."""


@router.get("/me", operation_id="get_me", summary="Tell who the caller is")
async def get_me(caller: Viewer) -> CallerView:
    """Subject and role of the token or session."""
    return CallerView(subject=caller.subject, role=caller.role, owner=caller.owner)


@router.post("/tokens", status_code=201, operation_id="create_token", summary="Issue a token")
async def create_token(new: NewToken, caller: Admin, services: ServicesHere) -> IssuedToken:
    """Its value is in this answer and nowhere else."""
    now = services.clock()
    expires_at = now + timedelta(days=new.days)
    async with services.database.transaction() as session:
        row, value = await tokens.issue(
            session,
            name=new.name,
            subject=new.bearer,
            owner=new.owner,
            role=new.role,
            expires_at=expires_at,
            now=now,
        )
    _log.info("token issued", token=row.id, subject=row.subject, role=row.role, by=caller.subject)
    return IssuedToken(**_view(row).model_dump(), value=value)


@router.get(
    "/tokens", dependencies=[needs(Role.ADMIN)], operation_id="list_tokens", summary="List tokens, newest first"
)
async def list_tokens(services: ServicesHere) -> list[TokenView]:
    """Without their values, which nobody can read again."""
    async with services.database.reading() as session:
        return [_view(row) for row in await tokens.all_tokens(session)]


@router.delete(
    "/tokens/{token_id}",
    status_code=204,
    operation_id="revoke_token",
    summary="Revoke a token",
    responses=documented(404),
)
async def revoke_token(
    token_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")], caller: Admin, services: ServicesHere
) -> None:
    """It is refused from now on, and so are the browser sessions of the same person, who signs in again."""
    now = services.clock()
    async with services.database.transaction() as session:
        if not await tokens.revoke(session, token_id, now):
            raise NoSuchToken(f"there is no token {token_id}")
        await tokens.end_sessions_beside(session, token_id, now)
    _log.info("token revoked", token=token_id, by=caller.subject)


def _view(row: TokenRow) -> TokenView:
    return TokenView(
        id=row.id,
        name=row.name,
        subject=row.subject,
        owner=row.owner,
        role=row.role,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
