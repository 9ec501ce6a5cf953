"""Whoever requested a deployment does not approve it, whatever they try."""

import asyncio
from pathlib import Path

import pytest
from fakes.api_world import api_world
from trials.requester_bypass import CASES, try_all


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> dict[str, list[str]]:
    """What every case violated; all in one application, which takes longer to make than a case."""

    async def go(folder: Path) -> dict[str, list[str]]:
        async with api_world(folder, migrated) as world:
            return await try_all(world, list(CASES))

    return asyncio.run(go(tmp_path_factory.mktemp("bypass")))


@pytest.mark.parametrize("name", CASES)
def test_no_way_lets_a_requester_approve(found: dict[str, list[str]], name: str) -> None:
    """Refused with the reason in words, no vote counted; and somebody honest gets through the same way."""
    assert [] == found[name]
