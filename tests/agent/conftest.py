"""A state folder, leases and a server for agents under test."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from fakes.agent_server import AgentServer, serving
from fakes.download_world import DownloadWorld
from pydantic import SecretStr

from activities.agent_job import HoldRequest
from agent.api_client import AgentApi
from agent.leases import Leases
from agent.process_tree import marked, send
from agent.run_folder import LEASE_MARK
from agent.state_folder import Credential, StateFolder

LEASE = "webshop/41/prod/1/deploy@12345678"


@pytest.fixture
def lease_id() -> Iterator[str]:
    """An id of its own for each test; whatever runs under it at the end is killed."""
    yield (lease := f"{LEASE}-{os.urandom(4).hex()}")
    send(marked(f"{LEASE_MARK}={lease}"), signal.SIGKILL)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFolder]:
    opened = StateFolder(tmp_path / "state")
    yield opened
    opened.close()


@pytest.fixture
def leases(state: StateFolder) -> Leases:
    return Leases(state)


@pytest.fixture
def hold(lease_id: str) -> Callable[..., HoldRequest]:
    def request(**more: object) -> HoldRequest:
        return HoldRequest.model_validate({"lease_id": lease_id, "job_id": "webshop/41/prod/1/deploy", **more})

    return request


@pytest.fixture
def server() -> Iterator[AgentServer]:
    with serving(AgentServer()) as running:
        yield running


@pytest.fixture
async def api(server: AgentServer) -> AsyncIterator[AgentApi]:
    async with AgentApi(server.url) as client:
        client.sign_in(Credential(name="web-1", pool="default", token=SecretStr("slw_test")))
        yield client


@pytest.fixture
def world(
    state: StateFolder, leases: Leases, server: AgentServer, api: AgentApi, hold: Callable[..., HoldRequest]
) -> DownloadWorld:
    request = hold()
    leases.add(request)
    return DownloadWorld(state, leases, server, api, request)
