"""What admins say of agents: their labels, their slots, whether they are let in, or out for maintenance."""

from collections.abc import Mapping

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.refusal import NotFound
from storage.tables import AgentRow


class NoSuchAgent(NotFound):
    """There is no agent of that name."""


async def label(session: AsyncSession, name: str, labels: Mapping[str, str]) -> AgentRow:
    """Replace the labels; names are kept in lower case. Raises NoSuchAgent, like all here."""
    return await _changed(session, name, labels={label.lower(): value for label, value in labels.items()})


async def set_slots(session: AsyncSession, name: str, slots: int | None) -> AgentRow:
    """Go before the agent's own number; None for that one again."""
    return await _changed(session, name, set_slots=slots)


async def maintain(session: AsyncSession, name: str, *, on: bool, reason: str) -> AgentRow:
    """While it is on, the agent takes no new jobs; what runs goes on."""
    return await _changed(session, name, in_maintenance=on, maintenance_reason=reason if on else "")


async def approve(session: AsyncSession, name: str) -> AgentRow:
    """Let the agent take jobs."""
    return await _changed(session, name, is_approved=True)


async def _changed(session: AsyncSession, name: str, **values: object) -> AgentRow:
    found = await session.scalars(
        update(AgentRow)
        .where(AgentRow.name == name)
        .values(**values)
        .returning(AgentRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    row = found.one_or_none()
    if row is None:
        raise NoSuchAgent(f"there is no agent {name}")
    return row
