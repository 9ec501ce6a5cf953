"""INSERT .. ON CONFLICT, spelt once for both databases. All statements are safe to run twice.

Statements are built once for each table and set of columns, and take their values as parameters, so that
SQLAlchemy compiles each of them once.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

Values = Mapping[str, Any]
_Insert = sqlite.Insert | postgresql.Insert


async def insert_new(session: AsyncSession, row: type[DeclarativeBase], values: Values) -> bool:
    """Insert unless a row with one of its unique keys exists; whether it was inserted."""
    result = await session.execute(_insert_unless_there(_dialect(session), _table(row)), dict(values))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


async def put(session: AsyncSession, row: type[DeclarativeBase], *values: Values, keep: Sequence[str] = ()) -> None:
    """Insert the rows, or write their values into the rows of the same primary key, leaving ``keep`` as it is there.

    All rows name the same columns, and no two the same key.
    """
    if values:
        statement = _insert_or_update(_dialect(session), _table(row), tuple(values[0]), tuple(keep))
        await session.execute(statement, [dict(one) for one in values])


@lru_cache(maxsize=200)
def _insert_unless_there(dialect: str, table: Table) -> _Insert:
    return _insert_into(dialect, table).on_conflict_do_nothing()


@lru_cache(maxsize=200)
def _insert_or_update(dialect: str, table: Table, columns: tuple[str, ...], keep: tuple[str, ...]) -> _Insert:
    key = [column.name for column in table.primary_key]
    insert = _insert_into(dialect, table)
    changed = {name: insert.excluded[name] for name in columns if name not in key and name not in keep}
    if not changed:
        return insert.on_conflict_do_nothing()
    return insert.on_conflict_do_update(index_elements=key, set_=changed)


def _insert_into(dialect: str, table: Table) -> _Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _dialect(session: AsyncSession) -> str:
    return session.get_bind().dialect.name


def _table(row: type[DeclarativeBase]) -> Table:
    table = row.__table__
    assert isinstance(table, Table)
    return table
