"""Groups of people who may answer for each other. A release freezes the members it was made with."""

from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.person import spelled
from storage.tables import GroupRow
from storage.upsert import put as put_row


async def put(session: AsyncSession, name: str, members: Iterable[str]) -> None:
    """Keep the group with exactly these members, each once, in their order."""
    people = dict.fromkeys(spelled(member) for member in members)
    await put_row(session, GroupRow, {"name": name, "members": list(people)})


async def get(session: AsyncSession, name: str) -> tuple[str, ...] | None:
    """Its members; None when there is no such group."""
    row = await session.get(GroupRow, name)
    return None if row is None else tuple(row.members)


async def all_groups(session: AsyncSession) -> dict[str, tuple[str, ...]]:
    """Members by group, sorted by name."""
    rows = await session.execute(select(GroupRow.name, GroupRow.members).order_by(GroupRow.name))
    return {name: tuple(members) for name, members in rows}


async def remove(session: AsyncSession, name: str) -> bool:
    """Forget a group; whether there was one."""
    gone = await session.scalar(
        delete(GroupRow)
        .where(GroupRow.name == name)
        .returning(GroupRow.name)
        .execution_options(synchronize_session=False)
    )
    return gone is not None
