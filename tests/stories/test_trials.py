"""Agents and workers killed, cut off, upgraded and overloaded: no step runs twice, none is lost, no log has a gap."""

import pytest
from fakes.installation import Installation
from trials import agent_kills, big_logs, cut_off, hostile_values, orderly_ends, worker_kills
from trials.amounts import AMOUNTS

pytestmark = [pytest.mark.story, pytest.mark.timeout(240)]


@pytest.mark.trial
def test_agents_killed_again_and_again_run_each_step_once(slipway: Installation) -> None:
    """28 kills over 40 steps: 0 repeated, 0 lost, 40 logs byte-equal; killed runners are told unknown within 30 s."""
    verdict = agent_kills.strike(slipway, seed=1, kills=AMOUNTS["agent_kills"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired
    assert (28, 40, 40) == tuple(verdict.counts[what] for what in ("kills", "steps", "logs byte-equal"))


@pytest.mark.trial
def test_agents_that_are_cut_off_go_on(slipway: Installation) -> None:
    """From Temporal and the API at once, for 1 to 15 seconds: the log resumes without gap or doubling."""
    verdict = cut_off.strike(slipway, seed=1, cuts=AMOUNTS["cut_off"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired


def test_big_logs_are_complete_and_masked(slipway: Installation) -> None:
    """100 MB from eight steps at once; the agent stays below 150 MB of memory, the API below 300 MB."""
    verdict = big_logs.strike(slipway, seed=1, megabytes=AMOUNTS["big_logs"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired


def test_hostile_values_arrive_as_they_are(slipway: Installation) -> None:
    """500 of them as variables of pipeline, release and step; NUL, which no environment can hold, is refused."""
    verdict = hostile_values.strike(slipway, seed=1, values=AMOUNTS["hostile_values"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired


@pytest.mark.trial
def test_a_worker_killed_again_and_again_loses_no_release(slipway: Installation) -> None:
    """Twenty at once: each ends well, and each step begins once, after those in front of it."""
    verdict = worker_kills.strike(slipway, seed=1, releases=AMOUNTS["worker_kills"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired


@pytest.mark.trial
def test_an_upgrade_under_load_fails_no_job(slipway: Installation) -> None:
    """SIGTERM of each part: exit code 0, no request is lost behind a client that tries again, no job fails."""
    verdict = orderly_ends.strike(slipway, seed=1, ends=AMOUNTS["orderly_ends"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired
