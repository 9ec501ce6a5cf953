"""Agents killed, cut off, upgraded and overloaded: no step runs twice, none is lost, no log has a gap."""

import pytest
from fakes.installation import Installation
from trials import agent_kills, cut_off
from trials.amounts import AMOUNTS

pytestmark = [pytest.mark.story, pytest.mark.timeout(240)]


def test_agents_killed_again_and_again_run_each_step_once(slipway: Installation) -> None:
    """28 kills over 40 steps: 0 repeated, 0 lost, 40 logs byte-equal; killed runners are told unknown within 30 s."""
    verdict = agent_kills.strike(slipway, seed=1, kills=AMOUNTS["agent_kills"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired
    assert (28, 40, 40) == tuple(verdict.counts[what] for what in ("kills", "steps", "logs byte-equal"))


def test_agents_that_are_cut_off_go_on(slipway: Installation) -> None:
    """From Temporal and the API at once, for 1, 5 and 15 seconds: the log resumes without gap or doubling."""
    verdict = cut_off.strike(slipway, seed=1, cuts=AMOUNTS["cut_off"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired
