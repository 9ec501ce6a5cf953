"""The application on a real SQLite file, and the people and agents who call it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fakes.api_world import World, api_world

from domain.role import Role
from storage.database import Database


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
async def world(tmp_path: Path, migrated: Path) -> AsyncIterator[World]:
    async with api_world(tmp_path, migrated) as made:
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
