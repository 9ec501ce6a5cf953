"""Which artifacts an agent may fetch ahead: those of jobs that it could take once people approve."""

from datetime import timedelta

import pytest

from activities.records import ApprovalFact, DeploymentFact, Entry
from domain.approval import Approval, Moment
from domain.approval_policy import ApprovalPolicy
from domain.artifact import PinnedArtifact
from domain.ids import DeploymentId, ReleaseId, approval_id
from domain.status import StageStatus
from storage import agents, releases
from storage.prefetch import wanted_soon
from storage.records import SqlRecords


@pytest.fixture
def waiting(database, plan, now):
    """Makes a release of this number, whose prod waits for an approval; its artifact's digest is the build."""

    async def make(number: int, build: str) -> None:
        release = ReleaseId(pipeline="webshop", number=number)
        prod = DeploymentId(release=release, stage="prod", attempt=1)
        pin = PinnedArtifact(
            alias="app", kind="Jenkins", version=build, digest=build, manifest_id=build, file_count=1, size=1
        )
        async with database.transaction() as session:
            changed = {"id": release, "name": f"webshop-{number}", "artifacts": (pin,)}
            await releases.add(session, plan.model_copy(update=changed), now)
        at = now + timedelta(minutes=number)
        approval = Approval(
            policy=ApprovalPolicy(approvers=("ann@example.com",)), asked=(), digest="d", requesters=(), opened_at=at
        )
        facts = (
            DeploymentFact(deployment=str(prod), status=StageStatus.IN_PROGRESS, requested_by="bob", started_at=at),
            ApprovalFact(
                approval_id=approval_id(prod, Moment.BEFORE),
                deployment=str(prod),
                moment=Moment.BEFORE,
                approval=approval,
            ),
        )
        await SqlRecords(database).apply(
            Entry(workflow_id=prod.workflow_id, run_id="run", sequence=1, at=at, facts=facts)
        )

    return make


@pytest.fixture
async def agent(database, now):
    """Satisfies what the pipeline's jobs demand."""
    async with database.transaction() as session:
        _, token = await agents.enrolment(
            session, pool="default", created_by="ann@example.com", expires_at=now + timedelta(hours=1)
        )
        await agents.enrol(
            session,
            agents.hash_of(token),
            name="web-1",
            instance_id="one",
            capabilities={"linux": "1"},
            slots=1,
            now=now,
        )
    return "web-1"


async def _versions(database, name: str) -> list[str]:
    async with database.reading() as session:
        return [pin.version for pin in await wanted_soon(session, name)]


async def test_the_newest_come_first_and_each_once(database, waiting, agent):
    """Three releases wait, two of them with the same build."""
    for number, build in ((1, "7"), (2, "8"), (3, "7")):
        await waiting(number, build)
    assert ["7", "8"] == await _versions(database, agent)


async def test_a_long_queue_is_not_told_whole(database, waiting, agent):
    """Of many that wait, the twenty newest are enough."""
    for number in range(1, 23):
        await waiting(number, str(number))
    assert [str(number) for number in range(22, 2, -1)] == await _versions(database, agent)


async def test_an_agent_that_nobody_knows_is_told_nothing(database, waiting):
    """It was removed a moment ago."""
    await waiting(1, "7")
    assert [] == await _versions(database, "web-9")
