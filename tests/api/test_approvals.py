"""Approvals and votes over HTTP."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fakes.api_world import NOW, World
from httpx2 import Response

from activities.records import ApprovalFact, DeploymentFact
from domain.approval import Approval, Asked, Moment
from domain.approval_policy import ApprovalPolicy, Quorum
from domain.ids import DeploymentId
from domain.role import Role
from domain.status import StageStatus
from storage.deliveries import SqlDeliveries

PROD = DeploymentId.parse("webshop/1/prod/1")
DIGEST = "d" * 64
PATH = f"/approvals/{PROD}/before"


async def _ask(world: World, deployment: DeploymentId = PROD, **policy: Any) -> None:
    """Ana and Rita are asked; Rita requested the deployment."""
    approvers = ("ana@example.com", "rita@example.com")
    approval = Approval(
        policy=ApprovalPolicy(approvers=approvers, **policy),
        asked=tuple(Asked(approver=person, members=(person,)) for person in approvers),
        digest=DIGEST,
        requesters=("rita@example.com",),
        opened_at=world.clock(),
    )
    world.orchestrator.ask(deployment, Moment.BEFORE, approval)
    await _record(world, approval, deployment)


async def _record(world: World, approval: Approval, deployment: DeploymentId = PROD) -> None:
    await world.record(
        deployment.workflow_id,
        DeploymentFact(
            deployment=str(deployment), status=StageStatus.WAITING, requested_by="rita@example.com", started_at=NOW
        ),
        ApprovalFact(
            approval_id=f"{deployment}/before", deployment=str(deployment), moment="before", approval=approval
        ),
    )


async def _vote(client: httpx2.AsyncClient, choice: str = "approve", **more: str) -> Response:
    return await client.post(f"{PATH}/votes", json={"choice": choice, "digest": DIGEST} | more)


def _told(answer: Response) -> tuple[int, str, str, bool]:
    receipt = answer.json()
    return answer.status_code, receipt["kind"], receipt["verdict"], receipt["counted"]


async def test_a_vote_gets_its_receipt(world: World, approver: httpx2.AsyncClient) -> None:
    """It says what the vote came to."""
    await _ask(world, need=Quorum.ANY)
    assert (200, "counted", "approved", True) == _told(await _vote(approver))


async def test_the_same_vote_sent_again_counts_once(world: World, approver: httpx2.AsyncClient) -> None:
    """Five at once with one id: one vote, five times the same receipt."""
    await _ask(world)
    answers = await asyncio.gather(*(_vote(approver, vote_id="v-1") for _ in range(5)))
    assert {(200, "counted", "pending", True)} == {_told(answer) for answer in answers}
    assert 1 == len(world.orchestrator.approvals[PROD, Moment.BEFORE].votes)


async def test_the_requester_may_not_approve(world: World) -> None:
    """Also with a token of theirs; and their vote does not even reach the workflow."""
    await _ask(world)
    world.orchestrator.is_reachable = False
    async with world.calling(Role.APPROVER, "rita@example.com") as rita:
        answer = await _vote(rita)
    assert (200, "requester may not approve", "pending", False) == _told(answer)
    assert "rita@example.com requested this deployment" in answer.json()["message"]


async def test_a_stranger_is_told_so(world: World) -> None:
    """Without growing the workflow's history."""
    await _ask(world)
    world.orchestrator.is_reachable = False
    async with world.calling(Role.ADMIN) as adam:
        assert (200, "not an approver", "pending", False) == _told(await _vote(adam))


async def test_the_voter_is_the_tokens_subject(world: World, approver: httpx2.AsyncClient) -> None:
    """Nobody votes for another by naming them."""
    await _ask(world)
    assert 422 == (await _vote(approver, voter="otto@example.com")).status_code


async def test_a_vote_on_another_plan_is_not_counted(world: World, approver: httpx2.AsyncClient) -> None:
    """What was shown is what is approved."""
    await _ask(world)
    assert (200, "plan changed", "pending", False) == _told(await _vote(approver, digest="e" * 64))


async def test_a_decided_approval_says_who_decided_and_when(world: World, approver: httpx2.AsyncClient) -> None:
    """From the tables, also when the workflow is gone."""
    await _ask(world, need=Quorum.ANY)
    await _vote(approver, vote_id="v-1")
    await _record(world, world.orchestrator.approvals[PROD, Moment.BEFORE])
    world.orchestrator.end(PROD)
    answer = await _vote(approver, "reject", vote_id="v-2")
    assert (200, "already decided", "approved", False) == _told(answer)
    assert "approved by ana@example.com at 2026-03-01 12:00 UTC" in answer.json()["message"]
    assert (200, "already counted", "approved", True) == _told(await _vote(approver, vote_id="v-1"))


async def test_a_vote_without_a_worker_is_stored(world: World, approver: httpx2.AsyncClient) -> None:
    """202 with the promise, which is kept when a worker is back."""
    await _ask(world, need=Quorum.ANY)
    world.orchestrator.has_worker = False
    assert (202, "stored", "pending", False) == _told(await _vote(approver, vote_id="v-1"))
    world.orchestrator.work_off()
    assert (200, "counted", "approved", True) == _told(await _vote(approver, vote_id="v-1"))


async def test_a_vote_for_a_deployment_that_is_over_is_not_needed(world: World, approver: httpx2.AsyncClient) -> None:
    """Even where its last record calls the approval open."""
    await _ask(world)
    world.orchestrator.end(PROD)
    answer = await _vote(approver)
    assert (200, "not open", "pending", False) == _told(answer)
    assert answer.json()["message"].startswith("The deployment is over")


async def test_an_expired_approval_takes_no_vote(world: World, approver: httpx2.AsyncClient) -> None:
    """The workflow decides that, by its own clock."""
    await _ask(world, timeout="1h")
    world.clock.move(timedelta(hours=2))
    assert (200, "already decided", "expired", False) == _told(await _vote(approver))


async def test_nobody_votes_on_what_was_never_asked(approver: httpx2.AsyncClient) -> None:
    """404 rather than a promise."""
    answer = await _vote(approver)
    assert (404, "NoSuchApproval") == (answer.status_code, answer.json()["error"])


@pytest.mark.parametrize(
    "ballot",
    [
        {"choice": "approve"},
        {"digest": DIGEST},
        {"choice": "maybe", "digest": DIGEST},
        {"choice": "approve", "digest": "short"},
        {"choice": "approve", "digest": DIGEST, "vote_id": "a b"},
        {"choice": "approve", "digest": DIGEST, "comment": "x" * 4001},
    ],
)
async def test_an_incomplete_ballot_is_refused(
    world: World, approver: httpx2.AsyncClient, ballot: dict[str, str]
) -> None:
    """There is no choice by default."""
    await _ask(world)
    assert 422 == (await approver.post(f"{PATH}/votes", json=ballot)).status_code
    assert () == world.orchestrator.approvals[PROD, Moment.BEFORE].votes


async def test_my_inbox_holds_what_waits_for_me(world: World, approver: httpx2.AsyncClient) -> None:
    """Not what I have answered, nor what only others are asked."""
    await _ask(world)
    mine = await approver.get("/approvals?mine=true")
    assert [f"{PROD}/before"] == [item["id"] for item in mine.json()["items"]]
    await _vote(approver)
    await _record(world, world.orchestrator.approvals[PROD, Moment.BEFORE])
    assert [] == (await approver.get("/approvals?mine=true")).json()["items"]
    assert 1 == len((await approver.get("/approvals")).json()["items"]), "it still waits for somebody"


async def test_approvals_are_listed_page_by_page(world: World, viewer: httpx2.AsyncClient) -> None:
    """Oldest first, each once."""
    for attempt in range(1, 6):
        world.clock.move(timedelta(seconds=1))
        await _ask(world, DeploymentId.parse(f"webshop/1/prod/{attempt}"))
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await viewer.get("/approvals", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [f"webshop/1/prod/{attempt}/before" for attempt in range(1, 6)] == seen


async def test_an_approval_shows_what_became_of_its_mails(world: World, viewer: httpx2.AsyncClient) -> None:
    """A mail that failed is seen where people look."""
    await _ask(world)
    mails = SqlDeliveries(world.services.database, world.clock)
    sent = await mails.claim(f"{PROD}/before", "ana@example.com", "approval wanted")
    failed = await mails.claim(f"{PROD}/before", "rita@example.com", "approval wanted")
    assert sent is not None
    assert failed is not None
    await mails.sent(sent.delivery_id, "m-1")
    await mails.failed(failed.delivery_id, "no such address", for_good=True)
    shown = (await viewer.get(PATH)).json()
    assert [("ana@example.com", "sent"), ("rita@example.com", "failed")] == [
        (asked["approver"], asked["delivery"]) for asked in shown["asked"]
    ]
