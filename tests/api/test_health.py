"""Health: what a load balancer and an operator ask."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from fakes.api_world import World

from storage.database import Database

ROOT = "http://slipway.test"


@pytest.fixture
async def gone(tmp_path: Path, eventually: Callable[..., Awaitable[None]]) -> AsyncIterator[Database]:
    """A database that cannot be opened. The driver's thread outlives the attempt by a moment."""
    before = set(threading.enumerate())
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'slipway.db'}")
    yield database
    await database.close()
    await eventually(lambda: not [t for t in set(threading.enumerate()) - before if "_connection_worker" in t.name])


async def test_a_process_that_lives_says_so(world: World) -> None:
    """Whatever else is down."""
    world.orchestrator.is_reachable = False
    async with world.calling() as nobody:
        assert {"status": "ok"} == (await nobody.get(f"{ROOT}/healthz")).json()
        assert "version" in (await nobody.get(f"{ROOT}/version")).json()


async def test_a_process_that_can_work_says_so(world: World) -> None:
    """Database, schema and Temporal."""
    async with world.calling() as nobody:
        answer = await nobody.get(f"{ROOT}/readyz")
    assert (200, {"database": "ok", "migrations": "ok", "temporal": "ok"}) == (
        answer.status_code,
        answer.json()["parts"],
    )


async def test_what_is_down_is_named(world: World, gone: Database, tmp_path: Path) -> None:
    """503, and each part for itself."""
    world.orchestrator.is_reachable = False
    empty = Database(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    async with world.with_services(database=empty).calling() as nobody:
        fresh = await nobody.get(f"{ROOT}/readyz")
    await empty.close()
    async with world.with_services(database=gone).calling() as nobody:
        broken = await nobody.get(f"{ROOT}/readyz")
    assert (503, {"database": "ok", "migrations": "failed", "temporal": "failed"}) == (
        fresh.status_code,
        fresh.json()["parts"],
    )
    assert (503, {"database": "failed", "migrations": "failed", "temporal": "failed"}) == (
        broken.status_code,
        broken.json()["parts"],
    )


async def test_a_database_that_cannot_be_opened_is_unavailable(world: World, gone: Database) -> None:
    """Any route answers 503 then, and says no more."""
    async with world.with_services(database=gone).client({"Authorization": "Bearer slw_x"}) as client:
        answer = await client.get("/releases")
    assert (503, "5", "DatabaseUnavailable") == (
        answer.status_code,
        answer.headers["retry-after"],
        answer.json()["error"],
    )
    assert "nowhere" not in answer.text
