"""Votes that race against whatever else would decide."""

import pytest
from trials.amounts import AMOUNTS
from trials.vote_race import run


@pytest.mark.timeout(300)
async def test_every_race_has_one_winner_and_everybody_hears_of_the_same() -> None:
    """Against expiry, cancel, override, withdrawal and a changed plan; each side wins against each other."""
    verdict = await run(seed=1, amount=AMOUNTS["vote_race"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired
