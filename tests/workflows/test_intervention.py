"""A job asks people how it goes on, or begins anew elsewhere, where its author wants that."""

from typing import Any

import pytest
from fakes.release_world import World, decide, deployment_handle, plan_of, start

from domain.intervention import ReceiptKind, Remedy
from domain.status import ReleaseStatus, RunStatus

DEPLOYMENT = "webshop/1/test/1"
JOB = f"{DEPLOYMENT}/deploy"


def one_job(*steps: dict[str, Any], **job: Any) -> dict[str, Any]:
    return {
        "pipeline": "webshop",
        "stages": [{"stage": "test", "jobs": [{"job": "deploy", "steps": list(steps), **job}]}],
    }


@pytest.mark.parametrize(
    ("remedy", "runs", "end"),
    [
        (Remedy.RETRY, [f"{JOB}/1/1", f"{JOB}/1/2", f"{JOB}/2/1"], ReleaseStatus.SUCCEEDED),
        (Remedy.SKIP, [f"{JOB}/1/1", f"{JOB}/2/1"], ReleaseStatus.PARTIALLY_SUCCEEDED),
        (Remedy.FAIL, [f"{JOB}/1/1"], ReleaseStatus.FAILED),
    ],
)
async def test_people_decide_about_a_failed_step(
    world: World, remedy: Remedy, runs: list[str], end: ReleaseStatus
) -> None:
    """Run again on the same agent under the same lease, go on without it, or fail."""
    steps = [{"run": "flaky 1", "on_failure": "ask"}, {"run": "deploy"}]
    async with world.running():
        handle = await start(world, plan_of(one_job(*steps)))
        assert ReceiptKind.COUNTED == (await decide(world, f"{JOB}/1/1", remedy)).kind
        assert end == (await handle.result()).status
    assert runs == world.agent.runs
    assert 1 == len(world.agent.holds)
    run = world.tables.steps()[f"{JOB}/1/1"]
    assert run.status == RunStatus.FAILED
    assert run.intervention is not None
    assert "ana@example.com" == run.intervention.decision.by if run.intervention.decision else None
    assert any("a decision about flaky 1" in sentence for sentence in world.tables.waited_for())


@pytest.mark.parametrize(
    ("remedy", "runs", "end"),
    [
        (Remedy.IT_RAN, [f"{JOB}/1/1", f"{JOB}/2/1"], ReleaseStatus.SUCCEEDED),
        (Remedy.RETRY, [f"{JOB}/1/1", f"{JOB}/1/2", f"{JOB}/2/1"], ReleaseStatus.SUCCEEDED),
        (Remedy.FAIL, [f"{JOB}/1/1"], ReleaseStatus.FAILED),
    ],
)
async def test_people_decide_about_a_step_whose_agent_was_lost(
    world: World, remedy: Remedy, runs: list[str], end: ReleaseStatus
) -> None:
    """What goes on does so under a lease of its own, on whichever agent takes it."""
    world.agent.gives_up_after = f"{JOB}/1/1"
    async with world.running():
        handle = await start(world, plan_of(one_job({"run": "first"}, {"run": "deploy"}, on_agent_lost="ask")))
        assert ReceiptKind.COUNTED == (await decide(world, f"{JOB}/1/1", remedy)).kind
        assert end == (await handle.result()).status
    assert runs == world.agent.runs
    leases = [hold.lease_id for hold in world.agent.holds]
    assert (1 if remedy == Remedy.FAIL else 2) == len(set(leases))
    assert world.tables.steps()[f"{JOB}/1/1"].status == RunStatus.UNKNOWN


async def test_a_job_whose_last_step_ran_wants_no_other_agent(world: World) -> None:
    """There is nothing left to be done there."""
    world.agent.gives_up_after = f"{JOB}/1/1"
    async with world.running():
        handle = await start(world, plan_of(one_job({"run": "deploy"}, on_agent_lost="ask")))
        await decide(world, f"{JOB}/1/1", Remedy.IT_RAN)
        assert ReleaseStatus.SUCCEEDED == (await handle.result()).status
    assert 1 == len(world.agent.holds)


async def test_a_lost_download_is_done_again_unasked(world: World) -> None:
    """It does nothing that may not be done twice."""
    world.agent.gives_up_after = f"{JOB}/0/1"
    definition = one_job({"run": "deploy"}, on_agent_lost="ask")
    artifacts = {"web": {"jenkins": {"server": "ci", "job": "web"}}}
    async with world.running():
        handle = await start(world, plan_of({**definition, "artifacts": artifacts}))
        assert ReleaseStatus.SUCCEEDED == (await handle.result()).status
    assert [f"{JOB}/0/1", f"{JOB}/0/2", f"{JOB}/1/1"] == world.agent.runs


async def test_a_job_that_may_run_twice_starts_anew_elsewhere(world: World) -> None:
    """From its first step, under another lease."""
    world.agent.gives_up_after = f"{JOB}/2/1"
    async with world.running():
        handle = await start(world, plan_of(one_job({"run": "first"}, {"run": "deploy"}, on_agent_lost="restart")))
        assert ReleaseStatus.SUCCEEDED == (await handle.result()).status
    assert [f"{JOB}/1/1", f"{JOB}/2/1", f"{JOB}/1/2", f"{JOB}/2/2"] == world.agent.runs
    assert 2 == len({hold.lease_id for hold in world.agent.holds})


async def test_a_job_does_not_start_anew_without_end(world: World) -> None:
    """Three times; then its outcome stays unknown."""
    async with world.running():
        handle = await start(world, plan_of(one_job({"run": "vanish 9"}, on_agent_lost="restart")))
        assert ReleaseStatus.FAILED == (await handle.result()).status
    assert [f"{JOB}/1/{number}" for number in range(1, 5)] == world.agent.runs
    assert world.tables.jobs()[JOB].status == RunStatus.UNKNOWN


async def test_a_question_that_nobody_answers_fails_the_job(world: World) -> None:
    """When the time to decide is up; the time of the job itself stood still meanwhile."""
    definition = one_job({"run": "exit 1", "on_failure": "ask"}, ask_timeout="2s", timeout="1s")
    async with world.running():
        handle = await start(world, plan_of(definition))
        assert ReleaseStatus.FAILED == (await handle.result()).status
    run = world.tables.steps()[f"{JOB}/1/1"]
    assert run.intervention is not None
    assert (False, None) == (run.intervention.is_open, run.intervention.decision)
    assert world.tables.jobs()[JOB].status == RunStatus.FAILED


async def test_requesters_are_told_what_is_asked(world: World, eventually: Any) -> None:
    """Once for each question, with the choices there are."""
    async with world.running():
        handle = await start(world, plan_of(one_job({"run": "flaky 2", "on_failure": "ask"})))
        for number in (1, 2):
            await eventually(lambda number=number: len(world.surroundings.decisions_wanted) == number)
            await decide(world, f"{JOB}/1/{number}", Remedy.RETRY)
        assert ReleaseStatus.SUCCEEDED == (await handle.result()).status
    first, second = world.surroundings.decisions_wanted
    assert (f"{JOB}/1/1", f"{JOB}/1/2") == (first.run_id, second.run_id)
    assert (("rita@example.com",), "flaky 2", DEPLOYMENT) == (first.people, first.title, first.deployment)
    assert ("run it again", "go on without it", "let the job fail") == first.choices


async def test_a_mail_that_fails_keeps_nothing_from_being_decided(world: World, eventually: Any) -> None:
    """The question stands on the page all the same."""
    world.surroundings.has_mail = False
    async with world.running():
        handle = await start(world, plan_of(one_job({"run": "flaky 1", "on_failure": "ask"})))
        await eventually(lambda: world.surroundings.decisions_wanted)
        await decide(world, f"{JOB}/1/1", Remedy.RETRY)
        assert ReleaseStatus.SUCCEEDED == (await handle.result()).status


@pytest.mark.parametrize(
    ("requested_for", "addresses", "told"),
    [
        ("dev@example.com", ("owner@example.com", "dev@example.com"), "dev@example.com"),
        ("", ("owner@example.com",), "owner@example.com"),
    ],
    ids=["for-a-person", "by-itself"],
)
async def test_of_a_service_the_person_behind_it_is_told(
    world: World, eventually: Any, requested_for: str, addresses: tuple[str, ...], told: str
) -> None:
    """It reads no mail itself."""
    service = {"requested_by": "jenkins", "requested_for": requested_for, "requester_addresses": addresses}
    plan = plan_of(one_job({"run": "exit 1", "on_failure": "ask"})).model_copy(update=service)
    async with world.running():
        handle = await start(world, plan)
        await eventually(lambda: world.surroundings.decisions_wanted)
        await decide(world, f"{JOB}/1/1", Remedy.FAIL)
        await handle.result()
    assert [(told,)] == [mail.people for mail in world.surroundings.decisions_wanted]


async def test_a_decision_counts_once(world: World) -> None:
    """Who decides later is told who was first."""
    async with world.running():
        handle = await start(world, plan_of(one_job({"run": "flaky 1", "on_failure": "ask"}, {"run": "hang"})))
        remedies = (Remedy.RETRY, Remedy.RETRY, Remedy.FAIL)
        told = [(await decide(world, f"{JOB}/1/1", remedy, remedy)).kind for remedy in remedies]
        await deployment_handle(world, DEPLOYMENT).signal("cancel", {"by": "rita@example.com"})
        await handle.result()
    assert [ReceiptKind.COUNTED, ReceiptKind.COUNTED, ReceiptKind.ALREADY_DECIDED] == told
    assert f"{JOB}/1/3" not in world.agent.runs
