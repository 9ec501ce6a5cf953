"""Every process that opens sources of artifacts reaches the hosts that its settings allow, and no other inside host."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fakes.raw_server import raw_server
from pydantic import SecretStr

from activities.artifact_source import SourceOpener, UnsafeArtifact
from api import __main__ as api_process
from domain.pipeline import UrlSource
from settings import AgentSettings, Settings
from storage.database import Database
from workers import agent, release

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ninside"
HERE = "files.corp.example, 127.0.0.1"


def of_agent(allowed: str, _: Path, monkeypatch: pytest.MonkeyPatch) -> SourceOpener:
    handed: list[SourceOpener] = []

    async def run_agent(*given: Any) -> None:
        handed.append(given[2])

    monkeypatch.setattr(agent, "run_agent", run_agent)
    asyncio.run(agent.run(AgentSettings(allowed_hosts=allowed)))
    return handed[0]


def of_worker(allowed: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SourceOpener:
    handed: list[SourceOpener] = []
    monkeypatch.setattr(release, "Pinning", lambda *given: handed.append(given[0]))
    monkeypatch.setattr(release, "release_activities", lambda *_: [])

    async def make() -> None:
        database = Database(f"sqlite+aiosqlite:///{folder / 'x.db'}")
        release._activities(settings(allowed), database)
        await database.close()

    asyncio.run(make())
    return handed[0]


def of_api(allowed: str, folder: Path, _: pytest.MonkeyPatch) -> SourceOpener:
    async def make() -> SourceOpener:
        database = Database(f"sqlite+aiosqlite:///{folder / 'x.db'}")
        services = await api_process._services(settings(allowed), database)
        await database.close()
        return services.open_source

    return asyncio.run(make())


def settings(allowed: str) -> Settings:
    return Settings(secret_key=SecretStr("ab" * 32), allowed_hosts=allowed)


@pytest.mark.parametrize("process", [of_agent, of_worker, of_api], ids=["agent", "release worker", "API"])
def test_a_process_reaches_what_its_settings_allow(process, tmp_path, monkeypatch):
    """And nothing else of the inside, which is the default."""
    with raw_server(ANSWER) as server:
        source = UrlSource(href=f"{server.address}/x")
        opened = process(HERE, tmp_path, monkeypatch)(source, None)
        assert b"inside" == b"".join(opened.stream("1", source.href))
        closed = process("", tmp_path, monkeypatch)(source, None)
        with pytest.raises(UnsafeArtifact, match="inside network"):
            list(closed.stream("1", source.href))
    assert 1 == len(server.requests)
