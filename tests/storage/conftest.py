"""Every test of storage runs on a SQLite file and on a real PostgreSQL."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.postgres import PostgresServer
from fakes.warm_database import recycled_file, warm_database

from domain.ids import ReleaseId
from domain.person import Requester
from domain.pipeline import Pipeline
from domain.release import ReleasePlan, ReleaseRequest, freeze
from storage.database import Database
from storage.sealing import Sealing
from storage.tables import Table

_numbers = itertools.count(1)
_EMPTY_ALL_TABLES = ";".join(f'DELETE FROM "{table.name}"' for table in reversed(Table.metadata.sorted_tables))


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.migrate()
    await database.close()


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> str:
    """The one PostgreSQL database at head; tests find it empty."""
    asyncio.run(postgres.execute("CREATE DATABASE at_head"))
    asyncio.run(_migrate(postgres.url("at_head")))
    return "at_head"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database at head, to copy from."""
    file = tmp_path_factory.mktemp("at-head") / "slipway.db"
    asyncio.run(_migrate(f"sqlite:///{file}"))
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without any table."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"empty_{next(_numbers)}"
    asyncio.run(server.execute(f"CREATE DATABASE {name}"))
    return server.url(name)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database at head without any row."""
    if kind == "sqlite":
        with recycled_file(request.getfixturevalue("migrated_file")) as file:
            yield f"sqlite:///{file}"
        return
    name: str = request.getfixturevalue("migrated_postgres")
    server: PostgresServer = request.getfixturevalue("postgres")
    asyncio.run(server.execute(_EMPTY_ALL_TABLES, database=name))
    yield server.url(name)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with warm_database(url) as opened:
        yield opened


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def sealing() -> Sealing:
    return Sealing("ab" * 32)


@pytest.fixture
def pipeline() -> Pipeline:
    job = {"job": "deploy", "demands": ["linux"], "steps": [{"run": "./deploy.sh"}]}
    approval = {"approvers": ["ann@example.com", "group:ops"], "need": {"at_least": 1}}
    return Pipeline.model_validate(
        {
            "pipeline": "webshop",
            "artifacts": {"app": {"jenkins": {"server": "ci", "job": "webshop/main"}}},
            "variables": {"region": {"value": "eu", "settable": True}, "password": {"secret": "webshop/db"}},
            "stages": [
                {"stage": "test", "jobs": [job]},
                {"stage": "prod", "after": ["test"], "before": {"approval": approval}, "jobs": [job]},
            ],
        }
    )


@pytest.fixture
def plan(pipeline: Pipeline, now: datetime) -> ReleasePlan:
    return freeze(
        pipeline,
        ReleaseRequest(variables={"region": "us"}),
        release=ReleaseId(pipeline="webshop", number=41),
        revision=1,
        requester=Requester(name="bob@example.com", addresses=("bob@example.com",)),
        now=now,
        groups={"ops": ("ann@example.com", "cem@example.com")},
        people={},
    )
