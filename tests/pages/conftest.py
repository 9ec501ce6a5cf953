"""A console over a real SQLite database with a small history in it, and browsers of several people."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import pytest_asyncio
import uvicorn
from fakes.counting_orchestrator import CountingOrchestrator
from fakes.seed import DEV, LINK_KEY, Seeded, Seeder
from fakes.warm_database import recycled_file, warm_database
from fastapi import FastAPI
from playwright.async_api import Browser, async_playwright

from activities.notifications import AskApprover, DeliveryStatus, IssuedLink
from activities.records import ApprovalFact
from api.app import create_app
from api.auth import SESSION_COOKIE
from api.services import Services
from domain.approval import Approval, Moment, settle
from domain.approval_policy import ApprovalPolicy, NobodyAsked
from domain.ids import DeploymentId, split_approval_id
from domain.person import Person
from domain.release import ReleasePlan
from domain.role import Role
from storage import approvals, groups, people, releases, tokens
from storage.approvals import SqlApprovalLinks
from storage.database import Database
from storage.deliveries import SqlDeliveries, deliveries
from storage.sealing import Sealing

CHROMIUM = Path("/usr/bin/chromium")
HAS_CHROMIUM = CHROMIUM.exists()
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
    application: FastAPI

    def serving(self, **changes: Any) -> FastAPI:
        """The application, for the rest of the test with other settings."""
        self.application.state.services = replace(self.services, **changes)
        return self.application

    async def sign_in(
        self, subject: str, role: Role = Role.VIEWER, ago: timedelta = timedelta(0)
    ) -> httpx2.AsyncClient:
        """A browser with a session of this person."""
        async with self.services.database.transaction() as session:
            _, value = await tokens.issue(
                session,
                name=tokens.BROWSER_SESSION,
                subject=subject,
                role=role,
                expires_at=NOW + timedelta(hours=1),
                now=NOW - ago,
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

    async def ask_also(self, approval_id: str) -> None:
        """Let another approval wait for the same people, with the plan of the release it belongs to."""
        deployment, moment = split_approval_id(approval_id)
        async with self.services.database.reading() as session:
            row = await releases.get(session, deployment.release)
        assert row is not None
        digest = ReleasePlan.model_validate(row.plan).digest
        approval = (await self.approval()).model_copy(update={"votes": (), "digest": digest})
        fact = ApprovalFact(approval_id=approval_id, deployment=str(deployment), moment=moment, approval=approval)
        await self.seeder.say(deployment.workflow_id, timedelta(0), fact)

    async def record_automatic(self, stage: str) -> None:
        """The record of an approval of this stage that nobody is asked for."""
        deployment = DeploymentId(release=self.seeded.release, stage=stage, attempt=1)
        policy = NobodyAsked()
        approval = settle(Approval(policy=policy, asked=(), digest="", requesters=(DEV,), opened_at=NOW), NOW)
        fact = ApprovalFact(
            approval_id=f"{deployment}/before", deployment=str(deployment), moment=Moment.BEFORE, approval=approval
        )
        await self.seeder.say(deployment.workflow_id, timedelta(0), fact)

    async def mailed(self, person: str, status: str, reason: str = "") -> None:
        """What the mail service told of this person's mail."""
        async with self.services.database.reading() as session:
            rows = await deliveries(session, self.seeded.approval_id)
        row = next(row for row in rows if row.person == person)
        await SqlDeliveries(self.services.database).told(row.id, DeliveryStatus(status), reason)

    async def know(self, address: str, *also: str) -> None:
        """A person with further addresses."""
        async with self.services.database.transaction() as session:
            await people.put(session, Person(address=address, also=also), NOW)

    async def request_for(self, person: str) -> None:
        """Let the release that is under way have been requested for this person."""
        async with self.services.database.transaction() as session:
            row = await releases.get(session, self.seeded.release)
            assert row is not None
            row.plan = row.plan | {"requested_for": person}

    async def put_group(self, name: str, members: tuple[str, ...]) -> None:
        async with self.services.database.transaction() as session:
            await groups.put(session, name, members)

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of the pages share an event loop, as a Chromium belongs to one, and starting one takes seconds."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A real Chromium, where one is installed."""
    if not HAS_CHROMIUM:
        pytest.skip("needs chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def address(console) -> AsyncIterator[str]:
    """The console behind a real HTTP server."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = console.serving(public_url=url)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield url
    server.should_exit = True
    await serving


@pytest.fixture(scope="session")
def application() -> FastAPI:
    """Made once, which takes a while; each test puts services of its own into it."""
    return create_app(cast("Services", None))


@pytest_asyncio.fixture(loop_scope="session")
async def console(history: tuple[Path, Seeded], application: FastAPI) -> AsyncIterator[Console]:
    path, seeded = history
    with recycled_file(path) as file:
        async with (
            warm_database(f"sqlite:///{file}") as database,
            _console_on(database, seeded, application) as console,
        ):
            yield console


@asynccontextmanager
async def _console_on(database: Database, seeded: Seeded, application: FastAPI) -> AsyncIterator[Console]:
    orchestrator = CountingOrchestrator(database, NOW)
    seeder = Seeder(database, NOW)
    services = Services(
        database=database,
        sealing=Sealing("00" * 32),
        orchestrator=orchestrator,
        public_url=ORIGIN,
        clock=lambda: NOW,
    )
    application.state.services = services
    clients: list[httpx2.AsyncClient] = []

    def browser() -> httpx2.AsyncClient:
        headers = {"Accept": "text/html", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application), base_url=ORIGIN, headers=headers)
        clients.append(client)
        return client

    yield Console(services, orchestrator, seeder, seeded, browser, application)
    for client in clients:
        await client.aclose()
