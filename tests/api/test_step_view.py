"""What a step told, as the API and the release page show it."""

import httpx2
from fakes.api_world import NOW, World

from activities.records import DeploymentFact, JobFact, NameFact, StepFact
from domain.ids import DeploymentId
from domain.outputs import Issue, IssueKind, Summary
from domain.status import RunStatus, StageStatus

TEST = DeploymentId.parse("webshop/1/test/1")
JOB = f"{TEST}/deploy"


async def test_what_a_step_told_is_shown_beside_it(
    world: World, releaser: httpx2.AsyncClient, viewer: httpx2.AsyncClient
) -> None:
    """All of it counted, the first ten issues in words, its summaries whole; and the release's new name."""
    await world.save()
    await releaser.post("/releases", json={"pipeline": "webshop"})
    issues = tuple(Issue(kind=IssueKind.WARNING, message=f"odd {number}") for number in range(30))
    await world.record(
        TEST.workflow_id,
        DeploymentFact(
            deployment=str(TEST), status=StageStatus.IN_PROGRESS, requested_by="rita@example.com", started_at=NOW
        ),
        JobFact(job_id=JOB, deployment=str(TEST), position=0, job="deploy", status=RunStatus.RUNNING, pool="default"),
        StepFact(
            run_id=f"{JOB}/1/1",
            job_id=JOB,
            step=1,
            try_number=1,
            title="./deploy.sh",
            status=RunStatus.SUCCEEDED,
            issues=issues,
            warnings=150,
            summaries=(Summary(name="done.md", text="# Done"),),
            progress=100,
        ),
        NameFact(release="webshop/1", name="web 42"),
    )
    release = (await viewer.get("/releases/webshop/1")).json()
    step = release["deployments"][0]["jobs"][0]["steps"][0]
    assert "web 42" == release["name"]
    assert (0, 150, 10, "odd 0") == (
        step["errors"],
        step["warnings"],
        len(step["issues"]),
        step["issues"][0]["message"],
    )
    assert ([{"name": "done.md", "text": "# Done"}], 100) == (step["summaries"], step["progress"])
