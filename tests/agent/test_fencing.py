"""A step that is cut off ends before its job can begin elsewhere."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from fakes.step_runner import Runner

from activities.agent_job import HoldRequest, StepOutcome
from agent.leases import Lease
from agent.process_tree import since_boot
from agent.runner import put_whole
from agent.state_folder import StateFolder


@pytest.fixture
def runner(state: StateFolder, lease_id: str) -> Runner:
    return Runner(state, lease_id)


@pytest.mark.parametrize(("rejoin", "expected"), [(0, 6.0), (10, 6.0), (60, 36.0), (3600, 2160.0)])
def test_a_step_ends_well_before_its_agent_is_given_up(rejoin: int, expected: float) -> None:
    """The server gives an agent up ten seconds of silence and the whole window later."""
    request = HoldRequest(lease_id="a", job_id="j", rejoin=timedelta(seconds=rejoin))
    assert expected == Lease(request, Path("/nowhere")).cut_off_after


async def test_a_step_whose_agent_is_not_heard_of_is_ended(runner: Runner, tmp_path: Path) -> None:
    """With all it started, and told as what it is."""
    heard = tmp_path / "heard"
    put_whole(heard, repr(since_boot()))
    script = "trap '' TERM; (setsid sleep 300) & echo begun; sleep 300"
    end, log = await runner.run(script, heard=str(heard), cut_off_after=1.0)
    assert StepOutcome.CUT_OFF == end.outcome
    assert end.reason.startswith("this agent was cut off from Temporal for ")
    assert b"begun\n" == log
    assert [] == runner.left()


async def test_a_step_whose_agent_is_heard_of_goes_on(runner: Runner, tmp_path: Path) -> None:
    """Each word begins the time anew; without any file there is no lease to be lost."""
    heard = tmp_path / "heard"
    put_whole(heard, repr(since_boot()))

    async def beat() -> None:
        while True:
            put_whole(heard, repr(since_boot()))
            await asyncio.sleep(0.2)

    beating = asyncio.create_task(beat())
    end, _ = await runner.run("sleep 3", heard=str(heard), cut_off_after=2.0)
    beating.cancel()
    assert (StepOutcome.EXITED, 0) == (end.outcome, end.exit_code)
