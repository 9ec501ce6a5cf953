"""Named connections to other systems; their tokens are sealed and bound to name and address."""

from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connection import Connection, ConnectionKind
from storage.database import Database
from storage.sealing import Sealing
from storage.tables import ConnectionRow
from storage.upsert import put as put_row


async def put(session: AsyncSession, sealing: Sealing, connection: Connection, now: datetime) -> None:
    """Keep the connection, instead of the one of that name before."""
    sealed = sealing.seal(connection.token.get_secret_value().encode(), _row(connection.name, connection.url))
    row = connection.model_dump(exclude={"token"}) | {"sealed_token": sealed, "updated_at": now}
    await put_row(session, ConnectionRow, row)


async def all_connections(session: AsyncSession) -> list[Connection]:
    """By name, without their tokens."""
    rows = await session.scalars(select(ConnectionRow).order_by(ConnectionRow.name))
    return [_connection(row, "") for row in rows]


async def remove(session: AsyncSession, name: str) -> bool:
    """Forget a connection; whether there was one."""
    gone = await session.scalar(
        delete(ConnectionRow)
        .where(ConnectionRow.name == name)
        .returning(ConnectionRow.name)
        .execution_options(synchronize_session=False)
    )
    return gone is not None


class SqlConnections:
    """Connections ready to use, for those who speak to the other systems."""

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._database = database
        self._sealing = sealing

    async def connection(self, name: str) -> Connection | None:
        """Raises SealBroken when the row was changed by other hands."""
        async with self._database.reading() as session:
            row = await session.get(ConnectionRow, name)
        if row is None:
            return None
        return _connection(row, self._sealing.open(row.sealed_token, _row(row.name, row.url)).decode())


def _connection(row: ConnectionRow, token: str) -> Connection:
    kind = ConnectionKind(row.kind)
    return Connection(name=row.name, kind=kind, url=row.url, user=row.user, token=SecretStr(token), ca=row.ca)


def _row(name: str, url: str) -> str:
    """The address is part of it: who can write rows cannot have a token sent elsewhere."""
    return f"connections/{name}/{url}"
