"""What agents are told of artifacts before they are needed: those that could take the job, while people think."""

from typing import Any

import httpx2
import pytest
from fakes.api_world import NOW, PIPELINE, World
from pydantic import SecretStr

from activities.records import ApprovalFact, DeploymentFact, ReleaseFact
from domain.approval import Approval, Asked, Moment, Verdict
from domain.approval_policy import ApprovalPolicy
from domain.artifact import FileEntry, Manifest, PinnedArtifact
from domain.connection import Connection, ConnectionKind
from domain.ids import DeploymentId, approval_id
from domain.pipeline import JenkinsSource
from domain.role import Role
from domain.status import ReleaseStatus, StageStatus
from storage import connections
from storage.manifests import SqlManifests

PROD = DeploymentId.parse("webshop/1/prod/1")
TOKEN = "hunter2-of-jenkins"
UPCOMING = "/agent/upcoming-artifacts"
CAN = {"docker": "27", "os": "linux"}


def pipeline(**job: Any) -> dict[str, Any]:
    """Its stage prod waits for an approval, with a job like this."""
    stages: Any = PIPELINE["stages"]
    deploy = {**stages[1]["jobs"][0], "demands": ["docker", "os=linux"], **job}
    return {**PIPELINE, "stages": [stages[0], {**stages[1], "jobs": [deploy]}]}


async def _waiting(world: World, moment: Moment = Moment.BEFORE, verdict: Verdict = Verdict.PENDING, **job: Any) -> str:
    """The digest of the artifact of release webshop/1, whose prod waits."""
    await world.save(pipeline(**job))
    async with world.calling(Role.RELEASER) as rita:
        await rita.post("/releases", json={"pipeline": "webshop"})
    entry = FileEntry(path="app.war", locator="shop//app.war", size=1, sha256="a" * 64)
    manifest = Manifest(source=JenkinsSource(server="ci", job="shop"), version="7", files=(entry,))
    kept = await SqlManifests(world.services.database).keep(manifest)
    pin = PinnedArtifact(
        alias="web", kind="x", version="7", digest=manifest.digest, manifest_id=kept, file_count=1, size=1
    )
    await world.record(
        "release/webshop/1",
        ReleaseFact(release="webshop/1", status=ReleaseStatus.ACTIVE, digest="d" * 64, artifacts=(pin,)),
    )
    approval = Approval(
        policy=ApprovalPolicy(approvers=("ana@example.com",)),
        asked=(Asked(approver="ana@example.com", members=("ana@example.com",)),),
        digest="d",
        requesters=("rita@example.com",),
        opened_at=NOW,
        verdict=verdict,
    )
    await world.record(
        PROD.workflow_id,
        DeploymentFact(deployment=str(PROD), status=StageStatus.IN_PROGRESS, requested_by="rita", started_at=NOW),
        ApprovalFact(approval_id=approval_id(PROD, moment), deployment=str(PROD), moment=moment, approval=approval),
    )
    connection = Connection(name="ci", kind=ConnectionKind.JENKINS, url="https://ci", user="u", token=SecretStr(TOKEN))
    async with world.services.database.transaction() as session:
        await connections.put(session, world.services.sealing, connection, NOW)
    return manifest.digest


async def _enrolled(
    world: World, name: str = "web-1", capabilities: dict[str, str] = CAN, **token: Any
) -> dict[str, str]:
    who = {"instance_id": f"instance-{name}", "capabilities": capabilities, "slots": 1}
    async with world.calling(Role.ADMIN) as admin:
        value = (await admin.post("/agents/enrolment-tokens", json=token)).json()["token"]
    async with world.calling() as nobody:
        enrolled = (await nobody.post("/agents/enrol", json=who | {"token": value, "name": name})).json()
    headers = {"Authorization": f"Bearer {enrolled['credential']}"}
    async with world.client(headers) as agent:
        await agent.post("/agent/heartbeat", json=who)
    return headers


async def _told(world: World, headers: dict[str, str]) -> list[dict[str, Any]]:
    async with world.client(headers) as agent:
        answer = await agent.get(UPCOMING)
    assert 200 == answer.status_code
    found: list[dict[str, Any]] = answer.json()["artifacts"]
    return found


@pytest.fixture
async def agent(world: World) -> dict[str, str]:
    return await _enrolled(world)


async def test_an_agent_that_could_take_the_job_is_told(world: World, agent: dict[str, str]) -> None:
    """With the connection, as the job would be."""
    digest = await _waiting(world)
    [found] = await _told(world, agent)
    assert ("web", digest) == (found["alias"], Manifest.model_validate(found["manifest"]).digest)
    assert ("ci", TOKEN) == (found["connection"]["name"], found["connection"]["token"])


@pytest.mark.parametrize(
    "who",
    [{"pool": "other"}, {"needs_approval": True}, {"capabilities": {"docker": "27"}}],
    ids=["pool", "approval", "demands"],
)
async def test_an_agent_that_could_not_take_it_is_told_nothing(world: World, who: dict[str, Any]) -> None:
    """Another pool, not let in yet, a demand that it does not satisfy."""
    await _waiting(world)
    assert [] == await _told(world, await _enrolled(world, "web-2", **who))
    assert 1 == len(await _told(world, await _enrolled(world, "web-3")))


async def test_an_agent_under_maintenance_is_told_nothing(world: World, agent: dict[str, str]) -> None:
    """It will not be asked."""
    await _waiting(world)
    async with world.calling(Role.ADMIN) as admin:
        assert (await admin.put("/agents/web-1/maintenance", json={"on": True})).is_success
    assert [] == await _told(world, agent)


@pytest.mark.parametrize(
    "waits",
    [{"verdict": Verdict.APPROVED}, {"verdict": Verdict.REJECTED}, {"moment": Moment.AFTER}, {"download": "none"}],
    ids=["approved", "rejected", "after", "downloads nothing"],
)
async def test_what_does_not_wait_is_not_told(world: World, agent: dict[str, str], waits: dict[str, Any]) -> None:
    """Nor what the job would not download."""
    await _waiting(world, **waits)
    assert [] == await _told(world, agent)


async def test_a_deployment_that_ended_waits_no_more(world: World, agent: dict[str, str]) -> None:
    """Whatever its approval says."""
    await _waiting(world)
    await world.record(
        PROD.workflow_id,
        DeploymentFact(
            deployment=str(PROD), status=StageStatus.CANCELED, requested_by="rita", started_at=NOW, finished_at=NOW
        ),
    )
    assert [] == await _told(world, agent)


async def test_an_artifact_whose_connection_is_gone_is_left_out(world: World, agent: dict[str, str]) -> None:
    """The job will say so, if it comes to that."""
    await _waiting(world)
    async with world.services.database.transaction() as session:
        await connections.remove(session, "ci")
    assert [] == await _told(world, agent)


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.ADMIN], ids=str)
async def test_nobody_else_is_told(world: World, role: Role | None) -> None:
    """It holds tokens of connections."""
    await _waiting(world)
    async with world.calling(role) as caller:
        answer: httpx2.Response = await caller.get(UPCOMING)
    assert answer.status_code in {401, 403}
    assert TOKEN not in answer.text
