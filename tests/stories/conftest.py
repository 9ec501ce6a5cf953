"""Real processes for the stories of one file. Each story has its own pipelines, agents and pools."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.installation import Installation


@pytest.fixture(scope="module")
def slipway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation a file: starting one takes seconds."""
    with Installation(Path(tmp_path_factory.mktemp("slipway"))) as started:
        yield started
