"""Agents: how they enrol, what they last said of themselves, and which task queues they may poll."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.matching import AgentOffer, DemandSet, missing
from domain.refusal import Kind, NotFound, Refusal
from storage.clock import Clock
from storage.database import Database
from storage.tables import AgentRow, DemandSetRow, EnrolmentTokenRow
from storage.token_hash import token_hash as hash_of
from storage.upsert import insert_new, put

ONLINE_FOR = timedelta(seconds=15)
_WANTED_IS_RENEWED_AFTER = timedelta(minutes=1)


class NameTaken(Refusal):
    """Another installation bears this agent's name and is online."""

    kind = Kind.CONFLICT


class EnrolmentRefused(Refusal):
    """The enrolment token is unknown, used or expired."""

    kind = Kind.FORBIDDEN


async def enrolment(
    session: AsyncSession, *, pool: str, created_by: str, expires_at: datetime, needs_approval: bool = False
) -> tuple[EnrolmentTokenRow, str]:
    """Make a one-time token for an agent of this pool; returns its row and its value."""
    value = "slw_enrol_" + secrets.token_urlsafe(32)
    row = EnrolmentTokenRow(
        token_hash=hash_of(value),
        pool=pool,
        created_by=created_by,
        expires_at=expires_at,
        needs_approval=needs_approval,
    )
    session.add(row)
    await session.flush()
    return row, value


async def enrol(  # noqa: PLR0913  what an agent says of itself; all are named
    session: AsyncSession,
    token_hash: str,
    *,
    name: str,
    instance_id: str,
    capabilities: Mapping[str, str],
    slots: int,
    now: datetime,
) -> AgentRow:
    """Use up the token and keep the agent, offline until its first heartbeat.

    What admins said of an agent of that name stays: its labels, its slots, its maintenance.
    Raises EnrolmentRefused, or NameTaken: another installation of that name is online, or belongs to another pool,
    whose jobs and secrets this token is not good for. Roll back on both.
    """
    pool, needs_approval = await _use_up(session, token_hash, now)
    values = {
        "name": name,
        "pool": pool,
        "is_approved": not needs_approval,
        "is_draining": False,
        "clock_ahead": None,
        "instance_id": instance_id,
        "capabilities": dict(capabilities),
        "slots": slots,
        "busy": 0,
        "version": "",
        "enrolled_at": now,
        "last_seen_at": None,
    }
    if not await insert_new(session, AgentRow, values):
        await _overwrite(session, name, instance_id, values, now)
    return await _row(session, name)


async def heartbeat(  # noqa: PLR0913  what an agent says of itself; all are named
    session: AsyncSession,
    name: str,
    instance_id: str,
    *,
    capabilities: Mapping[str, str],
    slots: int,
    busy: int,
    version: str,
    now: datetime,
    is_draining: bool = False,
    clock_ahead: float | None = None,
) -> AgentRow:
    """Keep what the agent says. Raises NameTaken while another installation is online, NotFound for a removed one."""
    values = {
        "instance_id": instance_id,
        "capabilities": dict(capabilities),
        "slots": slots,
        "busy": busy,
        "version": version,
        "last_seen_at": now,
        "is_draining": is_draining,
        "clock_ahead": clock_ahead,
    }
    await _overwrite(session, name, instance_id, values, now)
    return await _row(session, name)


async def all_agents(session: AsyncSession) -> Sequence[AgentRow]:
    """By pool and name."""
    return (await session.scalars(select(AgentRow).order_by(AgentRow.pool, AgentRow.name))).all()


async def agent(session: AsyncSession, name: str) -> AgentRow | None:
    """One agent by its name."""
    return await session.get(AgentRow, name)


async def remove(session: AsyncSession, name: str) -> bool:
    """Forget an agent; whether there was one. Its tokens are revoked by the caller."""
    gone = await session.scalar(
        delete(AgentRow)
        .where(AgentRow.name == name)
        .returning(AgentRow.name)
        .execution_options(synchronize_session=False)
    )
    return gone is not None


async def queues_for(session: AsyncSession, row: AgentRow) -> list[str]:
    """The queues of the demand sets of its pool that the agent satisfies, sorted; none while it takes no jobs."""
    if why_closed(row):
        return []
    have = capabilities_of(row)
    known = await session.scalars(
        select(DemandSetRow).where(DemandSetRow.pool == row.pool).order_by(DemandSetRow.queue)
    )
    return [wanted.queue for wanted in known if not missing(have, wanted.demands)]


def is_online(row: AgentRow, now: datetime) -> bool:
    """Whether its last heartbeat is younger than ``ONLINE_FOR``."""
    return row.last_seen_at is not None and now - row.last_seen_at < ONLINE_FOR


def capabilities_of(row: AgentRow) -> dict[str, str]:
    """What the agent says it has, and the labels that admins gave it, which win."""
    own = {name: value for name, value in row.capabilities.items() if name.lower() not in row.labels}
    return own | row.labels


def slots_of(row: AgentRow) -> int:
    """What an admin set, or else the agent's own."""
    return row.set_slots or row.slots


def why_closed(row: AgentRow) -> str:
    """Why the agent takes no new jobs though it may be online; empty when it takes them."""
    if not row.is_approved:
        return "waits for an admin's approval"
    if row.in_maintenance:
        return "is under maintenance" + (f": {row.maintenance_reason}" if row.maintenance_reason else "")
    return "is draining" if row.is_draining else ""


def status(row: AgentRow, now: datetime) -> str:
    """One word for people: what an admin should know first."""
    if not row.is_approved:
        return "waiting for approval"
    if row.in_maintenance:
        return "maintenance"
    if not is_online(row, now):
        return "offline"
    return "draining" if row.is_draining else "online"


def fits(row: AgentRow, wanted: str) -> bool:
    """Whether every word is part of its name, its pool, or one of its capabilities (``os=linux``), in any case."""
    told = [row.name, row.pool, *(f"{name}={value}" for name, value in capabilities_of(row).items())]
    return all(any(word in text.lower() for text in told) for word in wanted.lower().split())


def offer(row: AgentRow, now: datetime) -> AgentOffer:
    """The agent as a candidate for jobs. One that drained and has gone is offline, and no more."""
    online = is_online(row, now)
    has_only_drained = row.is_draining and row.is_approved and not row.in_maintenance
    return AgentOffer(
        name=row.name,
        pool=row.pool,
        capabilities=capabilities_of(row),
        is_online=online,
        closed_because="" if has_only_drained and not online else why_closed(row),
    )


class SqlAgentDirectory:
    """Agents and demand sets as workflows see them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def want(self, demands: DemandSet) -> None:
        now = self._clock()
        async with self._database.reading() as session:
            known = await session.get(DemandSetRow, demands.queue)
        if known is not None and now - known.wanted_at < _WANTED_IS_RENEWED_AFTER:
            return
        row = {"queue": demands.queue, "pool": demands.pool, "demands": list(demands.demands), "wanted_at": now}
        async with self._database.transaction() as session:
            await put(session, DemandSetRow, row)

    async def offers(self, pool: str) -> list[AgentOffer]:
        now = self._clock()
        async with self._database.reading() as session:
            found = await session.scalars(select(AgentRow).where(AgentRow.pool == pool).order_by(AgentRow.name))
            return [offer(row, now) for row in found]


async def _use_up(session: AsyncSession, token_hash: str, now: datetime) -> tuple[str, bool]:
    """The pool the token is for, and whether its agent needs approval; the token cannot be used again."""
    used = await session.execute(
        update(EnrolmentTokenRow)
        .where(
            EnrolmentTokenRow.token_hash == token_hash,
            EnrolmentTokenRow.used_at.is_(None),
            EnrolmentTokenRow.expires_at > now,
        )
        .values(used_at=now)
        .returning(EnrolmentTokenRow.pool, EnrolmentTokenRow.needs_approval)
        .execution_options(synchronize_session=False)
    )
    found = used.one_or_none()
    if found is None:
        raise EnrolmentRefused("this enrolment token is unknown, used or expired; ask an admin for a new one")
    return found.pool, found.needs_approval


async def _overwrite(
    session: AsyncSession, name: str, instance_id: str, values: Mapping[str, object], now: datetime
) -> None:
    """Write the row if this installation bears the name, or nobody does who is online or of another pool."""
    is_away = or_(AgentRow.last_seen_at.is_(None), AgentRow.last_seen_at <= now - ONLINE_FOR)
    of_this_pool = AgentRow.pool == values.get("pool", AgentRow.pool)
    written = await session.scalar(
        update(AgentRow)
        .where(AgentRow.name == name, or_(AgentRow.instance_id == instance_id, and_(is_away, of_this_pool)))
        .values(**values)
        .returning(AgentRow.name)
        .execution_options(synchronize_session=False)
    )
    if written is None:
        if await session.scalar(select(AgentRow.name).where(AgentRow.name == name)) is None:
            raise NotFound(f"there is no agent {name}; it was removed, or has not enrolled")
        raise NameTaken(
            f"another installation named {name} is online, or belongs to another pool; "
            "give this one another name, or remove that one first"
        )


async def _row(session: AsyncSession, name: str) -> AgentRow:
    found = await session.scalars(
        select(AgentRow).where(AgentRow.name == name).execution_options(populate_existing=True)
    )
    return found.one()
