"""Releases over HTTP."""

from datetime import timedelta

import httpx2
import pytest
from fakes.api_world import NOW, PIPELINE, World
from fakes.asked_approval import ANA, PROD, RITA, ask
from sqlalchemy import event

from activities.records import (
    ApprovalFact,
    DeploymentFact,
    Event,
    JobFact,
    ReleaseFact,
    StageFact,
    StepFact,
)
from domain.approval import Approval, Asked, settle
from domain.approval_policy import ApprovalPolicy, NobodyAsked
from domain.ids import DeploymentId, ReleaseId
from domain.person import Person, Requester
from domain.role import Role
from domain.status import ReleaseStatus, RunStatus, StageStatus
from storage import people

NEW = {"pipeline": "webshop"}
TEST = DeploymentId.parse("webshop/1/test/1")


async def _recorded(world: World, status: ReleaseStatus = ReleaseStatus.ACTIVE) -> None:
    """A release whose workflow deploys to test, where its job waits for an agent."""
    await world.record("release/webshop/1", ReleaseFact(release="webshop/1", status=status, digest="d" * 64))
    await world.record(
        "deployment/webshop/1/test/1",
        StageFact(release="webshop/1", stage="test", status=StageStatus.IN_PROGRESS, attempt=1),
        DeploymentFact(
            deployment=str(TEST),
            status=StageStatus.IN_PROGRESS,
            requested_by="rita@example.com",
            waiting_for="an agent",
            started_at=NOW,
        ),
        JobFact(
            job_id=f"{TEST}/deploy",
            deployment=str(TEST),
            position=0,
            job="deploy",
            status=RunStatus.WAITING,
            pool="default",
            demands=("docker",),
            waiting_for="an agent of pool default",
        ),
        Event(release="webshop/1", deployment=str(TEST), text="deployment to test started", by="rita@example.com"),
    )


async def test_a_new_release_is_requested_and_started(world: World, releaser: httpx2.AsyncClient) -> None:
    """The row says what was asked for; the workflow will say the rest."""
    await world.save()
    body = {
        "pipeline": "webshop",
        "variables": {"LOG_LEVEL": "debug"},
        "manual_stages": ["prod"],
        "description": "hotfix",
    }
    answer = await releaser.post("/releases", json=body)
    release = answer.json()
    assert (201, "/api/v1/releases/webshop/1") == (answer.status_code, answer.headers["location"])
    assert ("webshop/1", "webshop-1", "requested", "rita@example.com", "hotfix", {"LOG_LEVEL": "debug"}) == tuple(
        release[key] for key in ("id", "name", "status", "requested_by", "description", "variables")
    )
    assert [("test", "not started", [], False), ("prod", "not started", ["test"], True)] == [
        (stage["stage"], stage["status"], stage["after"], stage["manual"]) for stage in release["stages"]
    ]
    assert {
        "self": "/api/v1/releases/webshop/1",
        "console": "https://slipway.example.com/releases/webshop/1",
    } == release["links"]
    assert ["webshop/1"] == [str(plan.id) for plan in world.orchestrator.started]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"pipeline": "nothing"}, (404, "NoSuchPipeline")),
        ({"versions": {"web": "142"}}, (422, "UnknownArtifact")),
        ({"variables": {"REGION": "us"}}, (422, "VariableNotSettable")),
        ({"variables": {"DB_PASSWORD": "guess"}}, (422, "VariableNotSettable")),
        ({"variables": {"NOTHING": "x"}}, (422, "VariableNotSettable")),
        ({"manual_stages": ["staging"]}, (422, "UnknownStage")),
    ],
)
async def test_a_request_that_does_not_fit_the_pipeline_makes_nothing(
    world: World, releaser: httpx2.AsyncClient, wrong: dict[str, object], expected: tuple[int, str]
) -> None:
    """Neither a row nor a workflow, and the next release takes the number."""
    await world.save()
    answer = await releaser.post("/releases", json=NEW | wrong)
    assert expected == (answer.status_code, answer.json()["error"])
    assert ([], []) == ((await releaser.get("/releases")).json()["items"], world.orchestrator.started)
    assert "webshop/1" == (await releaser.post("/releases", json=NEW)).json()["id"]


async def test_a_version_that_is_asked_for_must_be_named(world: World, releaser: httpx2.AsyncClient) -> None:
    """An artifact with ``version: ask`` has no default."""
    artifact = {"url": {"href": "https://example.com/web.tar.gz"}, "version": "ask"}
    await world.save(PIPELINE | {"artifacts": {"web": artifact}})
    answer = await releaser.post("/releases", json=NEW)
    assert (422, "VersionMissing") == (answer.status_code, answer.json()["error"])
    assert 201 == (await releaser.post("/releases", json=NEW | {"versions": {"web": "7"}})).status_code


async def test_a_release_shows_all_that_belongs_to_it(
    world: World, viewer: httpx2.AsyncClient, releaser: httpx2.AsyncClient
) -> None:
    """Stages, deployments with jobs and steps, history, and the way to Temporal."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world)
    await world.record(
        "deployment/webshop/1/test/1",
        StepFact(
            run_id=f"{TEST}/deploy/1/1",
            job_id=f"{TEST}/deploy",
            step=1,
            try_number=1,
            title="./deploy.sh",
            status=RunStatus.RUNNING,
            secrets={"DB_PASSWORD": "webshop/db"},
        ),
    )
    release = (await viewer.get("/releases/webshop/1")).json()
    deployment = release["deployments"][0]
    assert ("active", "d" * 64) == (release["status"], release["digest"])
    assert ("in progress", 1, "an agent") == tuple(
        release["stages"][0][key] for key in ("status", "attempt", "waiting_for")
    )
    assert ["./deploy.sh"] == [step["title"] for step in deployment["jobs"][0]["steps"]]
    assert ["deployment to test started"] == [event["text"] for event in release["events"]]
    assert (
        "http://127.0.0.1:8233/namespaces/default/workflows/deployment%2Fwebshop%2F1%2Ftest%2F1/run-1/history"
        == deployment["temporal_url"]
    )
    assert deployment == (await viewer.get("/deployments/webshop/1/test/1")).json()


async def test_a_job_that_waits_says_why_nobody_takes_it(
    world: World, releaser: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    """Computed at this moment from the agents there are, not from what was true when it was queued."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world)
    assert "pool default has no agents" == await _waits_for(releaser)
    token = (await admin.post("/agents/enrolment-tokens", json={"pool": "default"})).json()["token"]
    who = {"instance_id": "instance-1", "capabilities": {"os": "linux"}, "slots": 1}
    enrolled = (await admin.post("/agents/enrol", json=who | {"token": token, "name": "web-1"})).json()
    async with world.client({"Authorization": f"Bearer {enrolled['credential']}"}) as web:
        await web.post("/agent/heartbeat", json=who)
        assert "nearest: web-1 lacks docker" in await _waits_for(releaser)
        await web.post("/agent/heartbeat", json=who | {"capabilities": {"os": "linux", "docker": "27"}})
    assert "an agent of pool default" == await _waits_for(releaser)
    world.clock.move(timedelta(seconds=20))
    assert "offline" in await _waits_for(releaser)


async def _waits_for(client: httpx2.AsyncClient) -> str:
    release = (await client.get("/releases/webshop/1")).json()
    return str(release["deployments"][0]["jobs"][0]["waiting_for"])


async def test_an_approval_shows_who_is_asked_and_who_answered(world: World, releaser: httpx2.AsyncClient) -> None:
    """With the digest that a vote sends back."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world)
    approval = Approval(
        policy=ApprovalPolicy(approvers=("ana@example.com", "group:ops")),
        asked=(
            Asked(approver="ana@example.com", members=("ana@example.com",)),
            Asked(approver="group:ops", members=("otto@example.com",)),
        ),
        digest="d" * 64,
        requesters=("rita@example.com",),
        opened_at=NOW,
    )
    await world.record(
        TEST.workflow_id,
        ApprovalFact(approval_id=f"{TEST}/before", deployment=str(TEST), moment="before", approval=approval),
    )
    shown = (await releaser.get("/releases/webshop/1")).json()["deployments"][0]["approvals"][0]
    assert ("pending", 2, "d" * 64, "test") == tuple(shown[key] for key in ("verdict", "needed", "digest", "stage"))
    assert [("ana@example.com", True, None), ("group:ops", True, None)] == [
        (asked["approver"], asked["is_asked_now"], asked["answered"]) for asked in shown["asked"]
    ]
    assert shown == (await releaser.get(f"/approvals/{TEST}/before")).json()


async def test_lists_go_newest_first_page_by_page(world: World, releaser: httpx2.AsyncClient) -> None:
    """No release is shown twice or left out, also when new ones come in between."""
    await world.save()
    for _ in range(5):
        world.clock.move(timedelta(seconds=1))
        await releaser.post("/releases", json=NEW)
    first = (await releaser.get("/releases?limit=2")).json()
    await releaser.post("/releases", json=NEW)
    second = (await releaser.get("/releases", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    third = (await releaser.get("/releases", params={"limit": 2, "cursor": second["next_cursor"]})).json()
    pages = [[item["number"] for item in page["items"]] for page in (first, second, third)]
    assert [[5, 4], [3, 2], [1]] == pages
    assert third["next_cursor"] is None


async def test_lists_can_be_narrowed(world: World, releaser: httpx2.AsyncClient) -> None:
    """By pipeline and by status."""
    await world.save()
    await world.save(PIPELINE | {"pipeline": "billing"})
    await releaser.post("/releases", json=NEW)
    await releaser.post("/releases", json={"pipeline": "billing"})
    await _recorded(world)
    by_pipeline = (await releaser.get("/releases?pipeline=billing")).json()["items"]
    by_status = (await releaser.get("/releases?status=active")).json()["items"]
    assert (["billing/1"], ["webshop/1"]) == ([r["id"] for r in by_pipeline], [r["id"] for r in by_status])


async def test_a_release_is_canceled_by_its_workflow(world: World, releaser: httpx2.AsyncClient) -> None:
    """The API passes the word on, and writes no status."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    answer = await releaser.post("/releases/webshop/1/cancel", json={"reason": "wrong build"})
    assert (202, "requested") == (answer.status_code, answer.json()["status"])
    assert [("webshop/1", "canceled by rita@example.com: wrong build")] == [
        (what, str(request)) for what, request in world.orchestrator.canceled
    ]


async def test_a_release_that_did_not_start_yet_is_started_to_be_canceled(
    world: World, releaser: httpx2.AsyncClient
) -> None:
    """Else the sweep would start it after it was canceled."""
    await world.save()
    world.orchestrator.is_reachable = False
    await releaser.post("/releases", json=NEW)
    world.orchestrator.is_reachable = True
    answer = await releaser.post("/releases/webshop/1/cancel", json={})
    assert (202, 1, 1) == (answer.status_code, len(world.orchestrator.started), len(world.orchestrator.canceled))


async def test_what_is_over_cannot_be_canceled(world: World, releaser: httpx2.AsyncClient) -> None:
    """Told with how it ended."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world, ReleaseStatus.SUCCEEDED)
    answer = await releaser.post("/releases/webshop/1/cancel", json={})
    assert (409, "AlreadyOver", "release webshop/1 is succeeded") == (
        answer.status_code,
        answer.json()["error"],
        answer.json()["detail"],
    )


async def test_a_deployment_is_canceled_by_its_workflow(world: World, releaser: httpx2.AsyncClient) -> None:
    """And refused when that is over."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world)
    gone = await releaser.post(f"/deployments/{TEST}/cancel", json={})
    world.orchestrator.approvals[TEST, "before"] = None  # type: ignore[index, assignment]
    taken = await releaser.post(f"/deployments/{TEST}/cancel", json={"reason": "enough"})
    assert ((409, "NothingRuns"), 202) == ((gone.status_code, gone.json()["error"]), taken.status_code)
    assert [str(TEST)] == [what for what, _ in world.orchestrator.canceled]


async def test_who_cancels_is_told_what_happens(world: World, releaser: httpx2.AsyncClient) -> None:
    """In words: what is stopped, what never starts, whose answer is no longer needed."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world)
    running = await releaser.post("/releases/webshop/1/cancel", json={})
    assert (
        "Release webshop/1 is being canceled: what runs in test is stopped; nothing is deployed to prod."
        == running.json()["message"]
    )
    await ask(world)
    waiting = await releaser.post(f"/deployments/{PROD}/cancel", json={})
    assert (
        "Deployment webshop/1/prod/1 is being canceled: nothing is deployed to prod; 1 open approval is no longer "
        "needed; what comes after prod does not start by itself." == waiting.json()["message"]
    )


@pytest.mark.parametrize("path", ["/releases/webshop/1/cancel", f"/deployments/{PROD}/cancel"])
async def test_who_started_it_may_cancel_it(world: World, releaser: httpx2.AsyncClient, path: str) -> None:
    """Also when they may start nothing any more, and by any address of theirs; others may not."""
    await world.save()
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address=RITA, also=("rita@old.example.com",)), NOW)
    await releaser.post("/releases", json=NEW)
    await ask(world)
    async with world.calling(Role.RELEASE_MANAGER, "mona@example.com") as manager:
        assert 202 == (await manager.post(path, json={})).status_code
    async with world.calling(Role.VIEWER, "rita@old.example.com") as starter:
        assert 202 == (await starter.post(path, json={})).status_code
    assert ["canceled by mona@example.com", f"canceled by {RITA}"] == [str(r) for _, r in world.orchestrator.canceled]
    async with world.calling(Role.APPROVER, ANA) as other:
        answer = await other.post(path, json={})
    assert (403, "NotAllowed") == (answer.status_code, answer.json()["error"])
    assert "only who started it" in answer.json()["detail"]


async def test_who_started_a_deployment_may_cancel_that_one_only(world: World) -> None:
    """Not the release, which somebody else made."""
    await world.save()
    async with world.calling(Role.RELEASER, "otto@example.com") as otto:
        await otto.post("/releases", json=NEW)
    await ask(world)
    async with world.calling(Role.VIEWER, RITA) as rita:
        deployment = await rita.post(f"/deployments/{PROD}/cancel", json={})
        release = await rita.post("/releases/webshop/1/cancel", json={})
    assert (202, 403) == (deployment.status_code, release.status_code)


async def test_a_service_releases_for_a_person(world: World, releaser: httpx2.AsyncClient) -> None:
    """Its owner and that person are requesters, by all their addresses; shown are the service and that person."""
    await world.save()
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address="dev@example.com", also=("dev@old.example.com",)), NOW)
    async with world.calling(Role.RELEASER, "service:ci", owner="adam@example.com") as service:
        answer = await service.post("/releases", json=NEW | {"requested_for": "Dev@old.example.com"})
        await service.post("/releases/webshop/1/stages/test/deploy", json={"requested_for": "cleo@example.com"})
    shown = answer.json()
    assert (201, "service:ci", "dev@example.com") == (
        answer.status_code,
        shown["requested_by"],
        shown["requested_for"],
    )
    (plan,) = world.orchestrator.started
    assert ("adam@example.com", "dev@example.com", "dev@old.example.com") == plan.requester_addresses
    ((_, request),) = world.orchestrator.deployed
    assert ("service:ci", ("adam@example.com", "cleo@example.com")) == (
        request.requested_by,
        request.requester_addresses,
    )
    assert 422 == (await releaser.post("/releases", json=NEW | {"requested_for": "dev"})).status_code


async def test_who_deploys_a_stage_is_a_requester_by_all_their_addresses(
    world: World, releaser: httpx2.AsyncClient
) -> None:
    """So that none of them approves it."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address="otto@example.com", also=("o@example.com",)), NOW)
    async with world.calling(Role.RELEASER, "otto@example.com") as otto:
        await otto.post("/releases/webshop/1/stages/test/deploy", json={})
    ((_, request),) = world.orchestrator.deployed
    assert ("otto@example.com", ("otto@example.com", "o@example.com")) == (
        request.requested_by,
        request.requester_addresses,
    )


async def test_variables_are_set_by_the_workflow(world: World, releaser: httpx2.AsyncClient) -> None:
    """It is told who wants them, and why; the same change sent again is the same change."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    body = {"variables": {"LOG_LEVEL": "debug"}, "comment": "to find the leak", "change_id": "c-1"}
    for _ in range(2):
        answer = await releaser.post("/releases/webshop/1/variables", json=body)
        assert (202, "webshop/1") == (answer.status_code, answer.json()["id"])
    ((release, change),) = world.orchestrator.changed
    assert ("webshop/1", {"LOG_LEVEL": "debug"}, "to find the leak") == (str(release), change.variables, change.comment)
    assert Requester(name=RITA, addresses=(RITA,)) == change.requester
    async with world.calling(Role.RELEASER, "otto@example.com") as otto:
        await otto.post("/releases/webshop/1/variables", json=body)
    assert 2 == len(world.orchestrator.changed), "another person's id is another id"


async def test_a_release_that_did_not_start_yet_is_started_to_be_changed(
    world: World, releaser: httpx2.AsyncClient
) -> None:
    """Nothing is answered with 202 that nobody hears."""
    await world.save()
    world.orchestrator.is_reachable = False
    await releaser.post("/releases", json=NEW)
    body = {"variables": {"LOG_LEVEL": "debug"}}
    away = await releaser.post("/releases/webshop/1/variables", json=body)
    world.orchestrator.is_reachable = True
    taken = await releaser.post("/releases/webshop/1/variables", json=body)
    assert (503, 202, 1) == (away.status_code, taken.status_code, len(world.orchestrator.changed))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"variables": {"REGION": "us"}}, (422, "VariableNotSettable")),
        ({"variables": {"DB_PASSWORD": "guess"}}, (422, "VariableNotSettable")),
        ({"variables": {}}, (422, "Invalid")),
        ({"variables": {"LOG_LEVEL": 1}}, (422, "Invalid")),
        ({"variables": {"LOG_LEVEL": "x"}, "change_id": "a b"}, (422, "Invalid")),
    ],
)
async def test_what_may_not_be_set_changes_nothing(
    world: World, releaser: httpx2.AsyncClient, body: dict[str, object], expected: tuple[int, str]
) -> None:
    """As when a release is made."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    answer = await releaser.post("/releases/webshop/1/variables", json=body)
    assert expected == (answer.status_code, answer.json()["error"])
    assert [] == world.orchestrator.changed


async def test_a_release_that_is_over_is_not_changed(world: World, releaser: httpx2.AsyncClient) -> None:
    """By its record; or, before that is written, by its workflow."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    body = {"variables": {"LOG_LEVEL": "debug"}}
    world.orchestrator.ended.append(ReleaseId.parse("webshop/1"))
    unwritten = await releaser.post("/releases/webshop/1/variables", json=body)
    await _recorded(world, ReleaseStatus.SUCCEEDED)
    written = await releaser.post("/releases/webshop/1/variables", json=body)
    assert [(409, "NothingRuns"), (409, "AlreadyOver")] == [
        (answer.status_code, answer.json()["error"]) for answer in (unwritten, written)
    ]


async def test_a_stage_is_deployed_again_from_where_the_release_ended(
    world: World, releaser: httpx2.AsyncClient
) -> None:
    """The workflow gets the pinned plan, how the stages stand, and how often each was deployed."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world, ReleaseStatus.FAILED)
    answer = await releaser.post("/releases/webshop/1/stages/test/deploy", json={"comment": "again"})
    resumed, request = world.orchestrator.deployed[0]
    assert 202 == answer.status_code
    assert ({"test": 1, "prod": 0}, True) == (resumed.attempts, resumed.is_resumed)
    assert {"test": StageStatus.CANCELED, "prod": StageStatus.NOT_STARTED} == resumed.statuses
    assert ("test", "rita@example.com", "again") == (request.stage, request.requested_by, request.comment)


async def test_a_repeated_request_to_deploy_counts_once(world: World, releaser: httpx2.AsyncClient) -> None:
    """With the same Idempotency-Key."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    for _ in range(3):
        await releaser.post("/releases/webshop/1/stages/test/deploy", json={}, headers={"Idempotency-Key": "k"})
    assert 1 == len(world.orchestrator.deployed)


async def test_a_repeated_request_to_deploy_starts_no_ended_release_anew(
    world: World, releaser: httpx2.AsyncClient
) -> None:
    """The workflow that knew the key is gone; the key is remembered all the same, for this stage alone."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    again = {"Idempotency-Key": "k"}
    await releaser.post("/releases/webshop/1/stages/test/deploy", json={}, headers=again)
    await _recorded(world, ReleaseStatus.SUCCEEDED)
    world.orchestrator.deployed.clear()
    repeated = await releaser.post("/releases/webshop/1/stages/test/deploy", json={}, headers=again)
    other = await releaser.post("/releases/webshop/1/stages/prod/deploy", json={}, headers=again)
    assert [] == world.orchestrator.deployed
    assert (202, (422, "KeyReused")) == (repeated.status_code, (other.status_code, other.json()["error"]))


@pytest.mark.parametrize(
    ("status", "stage", "expected"),
    [
        (ReleaseStatus.ACTIVE, "staging", (404, "NoSuchStage")),
        (ReleaseStatus.ABANDONED, "test", (409, "Abandoned")),
    ],
)
async def test_what_cannot_be_deployed_is_refused(
    world: World, releaser: httpx2.AsyncClient, status: ReleaseStatus, stage: str, expected: tuple[int, str]
) -> None:
    """Before the workflow hears of it."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world, status)
    answer = await releaser.post(f"/releases/webshop/1/stages/{stage}/deploy", json={})
    assert expected == (answer.status_code, answer.json()["error"])
    assert [] == world.orchestrator.deployed


async def test_a_big_release_takes_as_few_queries_as_a_small_one(world: World, releaser: httpx2.AsyncClient) -> None:
    """The number of statements does not grow with steps, jobs, approvals or deployments."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world)
    small = await _statements(world, releaser)
    for step in range(1, 40):
        await world.record(
            TEST.workflow_id,
            StepFact(
                run_id=f"{TEST}/deploy/{step}/1",
                job_id=f"{TEST}/deploy",
                step=step,
                try_number=1,
                title="x",
                status=RunStatus.SUCCEEDED,
            ),
        )
    assert small == await _statements(world, releaser)


async def _statements(world: World, client: httpx2.AsyncClient) -> int:
    seen: list[str] = []
    engine = world.services.database._engine.sync_engine

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    await client.get("/releases/webshop/1")
    event.remove(engine, "before_cursor_execute", note)
    return len([statement for statement in seen if statement.startswith("SELECT")])


async def test_a_stage_that_asks_nobody_shows_so(world: World, releaser: httpx2.AsyncClient) -> None:
    """Its automatic approval is with the deployment, and waits for nobody."""
    await world.save()
    await releaser.post("/releases", json=NEW)
    await _recorded(world)
    automatic = Approval(policy=NobodyAsked(), asked=(), digest="d" * 64, requesters=(RITA,), opened_at=NOW)
    await world.record(
        TEST.workflow_id,
        ApprovalFact(
            approval_id=f"{TEST}/before", deployment=str(TEST), moment="before", approval=settle(automatic, NOW)
        ),
    )
    (deployment,) = (await releaser.get("/releases/webshop/1")).json()["deployments"]
    assert [(True, "approved")] == [(one["is_automatic"], one["verdict"]) for one in deployment["approvals"]]
    assert [] == (await releaser.get("/approvals")).json()["items"]


@pytest.mark.parametrize(
    "path",
    [
        "/releases/{pipeline}/{number}/cancel",
        "/releases/{pipeline}/{number}/variables",
        "/releases/{pipeline}/{number}/stages/{stage}/deploy",
        "/deployments/{pipeline}/{number}/{stage}/{attempt}/cancel",
    ],
)
def test_the_document_tells_all_that_may_come_back(world: World, path: str) -> None:
    """Accepted, and every way of being refused."""
    responses = world.app.openapi()["paths"][f"/api/v1{path}"]["post"]["responses"]
    assert {"202", "401", "403", "404", "409", "422", "503"} <= set(responses)
