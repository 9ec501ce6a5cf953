"""One server for all exchanges."""

from collections.abc import Iterator

import pytest
from fakes.served import Place, place


@pytest.fixture(scope="session")
def here() -> Iterator[tuple[Place, str]]:
    with place() as exchangeable:
        yield exchangeable
