"""INSERT .. ON CONFLICT, spelt once for both databases. All statements are safe to run twice."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

Values = Mapping[str, Any]


async def insert_new(session: AsyncSession, row: type[DeclarativeBase], values: Values) -> bool:
    """Insert unless a row with one of its unique keys exists; whether it was inserted."""
    statement = _insert_into(session, _table(row)).values(values).on_conflict_do_nothing()
    result = await session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


async def put(session: AsyncSession, row: type[DeclarativeBase], *values: Values, keep: Sequence[str] = ()) -> None:
    """Insert the rows, or write their values into the rows of the same primary key, leaving ``keep`` as it is there.

    All rows name the same columns, and no two the same key.
    """
    if not values:
        return
    table = _table(row)
    key = [column.name for column in table.primary_key]
    insert = _insert_into(session, table).values(list(values))
    changed = {name: insert.excluded[name] for name in values[0] if name not in key and name not in keep}
    if changed:
        await session.execute(insert.on_conflict_do_update(index_elements=key, set_=changed))
    else:
        await session.execute(insert.on_conflict_do_nothing())


def _insert_into(session: AsyncSession, table: Table) -> sqlite.Insert | postgresql.Insert:
    dialect = session.get_bind().dialect.name
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _table(row: type[DeclarativeBase]) -> Table:
    table = row.__table__
    assert isinstance(table, Table)
    return table
