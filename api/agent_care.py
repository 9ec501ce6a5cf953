"""What admins say of agents over HTTP: labels, slots, maintenance, approval."""

from typing import Annotated

import structlog
from fastapi import APIRouter
from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from api.agents import Slots
from api.auth import Admin, Caller
from api.errors import documented
from api.inputs import Body, Slug
from api.queries import agent_view
from api.services import Services, ServicesHere
from api.views import AgentView
from domain.pipeline import CAPABILITY_PATTERN
from storage import agent_care, deployments
from storage.tables import AgentRow

router = APIRouter(prefix="/agents/{name}", tags=["agents"], responses=documented(401, 403, 404, 422))
_log = structlog.get_logger("slipway.api")


def _told_apart(labels: dict[str, str]) -> dict[str, str]:
    if len({name.lower() for name in labels}) < len(labels):
        message = "upper and lower case are the same; two labels have one name"
        raise ValueError(message)
    return labels


LabelName = Annotated[str, StringConstraints(pattern=CAPABILITY_PATTERN)]
Labels = Annotated[
    dict[LabelName, Annotated[str, StringConstraints(max_length=200)]],
    Field(max_length=100),
    AfterValidator(_told_apart),
]


class AgentLabels(Body):
    """All labels of an agent: capabilities that go before its own. A label may have no value."""

    labels: Labels


class Maintenance(Body):
    """Whether an agent is out for maintenance, and why."""

    on: bool
    reason: str = Field(default="", max_length=500)


class AgentSlots(Body):
    """How many jobs an agent runs at once; null for its own setting."""

    slots: Slots | None


@router.put("/labels", operation_id="label_agent", summary="Give an agent labels")
async def label_agent(name: Slug, new: AgentLabels, caller: Admin, services: ServicesHere) -> AgentView:
    """They replace those it had, and are kept when the agent enrols anew."""
    async with services.database.transaction() as session:
        row = await agent_care.label(session, name, new.labels)
        return await _told(session, services, row, caller, "labelled")


@router.put("/maintenance", operation_id="maintain_agent", summary="Take an agent out for maintenance, or back")
async def maintain_agent(name: Slug, new: Maintenance, caller: Admin, services: ServicesHere) -> AgentView:
    """It takes no new jobs from its next heartbeat on; what runs goes on."""
    async with services.database.transaction() as session:
        row = await agent_care.maintain(session, name, on=new.on, reason=new.reason)
        return await _told(session, services, row, caller, "taken out" if new.on else "taken back")


@router.put("/slots", operation_id="set_agent_slots", summary="Say how many jobs an agent runs at once")
async def set_agent_slots(name: Slug, new: AgentSlots, caller: Admin, services: ServicesHere) -> AgentView:
    """The agent learns it with its next heartbeat. With fewer slots, what runs goes on."""
    async with services.database.transaction() as session:
        row = await agent_care.set_slots(session, name, new.slots)
        return await _told(session, services, row, caller, "given slots")


@router.post("/approval", operation_id="approve_agent", summary="Let an agent take jobs that waits for approval")
async def approve_agent(name: Slug, caller: Admin, services: ServicesHere) -> AgentView:
    """Once is enough; to shut it out again, remove it."""
    async with services.database.transaction() as session:
        row = await agent_care.approve(session, name)
        return await _told(session, services, row, caller, "approved")


async def _told(session: AsyncSession, services: Services, row: AgentRow, caller: Caller, what: str) -> AgentView:
    _log.info(f"agent {what}", agent=row.name, by=caller.subject)
    return agent_view(row, await deployments.jobs_of_agents(session, [row.name]), services)
