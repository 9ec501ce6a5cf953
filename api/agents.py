"""Agents over HTTP: let one in, hear from it, list them, remove one."""

from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from api.auth import PUBLIC, Admin, AgentCaller, needs
from api.errors import documented
from api.inputs import Body, SecretText, Slug, SlugText
from api.queries import agent_views
from api.services import ServicesHere
from api.views import AgentView, EnrolledView, EnrolmentView, PulseView
from domain.role import Role
from storage import agents, tokens
from storage.agent_care import NoSuchAgent
from storage.token_hash import token_hash

router = APIRouter(tags=["agents"], responses=documented(401, 403, 422))
_ENROLMENT_IS_GOOD_FOR = timedelta(hours=24)
_CREDENTIAL_IS_GOOD_FOR = timedelta(days=365)
_log = structlog.get_logger("slipway.api")

InstanceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
Capability = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Capabilities = Annotated[dict[Capability, Annotated[str, StringConstraints(max_length=1000)]], Field(max_length=500)]
Slots = Annotated[int, Field(ge=1, le=256)]
Search = Annotated[
    str, Query(max_length=200, description="Words, each part of the name, the pool or a capability such as os=linux.")
]


class NewEnrolment(Body):
    """The pool the agent will belong to, and whether it waits for an admin's approval before it takes jobs."""

    pool: SlugText = "default"
    needs_approval: bool = False


class Enrolment(Body):
    """What a new agent says of itself. ``instance_id`` is drawn once by each installation."""

    token: SecretText
    name: SlugText
    instance_id: InstanceId
    capabilities: Capabilities = Field(default_factory=dict)
    slots: Slots = 1


class Pulse(Body):
    """What an agent says of itself every few seconds. A newer agent may say more."""

    model_config = ConfigDict(extra="ignore")
    instance_id: InstanceId
    capabilities: Capabilities
    slots: Slots
    busy: Annotated[int, Field(ge=0, le=256)] = 0
    version: str = Field(default="", max_length=40)
    is_draining: bool = False
    sent_at: AwareDatetime | None = Field(default=None, description="By the agent's own clock.")


@router.post(
    "/agents/enrolment-tokens",
    status_code=201,
    operation_id="create_enrolment_token",
    summary="Make a one-time token that lets an agent in",
)
async def create_enrolment_token(new: NewEnrolment, caller: Admin, services: ServicesHere) -> EnrolmentView:
    """Good once, for 24 hours."""
    expires_at = services.clock() + _ENROLMENT_IS_GOOD_FOR
    async with services.database.transaction() as session:
        _, value = await agents.enrolment(
            session,
            pool=new.pool,
            created_by=caller.subject,
            expires_at=expires_at,
            needs_approval=new.needs_approval,
        )
    return EnrolmentView(token=value, pool=new.pool, expires_at=expires_at, needs_approval=new.needs_approval)


@router.post(
    "/agents/enrol",
    status_code=201,
    dependencies=[PUBLIC],
    operation_id="enrol_agent",
    summary="Enrol an agent with a one-time token",
    responses=documented(409),
)
async def enrol_agent(new: Enrolment, services: ServicesHere) -> EnrolledView:
    """Of several that use the same token one gets in. Earlier credentials of that name are revoked."""
    now = services.clock()
    async with services.database.transaction() as session:
        row = await agents.enrol(
            session,
            token_hash(new.token.get_secret_value()),
            name=new.name,
            instance_id=new.instance_id,
            capabilities=new.capabilities,
            slots=new.slots,
            now=now,
        )
        await tokens.revoke_all_of(session, new.name, Role.AGENT, now)
        _, credential = await tokens.issue(
            session,
            name=f"agent {new.name}",
            subject=new.name,
            role=Role.AGENT,
            expires_at=now + _CREDENTIAL_IS_GOOD_FOR,
            now=now,
        )
    _log.info("agent enrolled", agent=new.name, pool=row.pool)
    return EnrolledView(name=row.name, pool=row.pool, credential=credential)


@router.post(
    "/agent/heartbeat",
    operation_id="agent_heartbeat",
    summary="Say that an agent is there",
    responses=documented(404, 409),
)
async def agent_heartbeat(pulse: Pulse, caller: AgentCaller, services: ServicesHere) -> PulseView:
    """The answer names the task queues to poll. Nothing is decided by the agent's clock."""
    now = services.clock()
    async with services.database.transaction() as session:
        row = await agents.heartbeat(
            session,
            caller.subject,
            pulse.instance_id,
            capabilities=pulse.capabilities,
            slots=pulse.slots,
            busy=pulse.busy,
            version=pulse.version,
            is_draining=pulse.is_draining,
            clock_ahead=(pulse.sent_at - now).total_seconds() if pulse.sent_at else None,
            now=now,
        )
        queues = await agents.queues_for(session, row)
    return PulseView(pool=row.pool, queues=queues, slots=agents.slots_of(row), server_time=now)


@router.get("/agents", dependencies=[needs(Role.VIEWER)], operation_id="list_agents", summary="List agents")
async def list_agents(services: ServicesHere, q: Search = "") -> list[AgentView]:
    """By pool and name."""
    async with services.database.reading() as session:
        return await agent_views(session, services, q)


@router.delete(
    "/agents/{name}",
    status_code=204,
    operation_id="remove_agent",
    summary="Remove an agent",
    responses=documented(404),
)
async def remove_agent(name: Slug, caller: Admin, services: ServicesHere) -> None:
    """Its credentials are refused from now on; what it runs is lost."""
    async with services.database.transaction() as session:
        if not await agents.remove(session, name):
            raise NoSuchAgent(f"there is no agent {name}")
        await tokens.revoke_all_of(session, name, Role.AGENT, services.clock())
    _log.info("agent removed", agent=name, by=caller.subject)
