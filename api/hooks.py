"""Hooks over HTTP: where other systems tell of builds or ask for releases; and making, listing and removing them.

Whether a hook exists is not told to those who do not know its secret.
"""

import base64
import binascii
import json
from typing import Annotated, Self

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError, model_validator

from api.auth import PUBLIC, Admin, NotAuthenticated, needs
from api.errors import documented
from api.inputs import Body, Mail, Slug, SlugText
from api.links import PREFIX
from api.releases import NewRelease
from api.services import Services, ServicesHere
from api.trigger_views import HookView, MadeHook, TakenView, TriggerEventView
from api.triggering import take, take_build
from domain.connection import ConnectionKind
from domain.hook import Hook, HookKind
from domain.refusal import NotAllowed, NotFound, Refusal
from domain.role import Role
from domain.trigger import (
    JenkinsBuild,
    NewVersion,
    ToldBuild,
    TriggerEvent,
    TriggerKind,
    TriggerOutcome,
    message_key,
)
from integrations import told_by_azure, told_by_jenkins
from integrations.signed_webhook import signed_id
from storage import connections, hooks
from storage.tables import HookRow, TriggerEventRow

router = APIRouter(prefix="/hooks", tags=["hooks"], responses=documented(401, 403, 422))
_SPEAKS_TO = {HookKind.JENKINS: ConnectionKind.JENKINS, HookKind.AZURE: ConnectionKind.AZURE_PIPELINES}
_NUL = (b"\0", b"\\u0000")
_log = structlog.get_logger("slipway.api")


class NewHook(Body):
    """Who speaks there: a Jenkins or Azure DevOps (``connection``), or whoever signs (``pipelines``)."""

    name: SlugText
    kind: HookKind
    connection: SlugText | None = Field(default=None, description="Whose builds are told of, for jenkins and azure.")
    project: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="What pipelines call the Azure project, where its events tell its id only."
    )
    pipelines: tuple[SlugText, ...] = Field(
        default=(), max_length=100, description="What may be released by a generic hook."
    )
    owner: Mail | None = Field(
        default=None, description="Who answers for it, and counts as requester of what a generic hook starts."
    )

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if (self.kind == HookKind.GENERIC) == (self.connection is not None):
            raise ValueError("hooks of the kinds jenkins and azure have a connection, generic ones have none")
        if (self.kind == HookKind.GENERIC) != bool(self.pipelines):
            raise ValueError("generic hooks name the pipelines that they may release, others reach all with a trigger")
        if self.project is not None and self.kind != HookKind.AZURE:
            raise ValueError("only hooks of the kind azure have a project")
        return self


class NoSuchHook(NotFound):
    """There is no hook of that name."""


class WrongConnection(Refusal):
    """The connection does not exist, or is none to a system of that kind."""


class OwnerMissing(Refusal):
    """A service makes a hook and does not say which person answers for it."""


class UnreadableWebhook(Refusal):
    """The body is no JSON object that we could use."""


class NotItsPipeline(NotAllowed):
    """The hook is not one that may release this pipeline."""


@router.post(
    "/{name}",
    status_code=202,
    dependencies=[PUBLIC],
    operation_id="take_webhook",
    summary="Take what another system tells of a build, or a signed order for a release",
    responses=documented(413),
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def take_webhook(
    name: Slug,
    request: Request,
    services: ServicesHere,
    secret: Annotated[str, Query(max_length=200, description="For senders that cannot sign.")] = "",
) -> TakenView:
    """The answer says what became of it. Sent again, it makes no second release.

    Jenkins' notification plugin sends the secret in the query, Azure DevOps as the password of basic authentication.
    A generic webhook is signed as Standard Webhooks are; its body is that of ``POST /api/v1/releases``.
    """
    body = await request.body()
    async with services.database.reading() as session:
        row = await hooks.get(session, name)
    message = _believed(services, row, request, body, secret)
    if row is None or message is None:
        _log.warning("webhook refused", hook=name)
        raise NotAuthenticated("there is no such hook, or this is not its secret")
    await _note_use(services, row)
    told = _json(body)
    hook = hooks.hook_of(row)
    if hook.kind == HookKind.GENERIC:
        return _taken(await take(services, [_ordered(hook, told, message)]), "")
    return await _take_build(services, hook, told)


@router.post(
    "",
    status_code=201,
    operation_id="create_hook",
    summary="Make a hook",
    responses=documented(409),
)
async def create_hook(new: NewHook, caller: Admin, services: ServicesHere) -> MadeHook:
    """Its secret is in this answer and nowhere else."""
    owner = new.owner or caller.owner or caller.subject
    if "@" not in owner:
        raise OwnerMissing("name the person who answers for it: owner")
    hook = Hook(**new.model_dump(exclude={"owner"}), owner=owner)
    async with services.database.transaction() as session:
        known = {one.name: one.kind for one in await connections.all_connections(session)}
        if hook.connection is not None and known.get(hook.connection) != _SPEAKS_TO[hook.kind]:
            raise WrongConnection(f"there is no connection {hook.connection} of the kind {_SPEAKS_TO[hook.kind]}")
        secret = await hooks.create(session, services.sealing, hook, caller.subject, services.clock())
        row = await hooks.get(session, hook.name)
    assert row is not None, "it was just made"
    _log.info("hook made", hook=hook.name, kind=hook.kind, by=caller.subject)
    return MadeHook(**HookView.of(row, _url(services, row.name)).model_dump(), secret=secret)


@router.get(
    "",
    dependencies=[needs(Role.ADMIN)],
    operation_id="list_hooks",
    summary="List hooks",
)
async def list_hooks(services: ServicesHere) -> list[HookView]:
    """By name, without their secrets, which nobody can read again."""
    async with services.database.reading() as session:
        return [HookView.of(row, _url(services, row.name)) for row in await hooks.all_hooks(session)]


@router.delete(
    "/{name}",
    status_code=204,
    operation_id="delete_hook",
    summary="Remove a hook",
    responses=documented(404),
)
async def delete_hook(name: Slug, caller: Admin, services: ServicesHere) -> None:
    """Its secret is good for nothing from now on. What it told before stays."""
    async with services.database.transaction() as session:
        if not await hooks.remove(session, name):
            raise NoSuchHook(f"there is no hook {name}")
    _log.info("hook removed", hook=name, by=caller.subject)


async def _take_build(services: Services, hook: Hook, told: object) -> TakenView:
    connection = hook.connection or ""
    build: ToldBuild | str
    if hook.kind == HookKind.JENKINS:
        kind, build = TriggerKind.JENKINS, told_by_jenkins.read(told, connection)
    else:
        kind, build = TriggerKind.AZURE, told_by_azure.read(told, connection, hook.project)
    if isinstance(build, str):
        return TakenView(message=f"nothing to do: {build}", events=[])
    what = build.job if isinstance(build, JenkinsBuild) else " or ".join(build.pipelines)
    nobody = f"nothing to do: no pipeline has a trigger for builds of {what} at {connection}"
    return _taken(await take_build(services, build, kind, hook.name), nobody)


def _taken(rows: list[TriggerEventRow], nobody: str) -> TakenView:
    return TakenView(
        message="; ".join(_sentence(row) for row in rows) or nobody, events=[TriggerEventView.of(row) for row in rows]
    )


def _sentence(row: TriggerEventRow) -> str:
    match row.outcome:
        case TriggerOutcome.MADE:
            return f"release {row.release} was made"
        case TriggerOutcome.WAITING:
            return f"a release of {row.pipeline} will be made"
    return f"{row.outcome} for {row.pipeline}: {row.reason}"


def _believed(services: Services, row: HookRow | None, request: Request, body: bytes, secret: str) -> str | None:
    """The id of a signed message, anything for one that came with the secret; None for what is not to be believed."""
    if row is not None and row.kind == HookKind.GENERIC:
        return signed_id(body, request.headers, hooks.signing_secret(row, services.sealing))
    return name_of(row) if hooks.knows(row, secret or _password(request)) else None


def name_of(row: HookRow | None) -> str | None:
    """Of a hook that is there."""
    return row.name if row is not None else None


def _password(request: Request) -> str:
    """Of basic authentication, whoever the user is; empty for anything else."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


async def _note_use(services: Services, row: HookRow) -> None:
    async with services.database.transaction() as session:
        await hooks.note_use(session, row.name, services.clock())


def _json(body: bytes) -> object:
    """With or without the mark that some put in front of UTF-8."""
    if any(nul in body for nul in _NUL):
        raise UnreadableWebhook("the body must not contain the NUL character")
    try:
        told = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise UnreadableWebhook("the body is no JSON") from None
    if not isinstance(told, dict):
        raise UnreadableWebhook("the body is no JSON object")
    return told


def _ordered(hook: Hook, told: object, message: str) -> TriggerEvent:
    """Whoever answers for the hook, and whom it asks for, is behind the release. Raises NotItsPipeline."""
    try:
        new = NewRelease.model_validate(told)
    except ValidationError as error:
        flaws = [{**flaw, "loc": ("body", *flaw["loc"])} for flaw in error.errors(include_url=False)]
        raise RequestValidationError(flaws) from None
    if new.pipeline not in hook.pipelines:
        raise NotItsPipeline(f"the hook {hook.name} may not release {new.pipeline}")
    people = (hook.owner, new.requested_for) if new.requested_for else (hook.owner,)
    versions = ", ".join(f"{alias} {version}" for alias, version in new.versions.items())
    return TriggerEvent(
        pipeline=new.pipeline,
        key=message_key(hook.name, message),
        kind=TriggerKind.WEBHOOK,
        via=hook.name,
        new=NewVersion(version=versions[:300], people=people),
        request=new.request,
    )


def _url(services: Services, name: str) -> str:
    return f"{services.public_url.rstrip('/')}{PREFIX}/hooks/{name}"
