"""A release walks its stage graph."""

from typing import Any

from fakes.release_world import World, plan_of, stage, start, vote

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
