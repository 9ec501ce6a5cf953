"""Answering several approvals with one request."""

import asyncio
from typing import Any

import httpx2
import pytest
from fakes.api_world import World
from fakes.asked_approval import ANA, DIGEST, ask
from httpx2 import Response

from api.orchestrator import TemporalUnavailable
from domain.approval import Action, Moment, Receipt
from domain.ids import DeploymentId
from domain.role import Role


def _deployment(number: int) -> DeploymentId:
    return DeploymentId.parse(f"webshop/{number}/prod/1")


def _ballot(number: int, **more: str) -> dict[str, str]:
    return {"approval": f"{_deployment(number)}/before", "choice": "approve", "digest": DIGEST} | more


async def _ask(world: World, number: int) -> None:
    for each in range(1, number + 1):
        await ask(world, _deployment(each), approvers=(ANA,))


async def _post(client: httpx2.AsyncClient, *ballots: dict[str, str]) -> Response:
    return await client.post("/approvals/votes", json={"ballots": list(ballots)})


def _told(answer: Response) -> list[str]:
    """The kind of the receipt, or the error of the problem, of each."""
    return [(result["receipt"] or {}).get("kind") or result["problem"]["error"] for result in answer.json()["results"]]


async def test_each_ballot_gets_its_own_answer_in_their_order(world: World, approver: httpx2.AsyncClient) -> None:
    """One that cannot be delivered does not stop the others."""
    await _ask(world, 3)
    answer = await _post(
        approver,
        _ballot(3, choice="reject", comment="no"),
        _ballot(9),
        _ballot(1, action_id="v-1"),
        _ballot(2, digest="e" * 64),
    )
    assert 200 == answer.status_code
    assert ["counted", "NoSuchApproval", "counted", "plan changed"] == _told(answer)
    results = answer.json()["results"]
    assert [f"{_deployment(number)}/before" for number in (3, 9, 1, 2)] == [result["approval"] for result in results]
    assert (404, None) == (results[1]["problem"]["status"], results[1]["receipt"])
    assert ("v-1", None) == (results[2]["receipt"]["action_id"], results[2]["problem"])
    verdicts = [world.orchestrator.approvals[_deployment(number), Moment.BEFORE].verdict for number in (1, 2, 3)]
    assert ["approved", "pending", "rejected"] == verdicts


async def test_several_sent_again_count_once(world: World, approver: httpx2.AsyncClient) -> None:
    """Each under its own id."""
    await _ask(world, 3)
    ballots = [_ballot(number, action_id="same") for number in (1, 2, 3)]
    answers = await asyncio.gather(*(_post(approver, *ballots) for _ in range(3)))
    assert [["counted"] * 3] * 3 == [_told(answer) for answer in answers]
    votes = [world.orchestrator.approvals[_deployment(number), Moment.BEFORE].votes for number in (1, 2, 3)]
    assert [1, 1, 1] == [len(counted) for counted in votes]


async def test_without_a_worker_all_are_stored(world: World, approver: httpx2.AsyncClient) -> None:
    """Each receipt says so."""
    await _ask(world, 2)
    world.orchestrator.has_worker = False
    assert ["stored", "stored"] == _told(await _post(approver, _ballot(1), _ballot(2)))


async def test_without_temporal_each_is_told_to_come_again(world: World, approver: httpx2.AsyncClient) -> None:
    """What can be told from the tables is told all the same."""
    await _ask(world, 2)
    world.orchestrator.is_reachable = False
    told = _told(await _post(approver, _ballot(1), _ballot(9), _ballot(2)))
    assert ["TemporalUnavailable", "NoSuchApproval", "TemporalUnavailable"] == told


async def test_no_more_than_eight_are_cast_at_once(
    world: World, approver: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred are answered, and neither the database nor Temporal is run over."""
    await _ask(world, 1)
    now, most = 0, 0

    async def act(_: DeploymentId, __: Moment, action: Action) -> Receipt | None:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        for _turn in range(5):
            await asyncio.sleep(0)
        now -= 1
        if action.action_id == "v-7":
            raise TemporalUnavailable("away")
        return None

    monkeypatch.setattr(world.orchestrator, "act", act)
    approval = world.orchestrator.approvals[_deployment(1), Moment.BEFORE]

    async def stored(*_: Any) -> Any:
        return approval

    monkeypatch.setattr("api.acting.stored_approval", stored)
    told = _told(await _post(approver, *(_ballot(number, action_id=f"v-{number}") for number in range(1, 101))))
    assert ["stored"] * 6 + ["TemporalUnavailable"] + ["stored"] * 93 == told
    assert 8 == most


@pytest.mark.parametrize(
    "ballots",
    [
        [],
        [_ballot(number) for number in range(1, 102)],
        [_ballot(1), _ballot(1, choice="reject")],
        [_ballot(1), {"approval": "webshop/1/prod", "choice": "approve", "digest": DIGEST}],
        [_ballot(1), _ballot(2, approval="webshop/01/prod/1/before")],
        [_ballot(1), _ballot(2, choice="maybe")],
    ],
    ids=["none", "too many", "one twice", "no approval", "another spelling", "no choice"],
)
async def test_what_makes_no_sense_is_refused_whole(
    world: World, approver: httpx2.AsyncClient, ballots: list[dict[str, str]]
) -> None:
    """Nothing of it is cast."""
    await _ask(world, 1)
    assert 422 == (await _post(approver, *ballots)).status_code
    assert [] == world.orchestrator.acted


@pytest.mark.parametrize(
    ("role", "subject", "owner"), [(Role.VIEWER, ANA, None), (Role.APPROVER, "service:ci", ANA), (None, None, None)]
)
async def test_only_approvers_in_person_answer(
    world: World, role: Role | None, subject: str | None, owner: str | None
) -> None:
    """As with a single vote."""
    await _ask(world, 1)
    async with world.calling(role, subject, owner) as client:
        assert (await _post(client, _ballot(1))).status_code in {401, 403}
    assert [] == world.orchestrator.acted
