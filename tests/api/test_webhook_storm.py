"""Webhooks sent often, in any order and all at once make one release each, on either database."""

import pytest
from fakes.api_world import World
from trials.amounts import AMOUNTS
from trials.webhook_storm import storm


@pytest.mark.parametrize("seed", [1])
async def test_a_storm_of_webhooks_makes_one_release_each(either_world: World, seed: int) -> None:
    """Beside polls that find the same builds, senders that go away, and a Temporal that does."""
    verdict = await storm(either_world, seed, AMOUNTS["webhook_storm"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired
