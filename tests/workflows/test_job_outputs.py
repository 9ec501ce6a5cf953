"""What a step tells reaches the steps and jobs after it, the record, and the outcome."""

from typing import Any

from fakes.release_world import World, plan_of, start

from activities.records import NameFact
from domain.outputs import Issue, IssueKind, SetName, SetValue, StepResult, Told
from domain.status import ReleaseStatus, RunStatus

TEST = "webshop/1/test/1"


def jobs(**of: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "pipeline": "webshop",
        "stages": [{"stage": "test", "jobs": [{"job": job, "steps": steps} for job, steps in of.items()]}],
    }


async def test_variables_reach_following_steps_and_outputs_later_jobs(world: World) -> None:
    """Secrets as places, and only where they are named."""
    world.agent.told["sign in"] = Told(
        variables=(SetValue(name="Shop.Region", value="eu", is_output=True), SetValue(name="HERE", value="1")),
        secret_variables=(SetName(name="TOKEN", is_output=True),),
        paths=("/opt/bin",),
    )
    definition = jobs(
        build=[
            {"run": "sign in", "id": "login", "secret_outputs": ["TOKEN"]},
            {"run": "use", "secrets": ["TOKEN"]},
            {"run": "other"},
        ],
        deploy=[{"run": "late", "secrets": ["BUILD_LOGIN_TOKEN"]}],
    )
    async with world.running():
        end = await (await start(world, plan_of(definition))).result()
    assert ReleaseStatus.SUCCEEDED == end.status
    asked = {request.script: request for request in world.agent.requests}
    seen = {script: request.environment for script, request in asked.items()}
    assert ("eu", "eu", "1") == tuple(seen["use"][name] for name in ("SHOP_REGION", "LOGIN_SHOP_REGION", "HERE"))
    assert ("/opt/bin",) == asked["use"].paths
    assert "eu" == seen["late"]["BUILD_LOGIN_SHOP_REGION"]
    assert not {"SHOP_REGION", "HERE"} & set(seen["late"])
    assert ((), True) == (asked["late"].paths, asked["late"].masks_of_job)
    steps = world.tables.steps()
    token = f"{TEST}/build/1/1/TOKEN"
    assert {"TOKEN": token} == steps[f"{TEST}/build/2/1"].secret_outputs
    assert {} == steps[f"{TEST}/build/3/1"].secret_outputs
    assert asked["other"].masks_of_job
    assert {"BUILD_LOGIN_TOKEN": token} == steps[f"{TEST}/deploy/1/1"].secret_outputs


async def test_a_step_that_says_it_failed_has_failed(world: World) -> None:
    """Though its script ends well; its issues are kept beside it, and the release bears its new name."""
    issue = Issue(kind=IssueKind.ERROR, message="odd")
    world.agent.told["check"] = Told(
        result=StepResult.FAILED, result_reason="no disk", issues=(issue,), errors=1, release_name="web 42"
    )
    async with world.running():
        end = await (await start(world, plan_of(jobs(build=[{"run": "check"}])))).result()
    assert ReleaseStatus.FAILED == end.status
    step = world.tables.steps()[f"{TEST}/build/1/1"]
    assert (RunStatus.FAILED, 0, "no disk", (issue,)) == (step.status, step.exit_code, step.reason, step.issues)
    assert ["web 42"] == [fact.name for fact in world.tables.facts if isinstance(fact, NameFact)]


async def test_issues_alone_make_no_failure_and_success_with_issues_a_partial_one(world: World) -> None:
    """As Azure has it."""
    world.agent.told["noisy"] = Told(issues=(Issue(kind=IssueKind.ERROR, message="odd"),), errors=1)
    world.agent.told["almost"] = Told(result=StepResult.SUCCEEDED_WITH_ISSUES)
    async with world.running():
        end = await (await start(world, plan_of(jobs(build=[{"run": "noisy"}, {"run": "almost"}])))).result()
    assert ReleaseStatus.PARTIALLY_SUCCEEDED == end.status
    steps = world.tables.steps()
    assert [RunStatus.SUCCEEDED, RunStatus.PARTIALLY_SUCCEEDED] == [
        steps[f"{TEST}/build/{number}/1"].status for number in (1, 2)
    ]
