"""Whoever requested a deployment does not approve it, whatever they try."""

import asyncio
from pathlib import Path

import pytest
from fakes.api_world import api_world
from trials.approval_world import approval_world
from trials.requester_bypass import CASES, try_all
from trials.workflow_refusals import attack


@pytest.fixture(scope="module")
def found(migrated: Path) -> dict[str, list[str]]:
    """What every case violated; all in one application, which takes longer to make than a case."""

    async def go() -> dict[str, list[str]]:
        async with api_world(migrated) as world:
            return await try_all(world, CASES.items())

    return asyncio.run(go())


@pytest.mark.parametrize("name", CASES)
def test_no_way_lets_a_requester_approve(found: dict[str, list[str]], name: str) -> None:
    """Refused with the reason in words, no vote counted; and somebody honest gets through the same way."""
    assert [] == found[name]


async def test_the_workflow_itself_refuses_a_requester_and_keeps_no_link(tmp_path: Path) -> None:
    """On a real Temporal server, past the application; a mailed link used fifty times at once is one vote there."""
    async with approval_world(tmp_path) as world:
        assert [] == await attack(world)
