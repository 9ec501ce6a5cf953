"""Steps that are jobs of Jenkins: what reaches the agent that follows them, and what becomes of how they end."""

from typing import Any

from fakes.release_world import World, plan_of, start
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from domain.outputs import SetValue, Told
from domain.status import ReleaseStatus, RunStatus

JOB = "webshop/1/test/1/deploy"
DEPLOYMENT = "deployment/webshop/1/test/1"


def pipeline(*steps: dict[str, Any], **keys: Any) -> dict[str, Any]:
    stage = {"stage": "test", "jobs": [{"job": "deploy", "steps": list(steps)}]}
    return {"pipeline": "webshop", "stages": [stage], **keys}


def jenkins(job: str, **keys: Any) -> dict[str, Any]:
    parameters = keys.pop("parameters", {})
    return {"jenkins": {"server": "ci", "job": job, "parameters": parameters}, **keys}


async def test_a_jenkins_step_is_followed_on_the_agent_with_what_it_may_name(world: World) -> None:
    """Variables, what steps before it set, and the secrets that it names; filled in only on the agent."""
    world.agent.told["prepare"] = Told(variables=(SetValue(name="colour", value="blue"),))
    definition = pipeline(
        {"run": "prepare"},
        jenkins("team/tests", parameters={"V": "$(COLOUR)"}, secrets=["DB"], name="Tests"),
        variables={"REGION": "eu", "DB": {"secret": "webshop/db"}, "OTHER": {"secret": "webshop/other"}},
    )
    async with world.running():
        end = await (await start(world, plan_of(definition))).result()
        summaries = await _summaries(world.client.get_workflow_handle(DEPLOYMENT))
    assert ReleaseStatus.SUCCEEDED == end.status
    (build,) = world.agent.builds
    assert ("Tests", {"V": "$(COLOUR)"}) == (build.title, build.job.parameters)
    assert ("blue", "eu") == (build.environment["COLOUR"], build.environment["REGION"])
    assert {"DB": "webshop/db"} == build.secrets
    assert "Tests: team/tests at ci, followed on agent-1" in summaries
    assert {"DB": "webshop/db"} == world.tables.steps()[f"{JOB}/2/1"].secrets


async def test_retries_outputs_and_conditions_are_as_for_scripts(world: World) -> None:
    """Each try is a run of its own, and so a build of its own; later steps find what the last one told."""
    told = Told(variables=(SetValue(name="JENKINS_BUILD_NUMBER", value="7", is_output=True),))
    world.agent.told["flaky 1"] = told
    steps = [jenkins("flaky 1", retries=1, id="tests"), {"run": "deploy"}]
    async with world.running():
        await (await start(world, plan_of(pipeline(*steps)))).result()
    assert [f"{JOB}/1/1", f"{JOB}/1/2", f"{JOB}/2/1"] == world.agent.runs
    assert "7" == world.agent.requests[0].environment["TESTS_JENKINS_BUILD_NUMBER"]
    assert [RunStatus.FAILED, RunStatus.SUCCEEDED] == [world.tables.steps()[f"{JOB}/1/{n}"].status for n in (1, 2)]


async def test_a_build_that_goes_on_too_long_is_stopped_with_its_job(world: World) -> None:
    """The agent is told, and the step ends only when the build has."""
    definition = pipeline(jenkins("hang"))
    definition["stages"][0]["jobs"][0]["timeout"] = "1s"
    async with world.running():
        end = await (await start(world, plan_of(definition))).result()
    assert ReleaseStatus.FAILED == end.status
    assert RunStatus.TIMED_OUT == world.tables.steps()[f"{JOB}/1/1"].status


async def test_a_build_of_which_nobody_knows_is_not_asked_for_again(world: World) -> None:
    """Its job ends as unknown, as where a runner died."""
    async with world.running():
        end = await (await start(world, plan_of(pipeline(jenkins("vanish 9"), {"run": "deploy"})))).result()
    assert ReleaseStatus.FAILED == end.status
    assert [f"{JOB}/1/1"] == world.agent.runs
    assert RunStatus.UNKNOWN == world.tables.jobs()[JOB].status


async def _summaries(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """What Temporal Web UI shows beside the activities."""
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    history = await handle.fetch_history()
    told = [event.user_metadata.summary for event in history.events if event.event_type == scheduled]
    return [str(handle._client.data_converter.payload_converter.from_payload(one)) for one in told if one.data]
