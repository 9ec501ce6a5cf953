"""Secrets, connections and groups over HTTP: what pipelines refer to by name. Values go in and never come out."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Path
from pydantic import Field, SecretStr, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Admin, needs
from api.errors import documented
from api.inputs import Body, Mail, SecretText, Slug
from api.services import ServicesHere
from api.views import ConnectionView, GroupView
from domain.connection import Connection, ConnectionKind
from domain.pipeline import Pipeline
from domain.refusal import Kind, NotFound, Refusal
from domain.release import groups_named
from domain.role import Role
from storage import connections, groups, pipelines, secrets

router = APIRouter(responses=documented(401, 403, 422))
SecretName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$", description="Such as webshop/db.")]
_log = structlog.get_logger("slipway.api")


class NewSecret(Body):
    """The value to keep."""

    value: Annotated[SecretText, Field(min_length=1, max_length=65_536)]


class NewConnection(Body):
    """Where the other system is and how to sign in. ``ca`` is the path of a CA bundle on workers and agents.

    ``user`` and ``token`` of object stores: the id of a key and the key (s3), the account and its key or a shared
    access signature (azure-blob), nothing and the key of a service account as JSON (gcs).
    """

    kind: ConnectionKind
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s@]+$", max_length=2000)]
    user: str = Field(default="", max_length=320)
    token: Annotated[SecretText, Field(max_length=65_536)] = SecretStr("")
    ca: str | None = Field(default=None, max_length=4000)


class NewGroup(Body):
    """Who may answer for each other, by any address of theirs."""

    members: tuple[Mail, ...] = Field(max_length=500)


class NoSuchGroup(NotFound):
    """There is no group of that name."""


class GroupInUse(Refusal):
    """Pipelines as they stand name the group."""

    kind = Kind.CONFLICT


class NoSuchSecret(NotFound):
    """No secret is stored under that name."""


@router.put(
    "/secrets/{name:path}", status_code=204, tags=["secrets"], operation_id="put_secret", summary="Store a secret"
)
async def put_secret(name: SecretName, new: NewSecret, caller: Admin, services: ServicesHere) -> None:
    """Instead of the value before. Nobody can read it again but a step that names it, while it runs."""
    async with services.database.transaction() as session:
        await secrets.put(
            session,
            services.sealing,
            name=name,
            value=new.value.get_secret_value(),
            author=caller.subject,
            now=services.clock(),
        )
    _log.info("secret stored", secret=name, by=caller.subject)


@router.get(
    "/secrets",
    dependencies=[needs(Role.ADMIN)],
    tags=["secrets"],
    operation_id="list_secrets",
    summary="List the names of secrets",
)
async def list_secrets(services: ServicesHere) -> list[str]:
    """Names only."""
    async with services.database.reading() as session:
        return list(await secrets.names(session))


@router.delete(
    "/secrets/{name:path}",
    status_code=204,
    tags=["secrets"],
    operation_id="delete_secret",
    summary="Forget a secret",
    responses=documented(404),
)
async def delete_secret(name: SecretName, caller: Admin, services: ServicesHere) -> None:
    """Steps that name it fail from now on."""
    async with services.database.transaction() as session:
        if not await secrets.remove(session, name):
            raise NoSuchSecret(f"no secret is stored as {name}")
    _log.info("secret forgotten", secret=name, by=caller.subject)


@router.put(
    "/connections/{name}",
    status_code=204,
    tags=["connections"],
    operation_id="put_connection",
    summary="Set up a connection",
)
async def put_connection(name: Slug, new: NewConnection, caller: Admin, services: ServicesHere) -> None:
    """Instead of the one of that name before."""
    connection = Connection(name=name, kind=new.kind, url=new.url, user=new.user, token=new.token, ca=new.ca)
    connection.check()
    async with services.database.transaction() as session:
        await connections.put(session, services.sealing, connection, services.clock())
    _log.info("connection set up", connection=name, url=new.url, by=caller.subject)


@router.get(
    "/connections",
    dependencies=[needs(Role.RELEASER)],
    tags=["connections"],
    operation_id="list_connections",
    summary="List connections",
)
async def list_connections(services: ServicesHere) -> list[ConnectionView]:
    """Without their tokens."""
    async with services.database.reading() as session:
        found = await connections.all_connections(session)
    return [ConnectionView(name=c.name, kind=c.kind, url=c.url, user=c.user, ca=c.ca) for c in found]


@router.put(
    "/groups/{name}", status_code=204, tags=["groups"], operation_id="put_group", summary="Say who is in a group"
)
async def put_group(name: Slug, new: NewGroup, caller: Admin, services: ServicesHere) -> None:
    """Releases under way keep the members they were made with."""
    async with services.database.transaction() as session:
        await groups.put(session, name, new.members)
    _log.info("group set", group=name, by=caller.subject)


@router.get(
    "/groups",
    dependencies=[needs(Role.VIEWER)],
    tags=["groups"],
    operation_id="list_groups",
    summary="List groups and their members",
)
async def list_groups(services: ServicesHere) -> list[GroupView]:
    """By name."""
    async with services.database.reading() as session:
        found = await groups.all_groups(session)
    return [GroupView(name=name, members=list(members)) for name, members in found.items()]


@router.get(
    "/groups/{name}",
    dependencies=[needs(Role.VIEWER)],
    tags=["groups"],
    operation_id="get_group",
    summary="Show who is in a group",
    responses=documented(404),
)
async def get_group(name: Slug, services: ServicesHere) -> GroupView:
    """With the addresses that were given; a release asks the people whose addresses they are."""
    async with services.database.reading() as session:
        members = await groups.get(session, name)
    if members is None:
        raise NoSuchGroup(f"there is no group {name}")
    return GroupView(name=name, members=list(members))


@router.delete(
    "/groups/{name}",
    status_code=204,
    tags=["groups"],
    operation_id="delete_group",
    summary="Forget a group",
    responses=documented(404, 409),
)
async def delete_group(name: Slug, caller: Admin, services: ServicesHere) -> None:
    """Not while a pipeline names it, whose approvals nobody could answer then. Releases keep the members they have."""
    async with services.database.transaction() as session:
        if not await groups.remove(session, name):
            raise NoSuchGroup(f"there is no group {name}")
        naming = await _pipelines_naming(session, name)
        if naming:
            which = ("pipeline " if len(naming) == 1 else "pipelines ") + ", ".join(naming)
            raise GroupInUse(f"group {name} is named by {which}; take it out there first")
    _log.info("group forgotten", group=name, by=caller.subject)


async def _pipelines_naming(session: AsyncSession, group: str) -> list[str]:
    """Those whose newest revision does; of earlier ones nothing is made any more."""
    rows = await pipelines.all_latest(session)
    return [row.pipeline for row in rows if group in groups_named(Pipeline.model_validate(row.definition))]
