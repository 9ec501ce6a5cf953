"""The connection to Temporal, on a real development server."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from fakes.temporal_binaries import DEV_SERVER
from structlog.testing import capture_logs
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from integrations.temporal import SEARCH_ATTRIBUTES, SearchAttributesMissing, connect, register_search_attributes
from local import programs


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
async def server(port: int) -> AsyncIterator[str]:
    async with await WorkflowEnvironment.start_local(port=port, dev_server_existing_path=DEV_SERVER):
        yield f"127.0.0.1:{port}"


async def registered(client: Client) -> set[str]:
    answer = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    return {name for name, kind in answer.custom_attributes.items() if kind == keyword}


async def test_a_process_that_is_up_before_temporal_waits_and_says_so(port, eventually):
    """In one line for each try, with the address."""
    with capture_logs() as logs:
        connecting = asyncio.create_task(connect(f"127.0.0.1:{port}", "default", "test"))
        await eventually(lambda: logs)
        async with await WorkflowEnvironment.start_local(port=port, dev_server_existing_path=DEV_SERVER):
            client = await asyncio.wait_for(connecting, 20)
            assert "test" == client.identity
    assert {"event": "temporal_not_reachable", "address": f"127.0.0.1:{port}"}.items() <= logs[0].items()


async def test_search_attributes_are_registered_once_by_however_many_processes(server):
    """At the same time, and again."""
    client = await connect(server, "default", "test")
    await asyncio.gather(*(register_search_attributes(client, "default") for _ in range(4)))
    await register_search_attributes(client, "default")
    assert set(SEARCH_ATTRIBUTES) <= await registered(client)


async def test_a_missing_one_is_added_to_the_others(server):
    """After an upgrade that brings a new one."""
    client = await connect(server, "default", "test")
    await register_search_attributes(client, "default")
    request = RemoveSearchAttributesRequest(namespace="default", search_attributes=["SlipwayStage"])
    await client.operator_service.remove_search_attributes(request)
    await register_search_attributes(client, "default")
    assert set(SEARCH_ATTRIBUTES) <= await registered(client)


async def test_one_of_another_type_is_said(server):
    """Every start of a workflow would fail otherwise."""
    client = await connect(server, "default", "test")
    wrong = {"SlipwayStatus": IndexedValueType.INDEXED_VALUE_TYPE_INT}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes=wrong)
    )
    with pytest.raises(SearchAttributesMissing, match="SlipwayStatus exist in default with another type"):
        await register_search_attributes(client, "default")


def test_a_local_server_starts_with_the_same_attributes():
    """Neither side may know one more."""
    assert sorted(SEARCH_ATTRIBUTES) == sorted(programs.SEARCH_ATTRIBUTES)
