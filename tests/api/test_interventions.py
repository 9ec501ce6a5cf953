"""Deciding how a job goes on: by whom, once, and only where somebody is asked."""

from datetime import timedelta
from typing import Any

import pytest
from fakes.api_world import NOW, PEOPLE, World

from activities.records import DeploymentFact, JobFact, StepFact
from domain.ids import DeploymentId
from domain.intervention import Cause, Decision, Intervention, Remedy
from domain.role import Role
from domain.status import RunStatus, StageStatus

TEST = DeploymentId.parse("webshop/1/test/1")
RUN = f"{TEST}/deploy/1/1"
DECISION = f"/step-runs/{RUN}/decision"
ASKED = Intervention(
    cause=Cause.FAILED_STEP, question="./deploy.sh failed: again?", asked_at=NOW, expires_at=NOW + timedelta(days=1)
)


async def _asked(world: World, asked: Intervention | None = ASKED) -> None:
    await world.save()
    async with world.calling(Role.RELEASER) as rita:
        await rita.post("/releases", json={"pipeline": "webshop"})
    deployment = DeploymentFact(
        deployment=str(TEST), status=StageStatus.IN_PROGRESS, requested_by="rita@example.com", started_at=NOW
    )
    job = f"{TEST}/deploy"
    await world.record(
        TEST.workflow_id,
        deployment,
        JobFact(job_id=job, deployment=str(TEST), position=0, job="deploy", status=RunStatus.RUNNING, pool="default"),
        StepFact(
            run_id=RUN,
            job_id=job,
            step=1,
            try_number=1,
            title="./deploy.sh",
            status=RunStatus.FAILED,
            finished_at=NOW,
            intervention=asked,
        ),
    )
    if asked is not None:
        world.orchestrator.interventions[RUN] = asked


async def _decide(world: World, role: Role, **body: Any) -> tuple[int, Any]:
    async with world.calling(role) as person:
        answer = await person.post(DECISION, json={"remedy": "retry", **body})
    return answer.status_code, answer.json()


async def test_what_is_asked_is_listed_until_it_is_decided(world: World) -> None:
    """With the choices there are; and it stands beside its step."""
    await _asked(world)
    async with world.calling(Role.VIEWER) as anybody:
        [asked] = (await anybody.get("/interventions")).json()
        shown = (await anybody.get(f"/deployments/{TEST}")).json()["jobs"][0]["steps"][0]["intervention"]
        decided = ASKED.model_copy(update={"decision": Decision(decision_id="d", by="ana", remedy=Remedy.SKIP)})
        await _asked(world, decided.model_copy(update={"ended_at": NOW}))
        left = (await anybody.get("/interventions")).json()
        after = (await anybody.get(f"/deployments/{TEST}")).json()["jobs"][0]["steps"][0]["intervention"]
    assert (RUN, str(TEST)) == (asked["run_id"], asked["deployment"])
    assert ["retry", "skip", "fail"] == asked["intervention"]["options"] == shown["options"]
    assert [] == left
    assert ("ana decided: go on without it.", "skip", []) == (after["text"], after["remedy"], after["options"])


async def test_a_releaser_decides_once(world: World) -> None:
    """Sent again it counts as the same; who comes later hears who was first."""
    await _asked(world)
    status, told = await _decide(world, Role.RELEASER, decision_id="one", comment="the disk is free again")
    _, again = await _decide(world, Role.RELEASER, decision_id="one")
    _, late = await _decide(world, Role.ADMIN, remedy="fail", decision_id="two")
    assert (200, "counted", True) == (status, told["kind"], told["stands"])
    assert ("already counted", True) == (again["kind"], again["stands"])
    assert ("already decided", False) == (late["kind"], late["stands"])
    assert late["message"].startswith(PEOPLE[Role.RELEASER])


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.AGENT], ids=str)
async def test_others_decide_nothing(world: World, role: Role) -> None:
    """It is for those who may release."""
    await _asked(world)
    status, _ = await _decide(world, role)
    assert 403 == status
    assert world.orchestrator.interventions[RUN].is_open


async def test_a_decision_while_no_worker_runs_is_stored(world: World) -> None:
    """The answer says so."""
    await _asked(world)
    world.orchestrator.has_worker = False
    status, told = await _decide(world, Role.RELEASER)
    assert (202, "stored", False) == (status, told["kind"], told["stands"])


async def test_where_nobody_is_asked_nothing_is_decided(world: World) -> None:
    """Neither about a step that runs, nor once the deployment is over, nor otherwise than was asked."""
    await _asked(world, None)
    assert 404 == (await _decide(world, Role.RELEASER))[0]
    await _asked(world)
    assert "not an option" == (await _decide(world, Role.RELEASER, remedy="it_ran"))[1]["kind"]
    assert 422 == (await _decide(world, Role.RELEASER, remedy="explode"))[0]
    world.orchestrator.interventions.clear()
    assert "not open" == (await _decide(world, Role.RELEASER))[1]["kind"]
