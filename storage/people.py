"""People and their further addresses (aliases). An address belongs to one person at most.

Who is not in the tables is a person all the same, with the one address.
"""

from datetime import datetime

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.person import Person, spelled
from domain.refusal import Kind, Refusal
from storage.tables import PersonAliasRow, PersonRow
from storage.upsert import put as put_row


class AddressTaken(Refusal):
    """An address is given to a person that is somebody else's."""

    kind = Kind.CONFLICT


async def put(session: AsyncSession, person: Person, now: datetime) -> Person:
    """Keep the person with exactly these aliases; returns them as they are spelt. Raises AddressTaken.

    A new address with the old one among its aliases renames the person.
    """
    address = spelled(person.address)
    also = tuple(sorted({spelled(alias) for alias in person.also} - {address}))
    await _lock(session)
    renamed = await _renamed(session, address, also)
    await put_row(session, PersonRow, {"address": address, "name": person.name.strip(), "updated_at": now})
    await _forget_aliases(session, renamed or address)
    if renamed is not None:
        await session.execute(delete(PersonRow).where(PersonRow.address == renamed))
    await put_row(session, PersonAliasRow, *({"alias": alias, "person": address} for alias in also))
    return Person(address=address, name=person.name.strip(), also=also)


async def get(session: AsyncSession, address: str) -> Person | None:
    """The person who is kept under this address or has it as an alias."""
    wanted = spelled(address)
    owner = await session.scalar(select(PersonAliasRow.person).where(PersonAliasRow.alias == wanted))
    row = await session.get(PersonRow, owner or wanted)
    if row is None:
        return None
    also = await session.scalars(
        select(PersonAliasRow.alias).where(PersonAliasRow.person == row.address).order_by(PersonAliasRow.alias)
    )
    return Person(address=row.address, name=row.name, also=tuple(also))


async def person(session: AsyncSession, address: str) -> Person:
    """Whose address this is; an unknown one is a person's of its own."""
    return await get(session, address) or Person(address=spelled(address))


async def all_people(session: AsyncSession) -> list[Person]:
    """By address."""
    also: dict[str, list[str]] = {}
    for alias, address in (await primary_of(session)).items():
        also.setdefault(address, []).append(alias)
    rows = await session.scalars(select(PersonRow).order_by(PersonRow.address))
    return [Person(address=row.address, name=row.name, also=tuple(also.get(row.address, ()))) for row in rows]


async def primary_of(session: AsyncSession) -> dict[str, str]:
    """The address that each alias stands for."""
    rows = await session.execute(select(PersonAliasRow.alias, PersonAliasRow.person).order_by(PersonAliasRow.alias))
    return dict(rows.all())


async def remove(session: AsyncSession, address: str) -> bool:
    """Forget a person and their aliases; whether they were known under this address."""
    wanted = spelled(address)
    await _lock(session)
    await _forget_aliases(session, wanted)
    gone = await session.scalar(
        delete(PersonRow)
        .where(PersonRow.address == wanted)
        .returning(PersonRow.address)
        .execution_options(synchronize_session=False)
    )
    return gone is not None


async def _renamed(session: AsyncSession, address: str, also: tuple[str, ...]) -> str | None:
    """The known person whose address becomes another one; raises AddressTaken for what is somebody else's."""
    addresses = (address, *also)
    known = set(await session.scalars(select(PersonRow.address).where(PersonRow.address.in_(addresses))))
    aliases = await session.execute(
        select(PersonAliasRow.alias, PersonAliasRow.person).where(PersonAliasRow.alias.in_(addresses))
    )
    owners = dict(aliases.all()) | {one: one for one in known}
    mine = address if address in known else next((one for one in also if one in known), address)
    for one in addresses:
        if owners.get(one, mine) != mine:
            raise AddressTaken(f"{one} belongs to {owners[one]}; take it from them first")
    return mine if mine != address else None


async def _forget_aliases(session: AsyncSession, address: str) -> None:
    await session.execute(
        delete(PersonAliasRow).where(PersonAliasRow.person == address).execution_options(synchronize_session=False)
    )


async def _lock(session: AsyncSession) -> None:
    """Let one writer at a time decide whose an address is; SQLite's BEGIN IMMEDIATE does so already."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("LOCK TABLE people IN SHARE ROW EXCLUSIVE MODE"))
