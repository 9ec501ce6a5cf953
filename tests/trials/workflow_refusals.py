"""The same attacks past the application: signals straight to the workflow, and what its history keeps of links."""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
from trials.approval_world import ADMIN, MANAGER, REQUESTER, ApprovalWorld

from domain.approval import Choice, Moment, ReceiptKind, Vote
from domain.approval_actions import Override, Reassignment
from domain.frozen import Frozen
from domain.ids import split_approval_id
from workflows.approval import CastVote, OverrideApproval, Reassign, ReceiptQuery
from workflows.deployment import DeploymentWorkflow

ANA = "ana@example.com"
ALIAS = "rita.too@b\u00fccher.example"
_JOBS = [{"job": "deploy", "steps": [{"run": "./deploy.sh"}]}]
_SPELLINGS = (
    REQUESTER,
    "RITA@EXAMPLE.COM",
    "rita+prod@example.com",
    "\uff52\uff49\uff54\uff41@example.com",
    "ri\u00adta@example.com",
    '"rita"@example.com',
)
_FRIEND = "fritz@example.com"
_AT_ONCE = 50
_LINK = re.compile(r"http://[^/\s]+(/approve/[A-Za-z0-9_-]+)")


async def attack(world: ApprovalWorld) -> list[str]:
    """Everything, on one release; what must not be."""
    approval = await _asked(world)
    found = await _signals(world, approval)
    found += await _change_of_the_plan(world, approval)
    old, new = await _mailed(world, approval)
    revoked = await world.http.get(f"http://slipway.test{old}")
    found += [] if revoked.status_code == httpx2.codes.GONE else [f"the link of before: {revoked.status_code}"]
    found += await _race(world, approval, new)
    return found + await _histories(world, approval, old, new)


async def _asked(world: ApprovalWorld) -> str:
    """Rita's release; she is asked under all her names, Ana and Mona as well. That one is hers is entered later."""
    approvers = [*_SPELLINGS[:1], *_SPELLINGS[2:], ALIAS, ANA, MANAGER]
    approval = {"approvers": approvers, "need": {"at_least": 3}, "remind": "never"}
    stage: dict[str, Any] = {"stage": "prod", "before": {"approval": approval}, "jobs": _JOBS}
    await world.save("bypass", [stage], variables={"LEVEL": {"value": "info", "settable": True}})
    release = await world.release("bypass")
    approval_id = f"{release}/prod/1/before"
    await _opened(world, approval_id)
    entered = await world.ask(ADMIN, "PUT", f"/people/{REQUESTER}", {"aliases": [ALIAS]})
    assert entered.status == httpx2.codes.OK, entered
    return approval_id


async def _signals(world: ApprovalWorld, approval_id: str) -> list[str]:
    """Votes, and what leads to votes, of the requester under every name: the workflow itself refuses them."""
    digest = str((await _opened(world, approval_id))["digest"])
    votes = [
        CastVote(moment=Moment.BEFORE, vote=Vote(action_id=_id(), by=by, choice=Choice.APPROVE, digest=digest))
        for by in _SPELLINGS
    ]
    by_alias = Vote(action_id=_id(), by=ALIAS, also=(REQUESTER,), choice=Choice.APPROVE, digest=digest)
    override = Override(action_id=_id(), by=REQUESTER, choice=Choice.APPROVE, digest=digest, comment="urgent")
    to_friend = Reassignment(action_id=_id(), by=REQUESTER, approver=REQUESTER, to=_FRIEND, members=(_FRIEND,))
    messages: list[tuple[str, Frozen, Vote | Override | Reassignment]] = [
        *(("vote", cast, cast.vote) for cast in votes),
        ("vote", CastVote(moment=Moment.BEFORE, vote=by_alias), by_alias),
        ("override", OverrideApproval(moment=Moment.BEFORE, override=override), override),
        ("reassign", Reassign(moment=Moment.BEFORE, reassignment=to_friend), to_friend),
    ]
    deployment, _ = split_approval_id(approval_id)
    handle = world.client.get_workflow_handle_for(DeploymentWorkflow.run, deployment.workflow_id)
    found = []
    for name, message, action in messages:
        await handle.signal(name, message)
        query = ReceiptQuery(moment=Moment.BEFORE, action_id=action.action_id, by=action.by)
        receipt = await handle.query(DeploymentWorkflow.receipt, query)
        if receipt is None or receipt.kind != ReceiptKind.REQUESTER_MAY_NOT_APPROVE:
            found.append(f"{name} of {action.by}: {receipt}")
    return found + await _voters_are(world, approval_id)


async def _change_of_the_plan(world: ApprovalWorld, approval_id: str) -> list[str]:
    """Mona approves, and changes what is deployed: her vote is void, and she has no other."""
    counted = await _vote(world, MANAGER, approval_id)
    found = [] if counted["stands"] else [f"an honest vote does not count: {counted}"]
    await _shown(world, approval_id, lambda page: page["votes"])
    change = {"variables": {"LEVEL": "debug"}}
    changed = await world.ask(MANAGER, "POST", f"/releases/{_release(approval_id)}/variables", change)
    assert changed.status == httpx2.codes.ACCEPTED, changed
    await _shown(world, approval_id, lambda page: not page["votes"])
    again = await _vote(world, MANAGER, approval_id)
    is_refused = again["kind"] == ReceiptKind.REQUESTER_MAY_NOT_APPROVE
    found += [] if is_refused else [f"who changed the plan approves it: {again}"]
    return found + await _voters_are(world, approval_id)


async def _vote(world: ApprovalWorld, person: str, approval_id: str) -> Any:
    digest = (await _opened(world, approval_id))["digest"]
    return (
        await world.ask(person, "POST", f"/approvals/{approval_id}/votes", {"choice": "approve", "digest": digest})
    ).body


async def _mailed(world: ApprovalWorld, approval_id: str) -> tuple[str, str]:
    """The paths in both mails to Ana: of when she was asked first, and anew."""
    async with asyncio.timeout(60):
        while len(mails := (await world.ask(ADMIN, "GET", f"/outbox?to={ANA}")).body) < 2:
            await asyncio.sleep(0.1)
    texts = [(await world.ask(ADMIN, "GET", f"/outbox/{mail['id']}")).body["text"] for mail in mails]
    assert all(_release(approval_id).partition("/")[0] in text for text in texts), texts
    new, old = (_LINK.findall(text)[0] for text in texts)
    return old, new


async def _race(world: ApprovalWorld, approval_id: str, path: str) -> list[str]:
    """Ana's link many times at once: one vote."""
    digest = (await _opened(world, approval_id))["digest"]

    async def answer(number: int) -> httpx2.Response:
        form = {"choice": "approve", "digest": digest, "action_id": f"n{number % 7}"}
        return await world.http.post(f"http://slipway.test{path}", data=form)

    answers = await asyncio.gather(*(answer(number) for number in range(_AT_ONCE)))
    found = [f"{one.status_code}" for one in answers if one.status_code not in {200, 202, 409}]
    await _shown(world, approval_id, lambda page: page["votes"])
    return found + await _voters_are(world, approval_id, ANA)


async def _histories(world: ApprovalWorld, approval_id: str, *paths: str) -> list[str]:
    """What Temporal keeps for weeks, and shows to whoever may see its pages."""
    deployment, _ = split_approval_id(approval_id)
    tokens = [path.removeprefix("/approve/").encode() for path in paths]
    found = []
    for workflow_id in (deployment.release.workflow_id, deployment.workflow_id):
        history = await world.client.get_workflow_handle(workflow_id).fetch_history()
        events = [event.SerializeToString() for event in history.events]
        assert any(ANA.encode() in event for event in events), "this is how it would be found"
        found += [f"a token is in the history of {workflow_id}" for event in events for one in tokens if one in event]
    return found


async def _voters_are(world: ApprovalWorld, approval_id: str, *expected: str) -> list[str]:
    page, row = await _opened(world, approval_id), await world.row(approval_id)
    assert row is not None
    seen = {tuple(vote["by"] for vote in page["votes"]), tuple(counted.vote.by for counted in row.votes)}
    return [] if seen == {expected} else [f"{seen} voted, not {expected}"]


async def _opened(world: ApprovalWorld, approval_id: str) -> Any:
    return await _shown(world, approval_id, lambda _: True)


async def _shown(world: ApprovalWorld, approval_id: str, condition: Callable[[Any], bool]) -> Any:
    """The approval over HTTP, once this holds for it."""
    async with asyncio.timeout(60):
        while (page := await world.page(approval_id)) is None or not condition(page):
            await asyncio.sleep(0.1)
    return page


def _release(approval_id: str) -> str:
    return "/".join(approval_id.split("/")[:2])


def _id() -> str:
    return uuid4().hex
