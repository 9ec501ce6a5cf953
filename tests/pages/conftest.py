"""A console over a real SQLite database with a small history in it, and browsers of several people."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
import structlog
import uvicorn
from fakes.counting_orchestrator import CountingOrchestrator
from fakes.seed import DEV, LINK_KEY, Seeded, Seeder
from playwright.async_api import Browser, async_playwright

from activities.notifications import AskApprover, IssuedLink
from activities.records import ApprovalFact
from api.app import create_app
from api.auth import SESSION_COOKIE
from api.services import Services
from domain.approval import Approval
from domain.approval_policy import ApprovalPolicy
from domain.ids import split_approval_id
from domain.role import Role
from storage import approvals, tokens
from storage.approvals import SqlApprovalLinks
from storage.database import Database
from storage.sealing import Sealing

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
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
                session,
                name=tokens.BROWSER_SESSION,
                subject=subject,
                role=role,
                expires_at=NOW + timedelta(hours=1),
                now=NOW,
            )
        client = self.browser()
        client.cookies.set(SESSION_COOKIE, value)
        return client

    async def approval(self) -> Approval:
        """The one that waits, as the tables have it."""
        async with self.services.database.reading() as session:
            row = await approvals.get(session, self.seeded.approval_id)
        assert row is not None
        return Approval.model_validate(row.approval)

    async def become(self, approval: Approval) -> None:
        """Let the approval that waits be this one."""
        deployment, moment = split_approval_id(self.seeded.approval_id)
        fact = ApprovalFact(
            approval_id=self.seeded.approval_id, deployment=str(deployment), moment=moment, approval=approval
        )
        await self.seeder.say(deployment.workflow_id, timedelta(0), fact)

    async def ask(self, **policy: object) -> None:
        """Let its policy be another one in these points."""
        approval = await self.approval()
        changed = ApprovalPolicy.model_validate(approval.policy.model_dump() | policy)
        await self.become(approval.model_copy(update={"policy": changed}))

    async def mail(self, person: str, **other: object) -> IssuedLink:
        """A link for this person, as it stands in their mail; its address is a path."""
        asked = (await self.approval()).asked
        place = next((one for one in asked if person in one.people), None)
        ask = AskApprover(
            **{
                "approval_id": self.seeded.approval_id,
                "approver": place.approver if place else person,
                "members": (person,),
                "release_name": "webshop-41",
                "pipeline": "webshop",
                "stage": "prod-eu",
                "moment": "before",
                "requested_by": DEV,
                "digest": "",
                "expires_at": NOW + timedelta(days=3),
            }
            | other
        )
        return await SqlApprovalLinks(self.services.database, LINK_KEY, "", lambda: NOW).issue(ask, person)


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
async def browser() -> AsyncIterator[Browser]:
    """A real Chromium, where one is installed."""
    if not CHROMIUM.exists():
        pytest.skip("needs chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture
async def address(console) -> AsyncIterator[str]:
    """The console behind a real HTTP server."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(replace(console.services, public_url=url))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield url
    server.should_exit = True
    await serving


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
