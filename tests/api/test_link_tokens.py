"""Mailed links cannot be guessed, altered, used twice or too late, and stand nowhere but in their mail."""

import asyncio
from pathlib import Path

import pytest
from fakes.api_world import api_world
from trials.amounts import AMOUNTS
from trials.token_forgery import PARTS, Tried, try_all


@pytest.fixture(scope="module")
def tried(migrated: Path) -> dict[str, Tried]:
    """What every part came to; all in one application, which takes longer to make than most of them."""

    async def go() -> dict[str, Tried]:
        async with api_world(migrated) as world:
            return await try_all(world, 1, AMOUNTS["token_forgery"].gate)

    return asyncio.run(go())


@pytest.mark.parametrize("name", PARTS)
def test_no_forged_link_or_token_answers(tried: dict[str, Tried], name: str) -> None:
    """And the true one does, in each part: otherwise nothing would be shown."""
    assert () == tried[name].violations
    assert tried[name].times > 0
