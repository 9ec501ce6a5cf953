"""One database, SQLite or PostgreSQL: sessions that write, sessions that only read, and the schema's state.

On SQLite every writing transaction starts with BEGIN IMMEDIATE. A transaction that reads first and asks for the
write lock later is refused at once when another wrote in between, however long the busy timeout is.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from sqlite3 import OperationalError
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import ORMExecuteState, Session

from storage import schema

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_PRAGMAS = (
    "PRAGMA busy_timeout = 10000",  # first: turning to WAL needs a lock, too
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)
_LONGEST_TURN_SECONDS = 30


class ReadOnlySession(Session):
    """A session that refuses to write, on both databases alike."""


class WroteWhileReading(Exception):  # noqa: N818  reads as what happened
    """A query of ours writes, and was given a session that only reads."""


@event.listens_for(ReadOnlySession, "before_flush")
def _refuse_flush(session: Session, *_: object) -> None:
    if session.new or session.dirty or session.deleted:
        raise WroteWhileReading("this session only reads; use Database.transaction()")


@event.listens_for(ReadOnlySession, "do_orm_execute")
def _refuse_statement(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        raise WroteWhileReading("this session only reads; use Database.transaction()")


class Database:
    """Owns the connections. Belongs to one event loop."""

    def __init__(self, url: str) -> None:
        address = _with_driver(url)
        self.is_sqlite = address.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(address) if self.is_sqlite else _postgresql_engine(address)
        # The writers of one process queue here, in order, rather than poll the file lock against each other.
        self._turn: AbstractAsyncContextManager[Any] = asyncio.Lock() if self.is_sqlite else nullcontext()
        self._writing = async_sessionmaker(self._writing_engine(), expire_on_commit=False, info={"writes": True})
        self._reading = async_sessionmaker(
            self._reading_engine(), expire_on_commit=False, sync_session_class=ReadOnlySession
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that writes: committed at the end, rolled back on any error. Do not nest."""
        async with self._my_turn(), self._writing() as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that reads one consistent snapshot and refuses to write."""
        async with self._reading() as session:
            yield session

    async def migrate(self) -> None:
        """Bring the schema to the newest revision; safe when several processes start at once."""
        async with self._my_turn(), self._writing_engine().begin() as connection:
            await connection.run_sync(schema.upgrade)

    async def is_at_head(self) -> bool:
        """Whether the schema is the one this version of the program was written for."""
        async with self._engine.connect() as connection:
            return await connection.run_sync(schema.is_at_head)

    async def close(self) -> None:
        await self._engine.dispose()

    def _writing_engine(self) -> AsyncEngine:
        return self._engine.execution_options(writes=True) if self.is_sqlite else self._engine

    def _reading_engine(self) -> AsyncEngine:
        if self.is_sqlite:
            return self._engine
        return self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        async with asyncio.timeout(_LONGEST_TURN_SECONDS) as waiting, self._turn:
            waiting.reschedule(None)
            yield


def _with_driver(url: str) -> URL:
    """Accept ``postgresql://`` and ``sqlite:///`` as people write them; the async drivers are our business."""
    address = make_url(url)
    return address.set(drivername=_DRIVERS.get(address.drivername, address.drivername))


def _sqlite_engine(address: URL) -> AsyncEngine:
    # isolation_level None keeps the driver from starting transactions itself: BEGIN is ours to say.
    engine = create_async_engine(address, hide_parameters=True, connect_args={"isolation_level": None})

    @event.listens_for(engine.sync_engine, "connect")
    def _set_pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "invalidate")
    def _roll_back(connection: Any, _record: object, _error: object) -> None:
        # SQLite closes a connection for real, and gives its write lock back, only when no statement of it is left; one
        # that was cancelled in the middle may be kept by its traceback.
        with suppress(OperationalError):
            connection.rollback()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql_engine(address: URL) -> AsyncEngine:
    return create_async_engine(
        address,
        hide_parameters=True,
        pool_pre_ping=True,  # a restarted server is found before a statement fails
        pool_size=10,
        max_overflow=20,
        connect_args={"timeout": 10, "command_timeout": 60},
    )
