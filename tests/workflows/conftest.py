"""A time-skipping Temporal server per test, with the search attributes the workflows set."""

from collections.abc import AsyncIterator

import pytest
from fakes.release_world import World
from fakes.temporal_binaries import DEV_SERVER, TIME_SKIPPING_SERVER
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from activities import search_attributes


@pytest.fixture
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=TIME_SKIPPING_SERVER, data_converter=pydantic_data_converter
    ) as started:
        kinds = {key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for key in search_attributes.ALL}
        await started.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace="default", search_attributes=kinds)
        )
        yield started


@pytest.fixture
async def world(environment: WorkflowEnvironment) -> World:
    return World(environment.client)


@pytest.fixture
async def real_world() -> AsyncIterator[World]:
    """On a real server, for what the time-skipping one does not do: tell a parent that its child was terminated."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=DEV_SERVER,
        search_attributes=search_attributes.ALL,
        data_converter=pydantic_data_converter,
    ) as started:
        yield World(started.client)
