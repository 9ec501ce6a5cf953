"""The application on a real database with an orchestrator in memory, and people and agents who call it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import httpx2
from fakes.orchestrator import FakeOrchestrator
from fakes.warm_database import recycled_file, warm_database
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from activities.records import Entry, Fact
from api.app import create_app
from api.services import Services
from domain.pipeline import Pipeline
from domain.role import Role
from storage import pipelines, tokens
from storage.database import Database
from storage.records import SqlRecords
from storage.sealing import Sealing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOOTSTRAP = "bootstrap-token-of-this-test"
PEOPLE = {
    Role.ADMIN: "adam@example.com",
    Role.RELEASE_MANAGER: "mona@example.com",
    Role.RELEASER: "rita@example.com",
    Role.APPROVER: "ana@example.com",
    Role.VIEWER: "vera@example.com",
    Role.AGENT: "web-1",
}
PIPELINE = {
    "pipeline": "webshop",
    "variables": {
        "REGION": "eu",
        "LOG_LEVEL": {"value": "info", "settable": True},
        "DB_PASSWORD": {"secret": "webshop/db"},
    },
    "stages": [
        {
            "stage": "test",
            "jobs": [
                {"job": "deploy", "demands": ["docker"], "steps": [{"run": "./deploy.sh", "secrets": ["DB_PASSWORD"]}]}
            ],
        },
        {
            "stage": "prod",
            "after": ["test"],
            "before": {"approval": {"approvers": ["ana@example.com", "rita@example.com"], "need": "any"}},
            "jobs": [{"job": "deploy", "steps": [{"run": "./deploy.sh prod"}]}],
        },
    ],
}


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@dataclass
class World:
    """What a test needs to arrange and to look at."""

    services: Services
    orchestrator: FakeOrchestrator
    clock: Clock
    app: FastAPI
    _sequence: list[int] = field(default_factory=lambda: [0])

    async def record(self, workflow_id: str, *facts: Fact) -> None:
        """Write what a workflow would have written."""
        self._sequence[0] += 1
        await SqlRecords(self.services.database).apply(
            Entry(workflow_id=workflow_id, run_id="run-1", sequence=self._sequence[0], at=self.clock(), facts=facts)
        )

    async def token(
        self,
        role: Role,
        subject: str | None = None,
        good_for: timedelta = timedelta(days=1),
        owner: str | None = None,
    ) -> str:
        """Of this person; of a service with an owner."""
        async with self.services.database.transaction() as session:
            _, value = await tokens.issue(
                session,
                name="of a test",
                subject=subject or PEOPLE[role],
                owner=owner,
                role=role,
                expires_at=self.clock() + good_for,
                now=self.clock(),
            )
        return value

    @asynccontextmanager
    async def calling(
        self, role: Role | None = None, subject: str | None = None, owner: str | None = None
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """A client with a token of this role; without a role, one without a token."""
        headers = {"Authorization": f"Bearer {await self.token(role, subject, owner=owner)}"} if role else {}
        async with self.client(headers) as client:
            yield client

    def client(self, headers: Mapping[str, str]) -> httpx2.AsyncClient:
        """A client for what stands below the API's prefix."""
        transport = httpx2.ASGITransport(app=_with(self.services, self.app))
        return httpx2.AsyncClient(transport=transport, base_url="http://slipway.test/api/v1", headers=headers)

    def with_services(self, **changes: Any) -> "World":
        """The same world, served with other settings."""
        return replace(self, services=replace(self.services, **changes))

    def with_application_of_its_own(self) -> "World":
        """The same world, whose application others do not share."""
        return replace(self, app=create_app(self.services))

    async def save(self, definition: Mapping[str, object] = PIPELINE) -> None:
        """Store a pipeline."""
        pipeline = Pipeline.model_validate(definition)
        async with self.services.database.transaction() as session:
            await pipelines.save_revision(session, pipeline, str(definition), "adam@example.com", self.clock())


@cache
def _application() -> FastAPI:
    """Made once: to make one takes longer than most tests."""
    return create_app(cast("Services", None))


def _with(services: Services, app: FastAPI) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The application with these services."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        app.state.services = services
        await app(scope, receive, send)

    return serve


@asynccontextmanager
async def api_world(migrated: Path) -> AsyncIterator[World]:
    """A fresh one, whose database begins as a copy of this empty one."""
    with recycled_file(migrated) as file:
        async with warm_world(f"sqlite:///{file}") as world:
            yield world


@asynccontextmanager
async def warm_world(url: str) -> AsyncIterator[World]:
    """One on the database at this address, which is at its newest revision."""
    async with warm_database(url) as database, world_on(database) as world:
        yield world


@asynccontextmanager
async def api_world_in(folder: Path) -> AsyncIterator[World]:
    """A fresh one, whose database is a new file in this folder."""
    database = Database(f"sqlite+aiosqlite:///{folder / 'slipway.db'}")
    await database.migrate()
    async with world_on(database) as world:
        yield world


@asynccontextmanager
async def world_on(database: Database) -> AsyncIterator[World]:
    """One on this database, which is at its newest revision, and is closed at the end."""
    clock = Clock()
    orchestrator = FakeOrchestrator(clock)
    services = Services(
        database=database,
        sealing=Sealing("5e" * 32),
        orchestrator=orchestrator,
        public_url="https://slipway.example.com",
        bootstrap_admin="root@example.com",
        bootstrap_token=SecretStr(BOOTSTRAP),
        clock=clock,
    )
    app = _application()
    app.state.services = services
    try:
        yield World(services=services, orchestrator=orchestrator, clock=clock, app=app)
    finally:
        await database.close()
