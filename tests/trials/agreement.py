"""Whether workflow, table, page and receipts say the same about one approval."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trials.acts import Act, Told
from trials.approval_world import ApprovalWorld

from domain.approval import Approval, Choice, Receipt, ReceiptKind, Verdict, is_requester
from domain.ids import split_approval_id
from domain.status import StageStatus

_WITHIN_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 0.1
_ENDS = {
    Verdict.REJECTED: {StageStatus.REJECTED},
    Verdict.EXPIRED: {StageStatus.EXPIRED},
    Verdict.CANCELED: {StageStatus.CANCELED},
    Verdict.APPROVED: {StageStatus.SUCCEEDED, StageStatus.CANCELED},
}


@dataclass(frozen=True)
class Seen:
    """One approval from all sides. ``receipts`` are the workflow's own, by action, of one that is still open.

    A workflow that has ended says what counted with its result.
    """

    row: Approval
    page: dict[str, Any]
    told: Sequence[Told]
    receipts: dict[Act, Receipt | None] | None


async def disagreements(world: ApprovalWorld, approval_id: str, told: Sequence[Told]) -> list[str]:
    """What is not as it must be. The table follows the workflow, so it is given a little time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _WITHIN_SECONDS
    while True:
        found = _check(await see(world, approval_id, told))
        if not found or loop.time() > deadline:
            return [f"{approval_id}: {text}" for text in found]
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def see(world: ApprovalWorld, approval_id: str, told: Sequence[Told]) -> Seen:
    """Look at it from all sides. Row and page are of one moment: nothing was written in between."""
    page: dict[str, Any] = {}
    row = await world.row(approval_id)
    receipts = None
    if row is not None and not row.verdict.is_final:
        # One after the other: Temporal keeps few queries of a workflow waiting.
        acts = dict.fromkeys(one.act for one in told)
        receipts = {act: await world.receipt(approval_id, act.action_id, act.person) for act in acts}
    while True:
        page, before = await world.page(approval_id), row
        row = await world.row(approval_id)
        if row == before:
            break
    assert row is not None, f"{approval_id} was opened"
    return Seen(row=row, page=page, told=told, receipts=receipts)


async def end_disagreements(world: ApprovalWorld, approval_id: str) -> list[str]:
    """What the end of the workflow says otherwise than the table; only of one that has a verdict."""
    deployment, _ = split_approval_id(approval_id)
    end = await world.end(str(deployment))
    row = await world.row(approval_id)
    assert row is not None, f"{approval_id} was opened"
    found = []
    if end.status not in _ENDS.get(row.verdict, set()):
        found.append(f"the deployment ended {end.status}, its approval {row.verdict}")
    if end.votes != tuple(counted.vote for counted in row.votes):
        found.append("the workflow ended with other votes than the table has")
    return [f"{approval_id}: {text}" for text in found]


def _check(seen: Seen) -> list[str]:
    return [*_page(seen), *_tally(seen.row), *_verdict(seen.row), *_receipts(seen), *_rows(seen), *_history(seen.row)]


def _page(seen: Seen) -> Iterable[str]:
    row, page = seen.row, seen.page
    if (row.verdict, row.decided_by, row.is_overridden) != tuple(
        page[name] for name in ("verdict", "decided_by", "is_overridden")
    ):
        yield f"the page says {page['verdict']} by {page['decided_by']}, the table {row.verdict} by {row.decided_by}"
    shown = [(vote["approver"], vote["by"], vote["choice"], vote["action_id"]) for vote in page["votes"]]
    kept = [(c.approver, c.vote.by, c.vote.choice, c.vote.action_id) for c in row.votes]
    if shown != kept:
        yield f"the page shows the votes {shown}, the table has {kept}"


def _tally(row: Approval) -> Iterable[str]:
    """One vote a person, one a place, each by somebody who may answer there, for the plan that is deployed."""
    people = {asked.approver: asked.people for asked in row.asked}
    for whose, names in (
        ("person", [c.vote.by for c in row.votes]),
        ("place", [c.approver for c in row.votes]),
        ("action", [f"{c.vote.by} {c.vote.action_id}" for c in row.votes]),
    ):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            yield f"counted twice for one {whose}: {twice}"
    for counted in row.votes:
        if counted.vote.by not in people.get(counted.approver, ()):
            yield f"{counted.vote.by} counts for {counted.approver}, who is {people.get(counted.approver)}"
        if is_requester(row, counted.vote.addresses):
            yield f"the requester {counted.vote.by} counts"
        if counted.vote.digest != row.digest:
            yield f"the vote of {counted.vote.by} is for another plan"


def _verdict(row: Approval) -> Iterable[str]:
    """The verdict is what the rows come to; expiry, cancellation and overriding come from elsewhere."""
    if row.is_overridden or row.verdict in {Verdict.EXPIRED, Verdict.CANCELED}:
        return
    expected = Verdict.PENDING
    if any(counted.vote.choice == Choice.REJECT for counted in row.votes):
        expected = Verdict.REJECTED
    elif len(row.approvals) >= row.policy.needed:
        expected = Verdict.APPROVED
    if row.verdict != expected:
        yield f"{len(row.votes)} votes of {row.policy.needed} needed came to {row.verdict}"


def _receipts(seen: Seen) -> Iterable[str]:
    """Who was told that it stands finds it in the table, and is told no other verdict than the table's."""
    for one in seen.told:
        if one.is_fault:
            yield f"{one.act.what} of {one.act.person} was answered {one.answer.status}: {one.answer.body}"
        elif one.stands and not _is_kept(seen.row, one.act):
            yield f"{one.act.what} {one.act.action_id} of {one.act.person}: {one.kind}, but not in the table"
        elif one.answer.body["verdict"] not in {Verdict.PENDING, seen.row.verdict}:
            yield f"{one.act.person} was told {one.answer.body['verdict']}, the table says {seen.row.verdict}"
    for act, receipt in (seen.receipts or {}).items():
        if receipt is not None and receipt.stands and not _is_kept(seen.row, act):
            yield f"the workflow says of {act.what} of {act.person}: {receipt.kind}; it is not in the table"


def _is_kept(row: Approval, act: Act) -> bool:
    if act.what == "votes":
        is_void = act.body["digest"] != row.digest
        return is_void or act.history_key in _counted(row) or act.history_key in row.withdrawn
    if act.what == "withdrawals":
        return f"{act.person} {act.body['vote_id']}" in row.withdrawn
    return act.history_key in row.handled or (act.what == "overrides" and row.is_overridden)


def _counted(row: Approval) -> set[str]:
    return {f"{counted.vote.by} {counted.vote.action_id}" for counted in row.votes}


def _rows(seen: Seen) -> Iterable[str]:
    """What is in the table was sent by somebody, who was told so, or that it is stored; the workflow says the same."""
    standing = {one.act.history_key for one in seen.told if one.stands or one.is_stored}
    for key in _counted(seen.row) - standing:
        yield f"{key} counts, and nobody was told so"
    if seen.receipts is None:
        return
    by_key = {act.history_key: receipt for act, receipt in seen.receipts.items()}
    for key in _counted(seen.row):
        receipt = by_key.get(key)
        if receipt is None or receipt.kind != ReceiptKind.COUNTED:
            yield f"{key} counts, and the workflow says {receipt.kind if receipt else 'nothing'}"


def _history(row: Approval) -> Iterable[str]:
    """Each vote has one line in the history, those that were taken back too; a changed plan makes votes void."""
    if any("changed what is deployed" in line.text for line in row.history):
        return
    told = [
        line for line in row.history if line.text.startswith(("approved", "rejected")) and "overriding" not in line.text
    ]
    if len(told) != len(row.votes) + len(row.withdrawn):
        yield f"{len(told)} lines of the history for {len(row.votes)} votes and {len(row.withdrawn)} taken back"
