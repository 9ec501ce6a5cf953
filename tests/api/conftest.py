"""The application on a real database, and the people and agents who call it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from fakes.api_world import World, api_world, warm_world
from fakes.postgres import PostgresServer
from fakes.warm_database import recycled_file

from domain.role import Role
from storage.database import Database
from storage.tables import Table

_EMPTY_ALL_TABLES = ";".join(f'DELETE FROM "{table.name}"' for table in reversed(Table.metadata.sorted_tables))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest revision, made once, to be copied."""

    async def make(file: Path) -> None:
        database = Database(f"sqlite+aiosqlite:///{file}")
        await database.migrate()
        await database.close()

    file = tmp_path_factory.mktemp("api") / "migrated.db"
    asyncio.run(make(file))
    return file


@pytest.fixture
async def world(migrated: Path) -> AsyncIterator[World]:
    async with api_world(migrated) as made:
        yield made


@pytest.fixture(scope="session")
def url_of_postgres(postgres: PostgresServer) -> str:
    """One database of PostgreSQL at its newest revision, which the tests share; made once."""
    url = postgres.url("api")

    async def make() -> None:
        await postgres.execute("CREATE DATABASE api")
        database = Database(url)
        await database.migrate()
        await database.close()

    asyncio.run(make())
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url_of_either(request: pytest.FixtureRequest, migrated: Path) -> Iterator[str]:
    """The address of a database without any row."""
    if request.param == "sqlite":
        with recycled_file(migrated) as file:
            yield f"sqlite:///{file}"
        return
    url: str = request.getfixturevalue("url_of_postgres")
    server: PostgresServer = request.getfixturevalue("postgres")
    asyncio.run(server.execute(_EMPTY_ALL_TABLES, database="api"))
    yield url


@pytest.fixture
async def either_world(url_of_either: str) -> AsyncIterator[World]:
    """For what the two databases might see differently."""
    async with warm_world(url_of_either) as made:
        yield made


@pytest.fixture
async def releaser(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.calling(Role.RELEASER) as client:
        yield client


@pytest.fixture
async def approver(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.calling(Role.APPROVER) as client:
        yield client


@pytest.fixture
async def viewer(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.calling(Role.VIEWER) as client:
        yield client


@pytest.fixture
async def admin(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.calling(Role.ADMIN) as client:
        yield client


@pytest.fixture
async def agent(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.calling(Role.AGENT) as client:
        yield client
