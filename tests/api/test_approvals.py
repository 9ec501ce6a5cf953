"""Approvals and votes over HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fakes.api_world import NOW, World
from fakes.asked_approval import ANA, BEN, DIGEST, PATH, PROD, RITA, ask, catch_up
from httpx2 import Response

from activities.records import ApprovalFact, DeploymentFact
from domain.approval import Approval, Channel, Moment, settle
from domain.approval_actions import escalate
from domain.approval_policy import Escalation, LinkLevel, NobodyAsked, Proof, Quorum
from domain.ids import DeploymentId
from domain.person import Person
from domain.role import Role
from domain.status import StageStatus
from storage import people
from storage.deliveries import SqlDeliveries


async def _vote(client: httpx2.AsyncClient, choice: str = "approve", **more: str) -> Response:
    return await client.post(f"{PATH}/votes", json={"choice": choice, "digest": DIGEST} | more)


def _told(answer: Response) -> tuple[int, str, str, bool]:
    receipt = answer.json()
    return answer.status_code, receipt["kind"], receipt["verdict"], receipt["stands"]


async def test_a_vote_gets_its_receipt(world: World, approver: httpx2.AsyncClient) -> None:
    """It says what the vote came to, and names the action it is for."""
    await ask(world, need=Quorum.ANY)
    answer = await _vote(approver, action_id="v-1")
    assert (200, "counted", "approved", True) == _told(answer)
    assert "v-1" == answer.json()["action_id"]


async def test_the_same_vote_sent_again_counts_once(world: World, approver: httpx2.AsyncClient) -> None:
    """Five at once with one id: one vote, five times the same receipt."""
    await ask(world)
    answers = await asyncio.gather(*(_vote(approver, action_id="v-1") for _ in range(5)))
    assert {(200, "counted", "pending", True)} == {_told(answer) for answer in answers}
    assert 1 == len(world.orchestrator.approvals[PROD, Moment.BEFORE].votes)


async def test_a_vote_says_who_gave_it_and_how(world: World, approver: httpx2.AsyncClient) -> None:
    """The person behind the token with all their addresses, through the API, with a login."""
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address=ANA, name="Ana", also=("ana@old.example.com",)), NOW)
    await ask(world)
    await _vote(approver)
    (counted,) = world.orchestrator.approvals[PROD, Moment.BEFORE].votes
    vote = counted.vote
    assert (ANA, ("ana@old.example.com",), Channel.API, Proof.LOGIN) == (vote.by, vote.also, vote.channel, vote.proof)


async def test_a_token_of_another_address_is_the_same_person(world: World) -> None:
    """An alias votes as the person it belongs to, and once."""
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address=ANA, also=("ana@old.example.com",)), NOW)
    await ask(world)
    async with world.calling(Role.APPROVER, "ana@old.example.com") as alias, world.calling(Role.APPROVER) as ana:
        assert (200, "counted", "pending", True) == _told(await _vote(alias, action_id="v-1"))
        assert (200, "already counted") == _told(await catch_up_and_vote(world, ana))[:2]


async def catch_up_and_vote(world: World, client: httpx2.AsyncClient) -> Response:
    await catch_up(world)
    return await _vote(client, action_id="v-1")


async def test_the_requester_may_not_approve(world: World) -> None:
    """Also with a token of theirs; and their vote does not even reach the workflow."""
    await ask(world)
    world.orchestrator.is_reachable = False
    async with world.calling(Role.APPROVER, RITA) as rita:
        answer = await _vote(rita)
    assert (200, "requester may not approve", "pending", False) == _told(answer)
    assert "rita@example.com requested this deployment" in answer.json()["message"]


@pytest.mark.parametrize("address", ["rita+ci@example.com", "RITA@EXAMPLE.COM", "rita@old.example.com"])
async def test_the_requester_may_not_approve_by_another_address(world: World, address: str) -> None:
    """A tag, another spelling or an alias makes nobody somebody else, asked though that address may be."""
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address=RITA, also=("rita@old.example.com",)), NOW)
    await ask(world, approvers=("group:ops",), members={"group:ops": (address.lower(), ANA)})
    async with world.calling(Role.APPROVER, address) as rita:
        assert (200, "requester may not approve", "pending", False) == _told(await _vote(rita))


async def test_a_service_answers_nothing(world: World) -> None:
    """Neither as itself nor as its owner, whoever that is."""
    await ask(world)
    for owner in (ANA, RITA):
        async with world.calling(Role.APPROVER, "service:ci", owner=owner) as service:
            answer = await _vote(service)
        assert (403, "NotAllowed") == (answer.status_code, answer.json()["error"])
    assert [] == world.orchestrator.acted


async def test_a_stranger_is_told_so(world: World) -> None:
    """Without growing the workflow's history."""
    await ask(world)
    world.orchestrator.is_reachable = False
    async with world.calling(Role.ADMIN) as adam:
        assert (200, "not an approver", "pending", False) == _told(await _vote(adam))


async def test_the_voter_is_the_tokens_subject(world: World, approver: httpx2.AsyncClient) -> None:
    """Nobody votes for another by naming them, nor claims another way of having signed in."""
    await ask(world)
    for claim in ({"by": "otto@example.com"}, {"proof": "fresh login"}, {"channel": "link"}):
        assert 422 == (await _vote(approver, **claim)).status_code


async def test_a_vote_on_another_plan_is_not_counted(world: World, approver: httpx2.AsyncClient) -> None:
    """What was shown is what is approved."""
    await ask(world)
    assert (200, "plan changed", "pending", False) == _told(await _vote(approver, digest="e" * 64))


async def test_a_token_is_no_fresh_login(world: World, approver: httpx2.AsyncClient) -> None:
    """Where the policy wants one, the receipt says what to do."""
    await ask(world, reauthenticate=True)
    answer = await _vote(approver)
    assert (200, "proof too weak", "pending", False) == _told(answer)
    assert "sign in again" in answer.json()["message"]


async def test_a_comment_may_be_required(world: World, approver: httpx2.AsyncClient) -> None:
    """Without one the vote does not count; with one it does."""
    await ask(world, comment_required=True)
    assert (200, "comment missing", "pending", False) == _told(await _vote(approver, comment=" "))
    assert (200, "counted", "pending", True) == _told(await _vote(approver, comment="tested"))


async def test_an_approval_may_begin_later(world: World, approver: httpx2.AsyncClient) -> None:
    """The time may have any zone; what is shown is UTC."""
    await ask(world, need=Quorum.ANY)
    answer = await _vote(approver, not_before="2026-03-02T09:00:00+02:00")
    assert (200, "counted", "pending", True) == _told(answer)
    assert "counts as approved from 2026-03-02 07:00 UTC on" in answer.json()["message"]
    await catch_up(world)
    shown = (await approver.get(PATH)).json()
    begins = datetime(2026, 3, 2, 7, tzinfo=UTC)
    assert [begins, begins] == [
        datetime.fromisoformat(text) for text in (shown["deferred_until"], shown["votes"][0]["not_before"])
    ]


async def test_a_decided_approval_says_who_decided_and_when(world: World, approver: httpx2.AsyncClient) -> None:
    """From the tables, also when the workflow is gone."""
    await ask(world, need=Quorum.ANY)
    await _vote(approver, action_id="v-1")
    await catch_up(world)
    world.orchestrator.end(PROD)
    answer = await _vote(approver, "reject", action_id="v-2")
    assert (200, "already decided", "approved", False) == _told(answer)
    assert "approved by ana@example.com at 2026-03-01 12:00 UTC" in answer.json()["message"]
    assert (200, "already counted", "approved", True) == _told(await _vote(approver, action_id="v-1"))


async def test_a_vote_without_a_worker_is_stored(world: World, approver: httpx2.AsyncClient) -> None:
    """202 with the promise, which is kept when a worker is back."""
    await ask(world, need=Quorum.ANY)
    world.orchestrator.has_worker = False
    assert (202, "stored", "pending", False) == _told(await _vote(approver, action_id="v-1"))
    world.orchestrator.work_off()
    assert (200, "counted", "approved", True) == _told(await _vote(approver, action_id="v-1"))


async def test_a_vote_for_a_deployment_that_is_over_is_not_needed(world: World, approver: httpx2.AsyncClient) -> None:
    """Even where its last record calls the approval open."""
    await ask(world)
    world.orchestrator.end(PROD)
    answer = await _vote(approver)
    assert (200, "not open", "pending", False) == _told(answer)
    assert answer.json()["message"].startswith("The deployment is over")


async def test_an_expired_approval_takes_no_vote(world: World, approver: httpx2.AsyncClient) -> None:
    """The workflow decides that, by its own clock."""
    await ask(world, timeout="1h")
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
        {"choice": "approve", "digest": DIGEST, "action_id": "a b"},
        {"choice": "approve", "digest": DIGEST, "comment": "x" * 4001},
        {"choice": "approve", "digest": DIGEST, "not_before": "tomorrow"},
        {"choice": "approve", "digest": DIGEST, "not_before": "2026-03-02T09:00:00"},
        {"choice": "approve", "digest": DIGEST, "not_before": "9999-12-31T23:59:59-14:00"},
    ],
)
async def test_an_incomplete_ballot_is_refused(
    world: World, approver: httpx2.AsyncClient, ballot: dict[str, str]
) -> None:
    """There is no choice by default, and no time without a zone."""
    await ask(world)
    assert 422 == (await approver.post(f"{PATH}/votes", json=ballot)).status_code
    assert () == world.orchestrator.approvals[PROD, Moment.BEFORE].votes


async def test_my_inbox_holds_what_waits_for_me(world: World, approver: httpx2.AsyncClient) -> None:
    """Not what I have answered, nor what only others are asked."""
    await ask(world)
    mine = await approver.get("/approvals?mine=true")
    assert [f"{PROD}/before"] == [item["id"] for item in mine.json()["items"]]
    await _vote(approver)
    await catch_up(world)
    assert [] == (await approver.get("/approvals?mine=true")).json()["items"]


async def test_my_inbox_holds_what_my_groups_are_asked(world: World, approver: httpx2.AsyncClient) -> None:
    """And what is asked of another address of mine."""
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address=ANA, also=("ana@old.example.com",)), NOW)
    await ask(world, approvers=("group:ops", BEN), members={"group:ops": (ANA, "otto@example.com")})
    assert 1 == len((await approver.get("/approvals?mine=true")).json()["items"])
    async with world.calling(Role.VIEWER, "ana@old.example.com") as alias:
        assert 1 == len((await alias.get("/approvals?mine=true")).json()["items"])
    async with world.calling(Role.VIEWER, "eve@example.com") as eve:
        assert [] == (await eve.get("/approvals?mine=true")).json()["items"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["webshop/1/prod/1", "webshop/2/test/1", "billing/1/prod/1"]),
        ({"pipeline": "webshop"}, ["webshop/1/prod/1", "webshop/2/test/1"]),
        ({"stage": "prod"}, ["webshop/1/prod/1", "billing/1/prod/1"]),
        ({"release": "webshop/2"}, ["webshop/2/test/1"]),
        ({"group": "ops"}, ["billing/1/prod/1"]),
        ({"moment": "after"}, []),
        ({"verdict": "approved"}, ["shop/1/prod/1"]),
        ({"verdict": "any", "stage": "prod"}, ["webshop/1/prod/1", "billing/1/prod/1", "shop/1/prod/1"]),
        ({"pipeline": "webshop", "stage": "prod"}, ["webshop/1/prod/1"]),
        ({"mine": "true", "verdict": "any"}, ["webshop/1/prod/1", "webshop/2/test/1"]),
    ],
    ids=str,
)
async def test_approvals_can_be_narrowed(
    world: World, approver: httpx2.AsyncClient, query: dict[str, str], expected: list[str]
) -> None:
    """All filters hold at once; what nobody was asked is found only by its verdict."""
    await ask(world)
    await ask(world, DeploymentId.parse("webshop/2/test/1"))
    await ask(world, DeploymentId.parse("billing/1/prod/1"), {"group:ops": (BEN,)}, approvers=("group:ops",))
    await _nobody_asked(world, DeploymentId.parse("shop/1/prod/1"))
    found = (await approver.get("/approvals", params=query)).json()["items"]
    assert sorted(expected) == sorted(item["deployment"] for item in found)


@pytest.mark.parametrize("query", ["release=webshop", "pipeline=a/b", "verdict=maybe", "moment=now", "group=group:ops"])
async def test_a_filter_that_can_find_nothing_is_refused(approver: httpx2.AsyncClient, query: str) -> None:
    """Rather than answered with an empty list."""
    assert 422 == (await approver.get(f"/approvals?{query}")).status_code


async def _nobody_asked(world: World, deployment: DeploymentId) -> None:
    automatic = Approval(policy=NobodyAsked(), asked=(), digest=DIGEST, requesters=(RITA,), opened_at=NOW)
    await world.record(
        deployment.workflow_id,
        DeploymentFact(deployment=str(deployment), status=StageStatus.IN_PROGRESS, requested_by=RITA, started_at=NOW),
        ApprovalFact(
            approval_id=f"{deployment}/before",
            deployment=str(deployment),
            moment="before",
            approval=settle(automatic, NOW),
        ),
    )


async def test_what_nobody_was_asked_says_so(world: World, viewer: httpx2.AsyncClient) -> None:
    """The automatic record is there for the history, and waits for nobody."""
    await _nobody_asked(world, PROD)
    shown = (await viewer.get(PATH)).json()
    assert (True, "approved", []) == (shown["is_automatic"], shown["verdict"], shown["asked"])
    assert shown["standing"].startswith("Nobody is asked")
    assert [] == (await viewer.get("/approvals")).json()["items"]


async def test_approvals_are_listed_page_by_page(world: World, viewer: httpx2.AsyncClient) -> None:
    """Oldest first, each once."""
    for attempt in range(1, 6):
        world.clock.move(timedelta(seconds=1))
        await ask(world, DeploymentId.parse(f"webshop/1/prod/{attempt}"))
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "2", "stage": "prod"} | ({"cursor": cursor} if cursor else {})
        page = (await viewer.get("/approvals", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [f"webshop/1/prod/{attempt}/before" for attempt in range(1, 6)] == seen


async def test_an_approval_shows_what_became_of_its_mails(world: World, viewer: httpx2.AsyncClient) -> None:
    """A mail that did not arrive is seen where people look, with the reason."""
    await ask(world)
    mails = SqlDeliveries(world.services.database, world.clock)
    for person, status, reason in ((ANA, "delivered", ""), (RITA, "bounced", "no such user")):
        claim = await mails.claim(f"{PROD}/before", person, "approval wanted")
        assert claim is not None
        await mails.sent(claim.delivery_id, "m-1")
        await mails.told(claim.delivery_id, status, reason)
    await mails.claim(f"{PROD}/before", ANA, f"approver unreachable: {RITA}")
    shown = (await viewer.get(PATH)).json()
    assert [(ANA, "delivered"), (RITA, "bounced")] == [(one["approver"], one["delivery"]) for one in shown["asked"]]
    assert [[(ANA, "approval wanted", "delivered", "")], [(RITA, "approval wanted", "bounced", "no such user")]] == [
        [(mail["person"], mail["kind"], mail["status"], mail["error"]) for mail in one["mails"]]
        for one in shown["asked"]
    ]


async def test_an_approval_shows_what_an_answer_needs_and_who_stands_in(
    world: World, viewer: httpx2.AsyncClient
) -> None:
    """The policy in words that a form is made from, and all that happened so far."""
    await ask(
        world,
        link=LinkLevel.CODE,
        comment_required=True,
        escalate=Escalation(after="2h", to=("dee@example.com",)),
    )
    approval = world.orchestrator.approvals[PROD, Moment.BEFORE]
    world.orchestrator.ask(PROD, Moment.BEFORE, escalate(approval, ANA, ["dee@example.com"], "no answer", NOW))
    await catch_up(world)
    shown = (await viewer.get(PATH)).json()
    assert ("code", True, "webshop", "before") == tuple(
        shown[key] for key in ("proof", "comment_required", "pipeline", "moment")
    )
    assert {"after_seconds": 7200, "to": ["dee@example.com"], "in_business_hours": False} == shown["escalation"]
    assert [["dee@example.com"], []] == [one["deputies"] for one in shown["asked"]]
    (line,) = shown["history"]
    assert ("", "no answer: dee@example.com may answer for ana@example.com too") == (line["by"], line["text"])
