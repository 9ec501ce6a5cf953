"""Groups of people who may answer for each other. A release freezes the members it was made with."""

from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.approvals import as_person
from storage.tables import GroupRow
from storage.upsert import put as put_row


async def put(session: AsyncSession, name: str, members: Iterable[str]) -> None:
    """Keep the group with exactly these members, each once, in their order."""
    people = dict.fromkeys(as_person(member) for member in members)
    await put_row(session, GroupRow, {"name": name, "members": list(people)})


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
