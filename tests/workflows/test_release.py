"""A release walks its stage graph."""

import asyncio
from datetime import timedelta
from typing import Any

from fakes.release_world import Handle, World, plan_of, stage, start, vote

from activities.records import Fact, ReleaseFact
from domain.approval import ReceiptKind
from domain.ids import RELEASE_QUEUE
from domain.status import ReleaseStatus, StageStatus
from workflows.release import DeployRequest, ReleaseEnd, ReleaseInput, ReleaseWorkflow
from workflows.stopping import CancelRequest

DIAMOND = {
    "pipeline": "webshop",
    "stages": [
        stage("test"),
        stage("eu", after=("test",)),
        stage("us", after=("test",)),
        stage("prod", after=("eu", "us")),
    ],
}


async def test_nothing_depends_on_the_cache(world: World) -> None:
    """Every workflow task may replay the whole history, and the release ends the same."""
    approval = {"approvers": ["ana@example.com"]}
    definition = {"pipeline": "webshop", "stages": [stage("test", before={"approval": approval})]}
    async with world.running(max_cached_workflows=0):
        handle = await start(world, plan_of(definition))
        await vote(world, "webshop/1/test/1", "ana@example.com")
        end = await handle.result()
    assert end.stages == {"test": StageStatus.SUCCEEDED}


async def test_stages_run_after_what_they_wait_for(world: World) -> None:
    """A diamond of stages runs in order."""
    async with world.running():
        end = await (await start(world, plan_of(DIAMOND))).result()
    assert end.status == ReleaseStatus.SUCCEEDED
    order = [run.split("/")[2] for run in world.agent.runs]
    assert order[0] == "test"
    assert sorted(order[1:3]) == ["eu", "us"]
    assert order[3] == "prod"
    assert world.agent.held == []


async def test_a_failed_stage_keeps_its_dependents_from_starting(world: World) -> None:
    """What comes after a failure is skipped, with the reason."""
    definition = {"pipeline": "webshop", "stages": [stage("test", "exit 3"), stage("prod", after=("test",))]}
    async with world.running():
        end = await (await start(world, plan_of(definition))).result()
    assert end.status == ReleaseStatus.FAILED
    assert world.tables.stages() == {"test": "failed", "prod": "skipped"}
    assert world.tables.reasons() == {"test": "job deploy failed", "prod": "stage test is failed"}
    assert world.tables.steps()["webshop/1/test/1/deploy/1/1"].exit_code == 3


async def test_a_manual_stage_is_left_for_a_person(world: World) -> None:
    """A release ends without its manual stages; deploying one later resumes it with what it had reached."""
    definition = {"pipeline": "webshop", "stages": [stage("test"), stage("prod", after=("test",), manual=True)]}
    plan = plan_of(definition)
    async with world.running():
        end = await (await start(world, plan)).result()
        assert end == ReleaseEnd(
            status=ReleaseStatus.SUCCEEDED,
            stages={"test": StageStatus.SUCCEEDED, "prod": StageStatus.NOT_STARTED},
        )
        request = DeployRequest(stage="prod", requested_by="rita@example.com", request_id="1", comment="all is quiet")
        resumed = await world.client.start_workflow(
            ReleaseWorkflow.run,
            ReleaseInput(plan=plan, statuses=end.stages, attempts={"test": 1}, is_resumed=True),
            id=plan.id.workflow_id,
            task_queue=RELEASE_QUEUE,
            start_signal="deploy",
            start_signal_args=[request],
        )
        end = await resumed.result()
    assert end.stages == {"test": StageStatus.SUCCEEDED, "prod": StageStatus.SUCCEEDED}
    assert world.agent.runs == ["webshop/1/test/1/deploy/1/1", "webshop/1/prod/1/deploy/1/1"]
    assert "deployment to prod asked for: all is quiet" in world.tables.events()


async def test_a_redeployed_stage_is_a_new_attempt_and_frees_what_was_skipped(world: World) -> None:
    """Deploying a failed stage again goes on to the stages that were skipped because of it."""
    definition = {"pipeline": "webshop", "stages": [stage("test", "flaky 1"), stage("prod", after=("test",))]}
    plan = plan_of(definition)
    async with world.running():
        end = await (await start(world, plan)).result()
        assert end.stages == {"test": StageStatus.FAILED, "prod": StageStatus.SKIPPED}
        handle = await world.client.start_workflow(
            ReleaseWorkflow.run,
            ReleaseInput(plan=plan, statuses=end.stages, attempts={"test": 1, "prod": 0}, is_resumed=True),
            id=plan.id.workflow_id,
            task_queue=RELEASE_QUEUE,
            start_signal="deploy",
            start_signal_args=[DeployRequest(stage="test", requested_by="rita@example.com", request_id="1")],
        )
        end = await handle.result()
    assert end.stages == {"test": StageStatus.SUCCEEDED, "prod": StageStatus.SUCCEEDED}
    assert "webshop/1/test/2/deploy/1/1" in world.agent.runs


async def test_who_deploys_a_stage_again_asks_for_all_that_follows_by_itself(world: World) -> None:
    """They approve none of it, however far it is from the stage they deployed; who else is asked does."""
    policy = {"approval": {"approvers": ["ana@example.com", "ben@example.com"], "need": "any"}}
    stages = [stage("test"), stage("b", after=("test",)), stage("prod", after=("b",), before=policy)]
    plan = plan_of({"pipeline": "webshop", "stages": stages})
    statuses = {"test": StageStatus.FAILED, "b": StageStatus.SKIPPED, "prod": StageStatus.SKIPPED}
    again = DeployRequest(
        stage="test",
        requested_by="robot",
        requester_addresses=("ana@example.com", "ana@old.example"),
        request_id="1",
    )
    async with world.running():
        handle = await world.client.start_workflow(
            ReleaseWorkflow.run,
            ReleaseInput(plan=plan, statuses=statuses, attempts={"test": 1}, is_resumed=True),
            id=plan.id.workflow_id,
            task_queue=RELEASE_QUEUE,
            start_signal="deploy",
            start_signal_args=[again],
        )
        refused = await vote(world, "webshop/1/prod/1", "ana@example.com")
        counted = await vote(world, "webshop/1/prod/1", "ben@example.com")
        await handle.result()
    assert (ReceiptKind.REQUESTER_MAY_NOT_APPROVE, ReceiptKind.COUNTED) == (refused.kind, counted.kind)


async def test_artifacts_are_pinned_once_for_all_stages(world: World) -> None:
    """Both stages download what was pinned when the release began."""
    artifacts = {"web": {"jenkins": {"server": "ci", "job": "web"}}}
    definition = {"pipeline": "webshop", "artifacts": artifacts, "stages": [stage("test"), stage("b", after=("test",))]}
    async with world.running():
        await (await start(world, plan_of(definition))).result()
    assert [request.alias for request in world.surroundings.pinned] == ["web"]
    downloads = [run for run in world.agent.runs if run.endswith("/0/1")]
    assert downloads == ["webshop/1/test/1/deploy/0/1", "webshop/1/b/1/deploy/0/1"]


async def test_a_missing_artifact_fails_the_release_by_name(world: World) -> None:
    """Nothing is deployed, and the reason names what is missing."""
    world.surroundings.missing_artifacts = {"web"}
    artifacts = {"web": {"jenkins": {"server": "ci", "job": "team/nope"}}}
    definition = {"pipeline": "webshop", "artifacts": artifacts, "stages": [stage("test")]}
    async with world.running():
        end = await (await start(world, plan_of(definition))).result()
    assert end.status == ReleaseStatus.FAILED
    assert world.tables.release().reason == "artifacts could not be pinned: there is no job team/nope"
    assert world.tables.stages() == {"test": "skipped"}


async def test_canceling_a_release_stops_its_running_step(world: World, eventually: Any) -> None:
    """The step is killed, the agent given back, later stages are skipped."""
    definition = {"pipeline": "webshop", "stages": [stage("test", "hang"), stage("prod", after=("test",))]}
    async with world.running():
        handle = await start(world, plan_of(definition))
        await eventually(lambda: world.agent.runs)
        await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com", reason="wrong build"))
        end = await handle.result()
    assert end.status == ReleaseStatus.CANCELED
    assert world.tables.stages() == {"test": "canceled", "prod": "skipped"}
    assert world.tables.release().reason == "canceled by rita@example.com: wrong build"
    assert world.agent.held == []


async def test_the_cancel_button_of_temporal_stops_a_release_in_order(world: World, eventually: Any) -> None:
    """A cancellation by an operator ends like one of ours."""
    definition = {"pipeline": "webshop", "stages": [stage("test", "hang")]}
    async with world.running():
        handle = await start(world, plan_of(definition))
        await eventually(lambda: world.agent.runs)
        await handle.cancel()
        end = await handle.result()
    assert end.status == ReleaseStatus.CANCELED
    assert world.tables.stages() == {"test": "canceled"}
    assert world.agent.held == []


ONE_ARTIFACT = {"web": {"jenkins": {"server": "ci", "job": "web"}}}
PINNED_FIRST = {"pipeline": "webshop", "artifacts": ONE_ARTIFACT, "stages": [stage("test")]}


def again(stage_name: str, request_id: str = "1", comment: str = "") -> DeployRequest:
    return DeployRequest(stage=stage_name, requested_by="dora@example.com", request_id=request_id, comment=comment)


async def start_with_short_tasks(world: World, definition: dict[str, Any]) -> Handle:
    """Start a release that hears signals also while it records for more than a second."""
    plan = plan_of(definition)
    return await world.client.start_workflow(
        ReleaseWorkflow.run,
        ReleaseInput(plan=plan),
        id=plan.id.workflow_id,
        task_queue=RELEASE_QUEUE,
        task_timeout=timedelta(seconds=1),
    )


async def test_an_artifact_source_that_stays_away_fails_the_release(world: World) -> None:
    """It is asked again for about two minutes; then the release says what did not answer."""
    world.surroundings.unreachable_artifacts = {"web"}
    async with world.running():
        end = await (await start(world, plan_of(PINNED_FIRST))).result()
    assert end.status == ReleaseStatus.FAILED
    assert world.surroundings.pin_attempts == 8
    assert world.tables.release().reason == "artifacts could not be pinned: ci does not answer"
    assert world.tables.stages() == {"test": "skipped"}


async def test_a_release_is_canceled_while_its_artifacts_are_pinned(world: World, eventually: Any) -> None:
    """A slow source keeps nobody from stopping the release."""
    world.surroundings.slow_artifacts = {"web"}
    async with world.running():
        handle = await start(world, plan_of(PINNED_FIRST))
        await eventually(lambda: world.surroundings.pin_attempts)
        await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com", reason="wrong build"))
        async with asyncio.timeout(10):
            end = await handle.result()
        world.surroundings.slow_artifacts = set()
    assert end.status == ReleaseStatus.CANCELED
    assert world.tables.release().reason == "canceled by rita@example.com: wrong build"


async def test_a_stage_that_two_people_ask_for_is_deployed_twice_in_turn(world: World) -> None:
    """Both requests count, one after the other, and the release waits for both."""
    plan = plan_of({"pipeline": "webshop", "stages": [stage("prod", manual=True)]})
    handle = await start(world, plan)
    await handle.signal(ReleaseWorkflow.deploy, again("prod", "1"))
    await handle.signal(ReleaseWorkflow.deploy, again("prod", "2"))
    async with world.running():
        end = await handle.result()
    assert end.status == ReleaseStatus.SUCCEEDED
    assert world.agent.runs == ["webshop/1/prod/1/deploy/1/1", "webshop/1/prod/2/deploy/1/1"]


async def test_a_cancel_as_the_first_deployment_starts_stops_it(world: World) -> None:
    """The stop reaches a deployment that was only just begun."""
    handle = await start(world, plan_of({"pipeline": "webshop", "stages": [stage("test", "hang")]}))

    async def cancel_when_started(fact: Fact) -> None:
        if isinstance(fact, ReleaseFact) and fact.digest:
            await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com"))

    world.tables.meanwhile = cancel_when_started
    async with world.running(), asyncio.timeout(20):
        end = await handle.result()
    assert end.status == ReleaseStatus.CANCELED
    assert world.agent.held == []


async def test_a_number_of_attempts_that_is_out_of_date_repeats_no_attempt(world: World) -> None:
    """A resumed release whose attempts were read too early takes the next free number."""
    plan = plan_of({"pipeline": "webshop", "stages": [stage("test")]})
    async with world.running():
        end = await (await start(world, plan)).result()
        handle = await world.client.start_workflow(
            ReleaseWorkflow.run,
            ReleaseInput(plan=plan, statuses=end.stages, attempts={"test": 0}, is_resumed=True),
            id=plan.id.workflow_id,
            task_queue=RELEASE_QUEUE,
            start_signal="deploy",
            start_signal_args=[again("test")],
        )
        async with asyncio.timeout(20):
            await handle.result()
    assert world.agent.runs == ["webshop/1/test/1/deploy/1/1", "webshop/1/test/2/deploy/1/1"]


async def test_stages_that_may_start_again_are_recorded_so(world: World, eventually: Any) -> None:
    """Who asks for a stage, and why, is kept; what was skipped because of it is no longer shown as skipped."""
    plan = plan_of({"pipeline": "webshop", "stages": [stage("test", "hang"), stage("prod", after=("test",))]})
    skipped = {"test": StageStatus.FAILED, "prod": StageStatus.SKIPPED}
    async with world.running():
        handle = await world.client.start_workflow(
            ReleaseWorkflow.run,
            ReleaseInput(plan=plan, statuses=skipped, attempts={"test": 1}, is_resumed=True),
            id=plan.id.workflow_id,
            task_queue=RELEASE_QUEUE,
            start_signal="deploy",
            start_signal_args=[again("test", comment="the disk was full")],
        )
        await eventually(lambda: world.agent.runs)
        assert world.tables.stages()["prod"] == "not started"
        assert "deployment to test asked for: the disk was full" in world.tables.events()
        await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com"))
        await handle.result()


async def test_a_deployment_that_was_terminated_is_recorded_as_failed(real_world: World) -> None:
    """An operator terminated it, so that it could not say itself how it ended."""
    world = real_world
    before = {"approval": {"approvers": ["ana@example.com"]}}
    # A worker never hears of the termination; what it had cached would be torn down outside of its event loop.
    async with world.running(max_cached_workflows=0), asyncio.timeout(20):
        handle = await start(world, plan_of({"pipeline": "webshop", "stages": [stage("test", before=before)]}))
        await world.open_approval("webshop/1/test/1/before")
        await world.client.get_workflow_handle("deployment/webshop/1/test/1").terminate()
        end = await handle.result()
    assert end.stages == {"test": StageStatus.FAILED}
    deployment = world.tables.deployments()["webshop/1/test/1"]
    assert deployment.status == StageStatus.FAILED
    assert deployment.finished_at is not None


async def test_a_deployment_asked_for_as_the_release_ends_is_not_lost(world: World) -> None:
    """The request comes while the end is being written down: the release goes on."""
    handle = await start_with_short_tasks(
        world, {"pipeline": "webshop", "stages": [stage("test"), stage("prod", manual=True)]}
    )
    asked: list[str] = []

    async def ask_at_the_end(fact: Fact) -> None:
        if isinstance(fact, ReleaseFact) and fact.finished_at and not asked:
            asked.append("prod")
            await handle.signal(ReleaseWorkflow.deploy, again("prod"))
            await asyncio.sleep(1.5)

    world.tables.meanwhile = ask_at_the_end
    async with world.running():
        end = await handle.result()
    assert end.stages == {"test": StageStatus.SUCCEEDED, "prod": StageStatus.SUCCEEDED}
    assert world.tables.release().status == ReleaseStatus.SUCCEEDED


async def test_the_cancel_button_is_heeded_while_the_tables_are_slow(world: World) -> None:
    """Canceled by an operator in the middle of a record, the release still says how it ended."""
    handle = await start_with_short_tasks(world, {"pipeline": "webshop", "stages": [stage("test", "hang")]})
    pressed: list[str] = []

    async def press(fact: Fact) -> None:
        if isinstance(fact, ReleaseFact) and fact.digest and not pressed:
            pressed.append("release")
            await handle.cancel()
            await asyncio.sleep(1.5)

    world.tables.meanwhile = press
    async with world.running(), asyncio.timeout(20):
        end = await handle.result()
    assert end.status == ReleaseStatus.CANCELED
    assert world.tables.release().status == ReleaseStatus.CANCELED
    assert world.tables.stages() == {"test": "skipped"}


async def test_a_large_pipeline_may_fan_out_as_wide_as_it_likes(real_world: World) -> None:
    """Every deployment carries the whole plan, and all that a workflow decides at once must fit into 4 MB."""
    long_script = "#" * 500_000
    stages = [stage(f"region-{number}", long_script) for number in range(3)]
    async with real_world.running():
        handle = await start(real_world, plan_of({"pipeline": "webshop", "stages": stages}))
        end = await asyncio.wait_for(handle.result(), 60)
    assert end.status == ReleaseStatus.SUCCEEDED
