"""What is done to an approval besides answering it: taking back, reassigning, overriding."""

import asyncio
from typing import Any

import httpx2
import pytest
from fakes.api_world import NOW, World
from fakes.asked_approval import ANA, BEN, DIGEST, PATH, PROD, RITA, ask, catch_up
from httpx2 import Response

from domain.approval import Approval, Moment
from domain.person import Person
from domain.role import Role
from storage import groups, people

MONA = "mona@example.com"
WITHDRAWALS, REASSIGNMENTS, OVERRIDES = f"{PATH}/withdrawals", f"{PATH}/reassignments", f"{PATH}/overrides"
DECISION = {"choice": "approve", "digest": DIGEST, "comment": "all are ill"}


def _told(answer: Response) -> tuple[int, str, str, bool]:
    receipt = answer.json()
    return answer.status_code, receipt["kind"], receipt["verdict"], receipt["stands"]


def _approval(world: World) -> Approval:
    return world.orchestrator.approvals[PROD, Moment.BEFORE]


async def _vote(client: httpx2.AsyncClient, **more: str) -> Response:
    return await client.post(f"{PATH}/votes", json={"choice": "approve", "digest": DIGEST} | more)


@pytest.mark.parametrize("body", [{"vote_id": "v-1"}, {}])
async def test_a_vote_is_taken_back(world: World, approver: httpx2.AsyncClient, body: dict[str, str]) -> None:
    """The one that is named, or else the caller's own that counts; then they may answer anew."""
    await ask(world)
    await _vote(approver, action_id="v-1")
    await catch_up(world)
    answer = await approver.post(WITHDRAWALS, json=body | {"comment": "found a bug"})
    assert (200, "done", "pending", True) == _told(answer)
    assert () == _approval(world).votes
    assert "took back that they approved through the API: found a bug" == _approval(world).history[-1].text
    await catch_up(world)
    assert (200, "withdrawn", "pending", False) == _told(await _vote(approver, action_id="v-1"))
    assert (200, "counted", "pending", True) == _told(await _vote(approver, action_id="v-2"))


async def test_what_people_do_is_marked_with_the_time_by_our_clock(world: World, approver: httpx2.AsyncClient) -> None:
    """So that it counts as of then, though no worker hears of it before the approval would have expired."""
    await ask(world)
    await _vote(approver, action_id="v-1")
    assert [NOW] == [counted.vote.sent_at for counted in _approval(world).votes]


async def test_who_was_refused_too_often_grows_no_history(world: World, approver: httpx2.AsyncClient) -> None:
    """What would be refused again is answered from the tables; what counts is passed on."""
    await ask(world)
    world.orchestrator.ask(PROD, Moment.BEFORE, _approval(world).model_copy(update={"refused_often": (ANA,)}))
    await catch_up(world)
    for number in range(3):
        told = await _vote(approver, digest="0" * 64, action_id=f"v-{number}")
        assert (200, "not allowed", "pending", False) == _told(told)
    assert [] == world.orchestrator.acted
    assert (200, "counted", "pending", True) == _told(await _vote(approver))


async def test_who_was_renamed_takes_back_what_they_answered(world: World, approver: httpx2.AsyncClient) -> None:
    """Their old address is an alias of the new one."""
    await ask(world)
    await _vote(approver, action_id="v-1")
    await catch_up(world)
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address="ana@new.example", also=(ANA,)), NOW)
    async with world.calling(Role.APPROVER, "ana@new.example") as renamed:
        assert (200, "done", "pending", True) == _told(await renamed.post(WITHDRAWALS, json={}))
    assert () == _approval(world).votes


async def test_a_vote_is_taken_back_once(world: World, approver: httpx2.AsyncClient) -> None:
    """Sent again, also at once and also after the end, it is the same."""
    await ask(world)
    await _vote(approver, action_id="v-1")
    body = {"vote_id": "v-1", "action_id": "w-1"}
    answers = await asyncio.gather(*(approver.post(WITHDRAWALS, json=body) for _ in range(3)))
    assert {(200, "done", "pending", True)} == {_told(answer) for answer in answers}
    await catch_up(world)
    world.orchestrator.end(PROD)
    assert (200, "already done", "pending", True) == _told(await approver.post(WITHDRAWALS, json=body))


async def test_there_may_be_nothing_to_take_back(world: World, approver: httpx2.AsyncClient) -> None:
    """Neither somebody else's vote nor one that was never given."""
    await ask(world)
    await _vote(approver, action_id="v-1")
    await catch_up(world)
    nothing = (200, "nothing to withdraw", "pending", False)
    assert nothing == _told(await approver.post(WITHDRAWALS, json={"vote_id": "v-2"}))
    async with world.calling(Role.APPROVER, RITA) as rita:
        assert nothing == _told(await rita.post(WITHDRAWALS, json={"vote_id": "v-1"}))
        assert nothing == _told(await rita.post(WITHDRAWALS, json={}))
    assert 1 == len(_approval(world).votes)


async def test_a_stranger_takes_nothing_back(world: World) -> None:
    """Without growing the workflow's history."""
    await ask(world)
    world.orchestrator.is_reachable = False
    async with world.calling(Role.ADMIN) as adam:
        answer = await adam.post(WITHDRAWALS, json={"vote_id": "v-1"})
    assert (200, "nothing to withdraw", "pending", False) == _told(answer)


async def test_it_may_be_too_late_to_take_a_vote_back(world: World, approver: httpx2.AsyncClient) -> None:
    """What is decided stays decided."""
    await ask(world, need="any")
    await _vote(approver, action_id="v-1")
    answer = await approver.post(WITHDRAWALS, json={"vote_id": "v-1"})
    assert (200, "already decided", "approved", False) == _told(answer)


async def test_who_is_asked_lets_somebody_else_be_asked(world: World, approver: httpx2.AsyncClient) -> None:
    """The one place they are asked in, if they name none; the person behind the address is asked."""
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address=BEN, also=("ben@old.example.com",)), NOW)
    await ask(world)
    body = {"to": "Ben@old.example.com", "comment": "I am away", "action_id": "r-1"}
    answer = await approver.post(REASSIGNMENTS, json=body)
    assert (200, "done", "pending", True) == _told(answer)
    assert [BEN, RITA] == [asked.approver for asked in _approval(world).asked]
    await catch_up(world)
    assert (200, "already done", "pending", True) == _told(await approver.post(REASSIGNMENTS, json=body))
    shown = (await approver.get(PATH)).json()
    assert [(BEN, ANA), (RITA, "")] == [(asked["approver"], asked["instead_of"]) for asked in shown["asked"]]
    assert [(ANA, "reassigned from ana@example.com to ben@example.com through the API: I am away")] == [
        (line["by"], line["text"]) for line in shown["history"]
    ]
    assert (200, "not an approver", "pending", False) == _told(await _vote(approver))
    async with world.calling(Role.APPROVER, BEN) as ben:
        assert (200, "counted", "pending", True) == _told(await _vote(ben))


async def test_a_group_is_asked_with_the_members_it_has_now(world: World, approver: httpx2.AsyncClient) -> None:
    """Each by the address of the person behind it."""
    async with world.services.database.transaction() as session:
        await groups.put(session, "Night", [BEN, "cleo@old.example.com"])
        await people.put(session, Person(address="cleo@example.com", also=("cleo@old.example.com",)), NOW)
    await ask(world)
    answer = await approver.post(REASSIGNMENTS, json={"to": "group:night", "approver": ANA})
    assert (200, "done", "pending", True) == _told(answer)
    assert ("group:night", (BEN, "cleo@example.com")) == (
        _approval(world).asked[0].approver,
        _approval(world).asked[0].members,
    )


async def test_an_unknown_group_is_not_asked(world: World, approver: httpx2.AsyncClient) -> None:
    """Nobody could answer for it."""
    async with world.services.database.transaction() as session:
        await groups.put(session, "night", [BEN])
        await groups.put(session, "empty", [])
    await ask(world)
    answer = await approver.post(REASSIGNMENTS, json={"to": "group:nigth"})
    assert (404, "NoSuchGroup") == (answer.status_code, answer.json()["error"])
    assert answer.json()["detail"].endswith("did you mean night?")
    empty = await approver.post(REASSIGNMENTS, json={"to": "group:empty"})
    assert (200, "nobody there", "pending", False) == _told(empty)


async def test_who_is_asked_twice_says_in_which_place(world: World, approver: httpx2.AsyncClient) -> None:
    """The answer names the places; what was answered already is none of them."""
    members = {"group:dev": (ANA, "dee@example.com"), "group:ops": (ANA, "otto@example.com")}
    await ask(world, members=members, approvers=tuple(members))
    answer = await approver.post(REASSIGNMENTS, json={"to": BEN})
    assert (422, "SeveralPlaces") == (answer.status_code, answer.json()["error"])
    assert answer.json()["detail"].endswith("group:dev, group:ops")
    async with world.calling(Role.APPROVER, "otto@example.com") as otto:
        await _vote(otto)
    await catch_up(world)
    assert (200, "done", "pending", True) == _told(await approver.post(REASSIGNMENTS, json={"to": BEN}))
    assert [BEN, "group:ops"] == [asked.approver for asked in _approval(world).asked]


async def test_who_is_asked_later_may_reassign_now(world: World) -> None:
    """In a sequence, before their turn."""
    await ask(world, approvers=(RITA, "group:ops"), members={"group:ops": (BEN,)}, order="in_sequence")
    async with world.calling(Role.APPROVER, BEN) as ben:
        answer = await ben.post(REASSIGNMENTS, json={"to": "cleo@example.com"})
    assert (200, "done", "pending", True) == _told(answer)


@pytest.mark.parametrize(
    ("who", "body", "kind"),
    [
        (ANA, {"approver": RITA, "to": BEN}, "not allowed"),
        ("eve@example.com", {"to": BEN}, "not allowed"),
        (RITA, {"to": BEN}, "requester may not approve"),
        (ANA, {"to": RITA}, "requester may not approve"),
        (ANA, {"to": "rita+x@example.com"}, "requester may not approve"),
    ],
)
async def test_not_everybody_reassigns_to_anybody(world: World, who: str, body: dict[str, str], kind: str) -> None:
    """Neither another's place, nor as or to somebody who requested the deployment."""
    await ask(world)
    async with world.calling(Role.APPROVER, who) as client:
        answer = await client.post(REASSIGNMENTS, json=body)
    assert (200, kind, "pending", False) == _told(answer)
    assert [ANA, RITA] == [asked.approver for asked in _approval(world).asked]


async def test_a_release_manager_reassigns_anybodys_place(world: World) -> None:
    """They name it, unless there is only one."""
    await ask(world)
    async with world.calling(Role.RELEASE_MANAGER) as mona:
        unnamed = await mona.post(REASSIGNMENTS, json={"to": BEN})
        named = await mona.post(REASSIGNMENTS, json={"to": BEN, "approver": ANA})
        nobodys = await mona.post(REASSIGNMENTS, json={"to": "cleo@example.com", "approver": "dee@example.com"})
    assert (422, "SeveralPlaces") == (unnamed.status_code, unnamed.json()["error"])
    assert (200, "done", "pending", True) == _told(named)
    assert (200, "not an approver", "pending", False) == _told(nobodys)
    await ask(world, approvers=(ANA,))
    async with world.calling(Role.RELEASE_MANAGER) as mona:
        assert (200, "done", "pending", True) == _told(await mona.post(REASSIGNMENTS, json={"to": BEN}))


@pytest.mark.parametrize(("choice", "verdict"), [("approve", "approved"), ("reject", "rejected")])
async def test_a_release_manager_decides_instead_of_the_approvers(world: World, choice: str, verdict: str) -> None:
    """At once, with a reason that everybody sees; sent again it is the same."""
    await ask(world)
    async with world.calling(Role.RELEASE_MANAGER) as mona:
        body = DECISION | {"choice": choice, "action_id": "o-1"}
        assert (200, "done", verdict, True) == _told(await mona.post(OVERRIDES, json=body))
        await catch_up(world)
        assert (200, "already done", verdict, True) == _told(await mona.post(OVERRIDES, json=body))
        shown = (await mona.get(PATH)).json()
    assert (True, verdict, MONA) == (shown["is_overridden"], shown["verdict"], shown["decided_by"])
    assert f"{verdict} overriding the approvers through the API: all are ill" == shown["history"][-1]["text"]


@pytest.mark.parametrize("role", [Role.RELEASER, Role.APPROVER, Role.VIEWER])
async def test_only_a_release_manager_overrides(world: World, role: Role) -> None:
    """Others are refused, asked though they may be."""
    await ask(world, approvers=(ANA,))
    async with world.calling(role, ANA) as client:
        assert 403 == (await client.post(OVERRIDES, json=DECISION)).status_code
    assert [] == world.orchestrator.acted


async def test_a_requester_does_not_override(world: World) -> None:
    """Whatever their role; not by an alias either."""
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address=RITA, also=("boss@example.com",)), NOW)
    await ask(world)
    for address in (RITA, "boss@example.com"):
        async with world.calling(Role.ADMIN, address) as client:
            answer = await client.post(OVERRIDES, json=DECISION)
        assert (200, "requester may not approve", "pending", False) == _told(answer)


@pytest.mark.parametrize("wrong", [{"comment": ""}, {"comment": " "}, {"digest": "short"}, {"choice": None}])
async def test_an_override_is_whole(world: World, wrong: dict[str, Any]) -> None:
    """Choice, plan and reason."""
    await ask(world)
    async with world.calling(Role.RELEASE_MANAGER) as mona:
        assert 422 == (await mona.post(OVERRIDES, json=DECISION | wrong)).status_code
        changed = await mona.post(OVERRIDES, json=DECISION | {"digest": "e" * 64})
    assert (200, "plan changed", "pending", False) == _told(changed)


_ALL = [
    (WITHDRAWALS, {"vote_id": "v-1"}, ANA),
    (REASSIGNMENTS, {"to": BEN, "approver": ANA}, ANA),
    (OVERRIDES, DECISION, MONA),
]
_NAMES = ["withdrawals", "reassignments", "overrides"]


@pytest.mark.parametrize(("path", "body", "who"), _ALL, ids=_NAMES)
async def test_what_is_done_without_a_worker_is_stored(world: World, path: str, body: dict[str, Any], who: str) -> None:
    """202 with the promise, which is kept when a worker is back."""
    await ask(world)
    async with world.calling(Role.APPROVER) as ana:
        await _vote(ana, action_id="v-1") if path == WITHDRAWALS else None
    world.orchestrator.has_worker = False
    async with world.calling(Role.RELEASE_MANAGER, who) as client:
        answer = await client.post(path, json=body | {"action_id": "a-1"})
        assert (202, "stored", "pending", False) == _told(answer)
        world.orchestrator.work_off()
        later = await client.post(path, json=body | {"action_id": "a-1"})
    assert (200, "done", True) == (later.status_code, later.json()["kind"], later.json()["stands"])


@pytest.mark.parametrize(("path", "body", "who"), _ALL, ids=_NAMES)
async def test_what_is_done_after_the_end_is_not_needed(
    world: World, path: str, body: dict[str, Any], who: str
) -> None:
    """Even where the last record calls the approval open."""
    await ask(world)
    async with world.calling(Role.APPROVER) as ana:
        await _vote(ana, action_id="v-1") if path == WITHDRAWALS else None
    await catch_up(world)
    world.orchestrator.end(PROD)
    async with world.calling(Role.RELEASE_MANAGER, who) as client:
        answer = await client.post(path, json=body)
    assert (200, "not open", "pending", False) == _told(answer)
    assert answer.json()["message"].startswith("The deployment is over")


@pytest.mark.parametrize(("path", "body", "who"), _ALL, ids=_NAMES)
async def test_nothing_is_done_to_what_was_never_asked(world: World, path: str, body: dict[str, Any], who: str) -> None:
    """404; and 503 when Temporal is away, rather than a promise that nobody keeps."""
    async with world.calling(Role.RELEASE_MANAGER, who) as client:
        unknown = await client.post(path, json=body)
        await ask(world)
        world.orchestrator.is_reachable = False
        away = await client.post(path, json=body)
    assert (404, "NoSuchApproval") == (unknown.status_code, unknown.json()["error"])
    assert (503, "TemporalUnavailable") == (away.status_code, away.json()["error"])


@pytest.mark.parametrize("path", ["votes", "withdrawals", "reassignments", "overrides"])
def test_the_document_tells_all_that_may_come_back(world: World, path: str) -> None:
    """Done, stored, and every way of being refused."""
    paths = world.app.openapi()["paths"]
    responses = paths[f"/api/v1/approvals/{{pipeline}}/{{number}}/{{stage}}/{{attempt}}/{{moment}}/{path}"]["post"]
    assert {"200", "202", "401", "403", "404", "422", "503"} <= set(responses["responses"])
