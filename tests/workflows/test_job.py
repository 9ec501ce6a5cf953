"""A job holds an agent, runs its steps there, and always gives the agent back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.release_world import World, plan_of, start, vote

from domain.approval import Moment
from domain.status import ReleaseStatus, RunStatus

JOB = "webshop/1/test/1/deploy"


def one_job(*steps: dict[str, Any], **job: Any) -> dict[str, Any]:
    return {
        "pipeline": "webshop",
        "stages": [{"stage": "test", "jobs": [{"job": "deploy", "steps": list(steps), **job}]}],
    }


@pytest.mark.parametrize("hours", [-24, 24, 0.05, 0])
async def test_a_wrong_clock_of_an_agent_is_in_no_record(world: World, hours: float) -> None:
    """A step began after it was asked for, ended before that was told, and took no negative time."""
    world.agent.clock_ahead = timedelta(hours=hours)
    begun = datetime.now(UTC)
    async with world.running():
        await (await start(world, plan_of(one_job({"run": "tick"})))).result()
    step = world.tables.steps()[f"{JOB}/1/1"]
    assert step.started_at is not None
    assert step.finished_at is not None
    assert begun <= step.started_at <= step.finished_at <= datetime.now(UTC)
    assert timedelta(milliseconds=1) == step.finished_at - step.started_at


async def test_a_failing_step_is_tried_again_as_declared(world: World) -> None:
    """Two retries after two failures succeed; each try is a run of its own."""
    async with world.running():
        end = await (await start(world, plan_of(one_job({"run": "flaky 2", "retries": 2})))).result()
    assert end.status == ReleaseStatus.SUCCEEDED
    assert world.agent.runs == [f"{JOB}/1/1", f"{JOB}/1/2", f"{JOB}/1/3"]
    assert [world.tables.steps()[run].exit_code for run in world.agent.runs] == [1, 1, 0]


async def test_a_step_without_retries_runs_once(world: World) -> None:
    """A failure is final, and later steps are skipped unless their condition says otherwise."""
    steps = [{"run": "exit 1"}, {"run": "deploy"}, {"run": "clean up", "condition": "always"}]
    async with world.running():
        end = await (await start(world, plan_of(one_job(*steps)))).result()
    assert end.status == ReleaseStatus.FAILED
    assert world.agent.runs == [f"{JOB}/1/1", f"{JOB}/3/1"]
    assert world.tables.steps()[f"{JOB}/2/1"].status == RunStatus.SKIPPED


async def test_an_error_that_may_be_passed_over_makes_a_partial_success(world: World) -> None:
    """continue_on_error: the job goes on and partially succeeds."""
    async with world.running():
        steps = [{"run": "exit 1", "continue_on_error": True}, {"run": "deploy"}]
        end = await (await start(world, plan_of(one_job(*steps)))).result()
    assert end.status == ReleaseStatus.PARTIALLY_SUCCEEDED
    assert world.agent.runs == [f"{JOB}/1/1", f"{JOB}/2/1"]


async def test_a_job_whose_time_is_up_is_stopped(world: World) -> None:
    """The running step is killed and the job timed out."""
    async with world.running():
        definition = one_job({"run": "hang"}, timeout="1s")
        end = await (await start(world, plan_of(definition))).result()
    assert end.status == ReleaseStatus.FAILED
    step = world.tables.steps()[f"{JOB}/1/1"]
    assert step.status == RunStatus.TIMED_OUT
    assert step.reason == "the job's time is up"
    assert world.agent.held == []


async def test_a_job_waits_for_an_agent_no_longer_than_it_says(world: World) -> None:
    """Nobody polls the queue: the wait is bounded, and the page said at once why."""
    world.surroundings.absence = "no online agent of pool gpu has cuda"
    async with world.running():
        definition = one_job({"run": "deploy"}, pool="gpu", demands=["cuda"], wait_for_agent="1s")
        end = await (await start(world, plan_of(definition))).result()
    assert end.status == ReleaseStatus.FAILED
    waited = [fact.waiting_for for fact in world.tables.facts if fact.fact == "job"]
    assert "no online agent of pool gpu has cuda" in waited
    reason = "no agent took the job within 1s: no online agent of pool gpu has cuda"
    assert reason == world.tables.jobs()[JOB].reason


async def test_variables_reach_the_steps_and_secrets_only_by_name(world: World) -> None:
    """Plain values are in the environment; a secret is a name, for the step that names it."""
    definition = one_job({"run": "deploy", "secrets": ["DB"]}, {"run": "other"})
    definition["variables"] = {"REGION": "eu", "DB": {"secret": "webshop/db"}}
    async with world.running():
        await (await start(world, plan_of(definition))).result()
    first, second = world.agent.requests
    assert first.environment["REGION"] == "eu"
    assert first.environment["RELEASE_NAME"] == "webshop-1"
    assert first.environment["RELEASE_RELEASENAME"] == "webshop-1"
    assert first.secrets == {"DB": "webshop/db"}
    assert second.secrets == {}
    assert first.timeout == timedelta(hours=1)


async def test_nothing_is_tried_again_once_the_time_of_the_job_is_up(world: World) -> None:
    """Neither retries nor later steps start only to be killed."""
    steps = [{"run": "hang", "retries": 2}, {"run": "clean up", "condition": "always"}]
    async with world.running():
        await (await start(world, plan_of(one_job(*steps, timeout="1s")))).result()
    assert world.agent.runs == [f"{JOB}/1/1"]
    assert world.tables.steps()[f"{JOB}/2/1"].reason == "the job's time is up"
    job = world.tables.jobs()[JOB]
    assert (job.status, job.reason) == (RunStatus.TIMED_OUT, "the job's time is up")


async def test_a_job_whose_agent_died_before_it_said_a_word_is_offered_again(real_world: World) -> None:
    """Nothing has run, so another agent may take the job, as another lease."""
    world = real_world
    world.agent.silent_holds = 1
    async with world.running():
        end = await (await start(world, plan_of(one_job({"run": "deploy"})))).result()
    assert end.status == ReleaseStatus.SUCCEEDED
    first, second = world.agent.holds
    assert first.lease_id != second.lease_id
    assert world.tables.jobs()[JOB].lease_id == second.lease_id


async def test_an_agent_that_dies_while_it_is_given_back_is_not_taken_again(real_world: World) -> None:
    """The job has ended: nobody holds the agent on while people think about the deployment."""
    world = real_world
    world.agent.dies_at_release = True
    definition = one_job({"run": "deploy"})
    definition["stages"][0]["after_deployment"] = {"approval": {"approvers": ["ana@example.com"]}}
    async with world.running():
        handle = await start(world, plan_of(definition))
        await vote(world, "webshop/1/test/1", "ana@example.com", moment=Moment.AFTER)
        end = await handle.result()
    assert end.status == ReleaseStatus.SUCCEEDED
    assert len(world.agent.holds) == 1


async def test_steps_left_when_the_agent_gives_the_job_up_are_not_started(world: World) -> None:
    """The job fails and says so; nothing is sent to an agent that does not hold it."""
    world.agent.gives_up_after = f"{JOB}/1/1"
    steps = [{"run": "deploy"}, {"run": "flaky 0", "retries": 1}, {"run": "clean up", "condition": "always"}]
    async with world.running():
        end = await (await start(world, plan_of(one_job(*steps)))).result()
    assert end.status == ReleaseStatus.FAILED
    assert world.agent.runs == [f"{JOB}/1/1"]
    assert world.tables.steps()[f"{JOB}/3/1"].status == RunStatus.SKIPPED
    assert world.tables.jobs()[JOB].reason == "released"
