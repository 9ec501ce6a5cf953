"""The release worker killed, and every part told to end, while releases run: none is lost, and no step goes wrong."""

import pytest
from fakes.installation import Installation
from trials import orderly_ends, worker_kills
from trials.amounts import AMOUNTS

pytestmark = [pytest.mark.story, pytest.mark.trial, pytest.mark.timeout(240)]


def test_a_worker_killed_again_and_again_loses_no_release(slipway: Installation) -> None:
    """Twenty at once: each ends well, and each step begins once, after those in front of it."""
    verdict = worker_kills.strike(slipway, seed=1, releases=AMOUNTS["worker_kills"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired


def test_an_upgrade_under_load_fails_no_job(slipway: Installation) -> None:
    """SIGTERM of each part: exit code 0, no request is lost behind a client that tries again, no job fails."""
    verdict = orderly_ends.strike(slipway, seed=1, ends=AMOUNTS["orderly_ends"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired
