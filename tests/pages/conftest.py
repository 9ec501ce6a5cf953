"""A console over a real SQLite database with a small history in it, and browsers of several people."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
import structlog
from fakes.counting_orchestrator import CountingOrchestrator
from fakes.seed import Seeded, Seeder

from api.app import create_app
from api.auth import SESSION_COOKIE
from api.services import Services
from domain.role import Role
from storage import tokens
from storage.database import Database
from storage.sealing import Sealing

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
ORIGIN = "http://testserver"


@dataclass
class Console:
    """What a test of pages works with."""

    services: Services
    orchestrator: CountingOrchestrator
    seeder: Seeder
    seeded: Seeded
    browser: Callable[..., httpx2.AsyncClient]

    async def sign_in(self, subject: str, role: Role = Role.VIEWER) -> httpx2.AsyncClient:
        """A browser with a session of this person."""
        async with self.services.database.transaction() as session:
            _, value = await tokens.issue(
                session, name="test", subject=subject, role=role, expires_at=NOW + timedelta(hours=1), now=NOW
            )
        client = self.browser()
        client.cookies.set(SESSION_COOKIE, value)
        return client


@pytest.fixture(scope="session", autouse=True)
def _short_log_lines() -> None:
    """The default prints every local variable of a traceback, which takes seconds."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer()])


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seeded]:
    """A database with the history in it, made once and copied for each test."""
    path = tmp_path_factory.mktemp("history") / "console.db"

    async def write() -> Seeded:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await database.migrate()
        seeded = await Seeder(database, NOW).write()
        await database.close()
        return seeded

    return path, asyncio.run(write())


@pytest.fixture
async def console(tmp_path: Path, history: tuple[Path, Seeded]) -> AsyncIterator[Console]:
    path, seeded = history
    shutil.copy(path, tmp_path / "console.db")
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/console.db")
    orchestrator = CountingOrchestrator(database, NOW)
    seeder = Seeder(database, NOW)
    services = Services(
        database=database,
        sealing=Sealing("00" * 32),
        orchestrator=orchestrator,
        public_url=ORIGIN,
        clock=lambda: NOW,
    )
    app = create_app(services)
    clients: list[httpx2.AsyncClient] = []

    def browser() -> httpx2.AsyncClient:
        headers = {"Accept": "text/html", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ORIGIN, headers=headers)
        clients.append(client)
        return client

    yield Console(services, orchestrator, seeder, seeded, browser)
    for client in clients:
        await client.aclose()
    await database.close()
