"""Answering an approval: whether a vote counts, and for whom.

One person counts once. Who is asked by name answers for themselves, never for a group as well. Where groups share
members, earlier approvals move so that as many approvers as possible are answered for, whoever answered first.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import pairwise

from domain.approval import (
    Action,
    Approval,
    Asked,
    Channel,
    Choice,
    CountedVote,
    Receipt,
    ReceiptKind,
    Vote,
    clock,
    describe,
    happened,
    is_requester,
    open_places,
    settle,
)
from domain.approval_policy import Order, Proof
from domain.person import is_same_person, spelled

LONGEST_DEFERRAL = timedelta(days=365)
_HOW = {Channel.LINK: "by link", Channel.CONSOLE: "in the console", Channel.API: "through the API"}


def answer(approval: Approval, vote: Vote, now: datetime) -> tuple[Approval, Receipt]:
    """Take one vote: the approval after it, and the receipt for its author."""
    approval = settle(approval, now)
    refused = _refusal(approval, vote, now)
    if refused is not None:
        return approval, refused
    after = settle(_with_vote(approval, vote, now), now)
    word = "approval" if vote.choice == Choice.APPROVE else "rejection"
    return after, receipt(after, vote, ReceiptKind.COUNTED, f"Your {word} was counted at {clock(now)}.")


def carry_over(approval: Approval, earlier: Iterable[Vote], now: datetime) -> Approval:
    """Count again what people approved for the stage before, where the policy says so and the plan is the same.

    A login that was fresh then is not fresh now.
    """
    if not approval.policy.skip_if_approved_before or approval.policy.reauthenticate:
        return approval
    changes = {"channel": Channel.EARLIER, "not_before": None}
    left = [vote.model_copy(update=changes) for vote in earlier if vote.choice == Choice.APPROVE]
    while left:
        tried = ((vote, *answer(approval, vote, now)) for vote in left)
        counted = next(((vote, after) for vote, after, told in tried if told.kind == ReceiptKind.COUNTED), None)
        if counted is None:
            break
        approval = counted[1]
        left = [vote for vote in left if vote.by != counted[0].by]
    return approval


def may_answer(approval: Approval, addresses: Iterable[str]) -> bool:
    """Whether this person is among those asked at all (the requester rule aside)."""
    mine = tuple(addresses)
    return any(is_one_of(mine, asked.people) for asked in approval.asked)


def is_one_of(addresses: Iterable[str], people: Iterable[str]) -> bool:
    """Whether one of the addresses is, but for its spelling, that of one of the people."""
    return not {spelled(address) for address in addresses}.isdisjoint(spelled(person) for person in people)


def _refusal(approval: Approval, vote: Vote, now: datetime) -> Receipt | None:
    """Why the vote does not count, most specific first; None when it does."""
    if is_among(vote, approval.withdrawn):
        return receipt(approval, vote, ReceiptKind.WITHDRAWN, "You took this answer back.")
    for counted in approval.votes:
        if _is_repeated(counted.vote, vote):
            return receipt(approval, vote, ReceiptKind.ALREADY_COUNTED, "Your answer was counted before.")
    if not may_answer(approval, vote.addresses):
        return receipt(approval, vote, ReceiptKind.NOT_AN_APPROVER, f"{vote.by} is not asked for this approval.")
    if is_requester(approval, vote.addresses):
        return receipt(approval, vote, ReceiptKind.REQUESTER_MAY_NOT_APPROVE, requester_told(vote))
    return _not_now(approval, vote) or _not_so(approval, vote, now)


def _not_now(approval: Approval, vote: Vote) -> Receipt | None:
    """Why a vote of somebody who may vote does not count as things stand."""
    if approval.verdict.is_final:
        return receipt(approval, vote, ReceiptKind.ALREADY_DECIDED, "Your answer is no longer needed.")
    if vote.digest != approval.digest:
        return receipt(approval, vote, ReceiptKind.PLAN_CHANGED, PLAN_CHANGED)
    if any(is_same_person(vote.addresses, counted.vote.addresses) for counted in approval.votes):
        return receipt(approval, vote, ReceiptKind.ALREADY_ANSWERED, "You have answered already.")
    if _seats(approval, vote, set()):
        return None
    if approval.policy.order == Order.IN_SEQUENCE and not _all_answered_for(approval, vote):
        return receipt(approval, vote, ReceiptKind.NOT_ASKED_YET, "Others are asked before you.")
    return receipt(approval, vote, ReceiptKind.ALREADY_ANSWERED, "Somebody has answered for your group already.")


PLAN_CHANGED = "What is deployed has changed since it was shown to you; open the page again."


def requester_told(action: Action) -> str:
    """Why somebody who requested the deployment decides nothing about it."""
    return f"{action.by} requested this deployment, and its requester may not approve it."


def _not_so(approval: Approval, vote: Vote, now: datetime) -> Receipt | None:
    """Why a vote whose turn it is does not count in the way it was given."""
    weak = proof_refusal(approval, vote)
    if weak is not None:
        return weak
    if approval.policy.comment_required and not vote.comment.strip():
        return receipt(approval, vote, ReceiptKind.COMMENT_MISSING, "An answer needs a comment here.")
    if vote.not_before is not None and vote.choice == Choice.REJECT:
        return receipt(approval, vote, ReceiptKind.DEFERRED_TOO_LONG, "A rejection counts at once or not at all.")
    if vote.not_before is not None and vote.not_before > now + LONGEST_DEFERRAL:
        return receipt(approval, vote, ReceiptKind.DEFERRED_TOO_LONG, "A deployment is deferred by a year at most.")
    return None


PROOF_WANTED = {
    Proof.CODE: "An answer needs the six digits from your mail, or a login.",
    Proof.LOGIN: "A mailed link does not answer here; sign in to the console.",
    Proof.FRESH_LOGIN: "An answer needs a login of the last ten minutes; sign in again.",
}


def proof_refusal(approval: Approval, action: Action) -> Receipt | None:
    """Why the way in which the person showed who they are is not enough; None when it is."""
    if approval.policy.accepts(action.proof):
        return None
    return receipt(approval, action, ReceiptKind.PROOF_TOO_WEAK, PROOF_WANTED[approval.policy.proof])


def _is_repeated(earlier: Vote, vote: Vote) -> bool:
    """The same answer of the same person, sent again. An id alone proves nothing: callers choose it."""
    return is_among(vote, (action_key(earlier),)) and earlier.choice == vote.choice


def action_key(action: Action) -> str:
    """What tells an action from all others: its id, and who chose it."""
    return f"{spelled(action.by)} {action.action_id}"


def is_among(action: Action, keys: Collection[str], action_id: str | None = None) -> bool:
    """Whether one of the keys is that of this action, or of another of its author's, under any of their addresses."""
    wanted = action.action_id if action_id is None else action_id
    mine = {f"{spelled(address)} {wanted}" for address in action.addresses}
    return not mine.isdisjoint(keys)


def _may_count_for(approval: Approval, vote: Vote) -> list[str]:
    """The approvers this person may answer for: themselves when asked by name, else groups and as a deputy."""
    named = [a.approver for a in approval.asked if not a.is_group and is_one_of(vote.addresses, a.members)]
    return named or [asked.approver for asked in approval.asked if is_one_of(vote.addresses, asked.people)]


def _seats(approval: Approval, vote: Vote, tried: set[str]) -> list[str]:
    """Whom this voter would answer for, then whom the voter moved from there would, and so on; the last is free.

    Empty when there is no such way. In sequence only the approver asked now is free, and nobody moves.
    """
    options = [approver for approver in _may_count_for(approval, vote) if approver not in tried]
    free = [asked.approver for asked in open_places(approval) if asked.approver in options]
    if free or approval.policy.order == Order.IN_SEQUENCE:
        return free[:1]
    votes = {counted.approver: counted.vote for counted in approval.votes}
    for approver in options:
        tried.add(approver)
        onward = _seats(approval, votes[approver], tried)
        if onward:
            return [approver, *onward]
    return []


def _with_vote(approval: Approval, vote: Vote, now: datetime) -> Approval:
    """The approval with this vote counted. There is a seat for it: ``_refusal`` turned others away."""
    seats = _seats(approval, vote, set())
    moves = dict(pairwise(seats))
    kept = [c.model_copy(update={"approver": moves.get(c.approver, c.approver)}) for c in approval.votes]
    counted = approval.model_copy(update={"votes": (*kept, CountedVote(approver=seats[0], vote=vote, at=now))})
    asked = next(asked for asked in approval.asked if asked.approver == seats[0])
    return happened(counted, now, _told(vote, asked), by=vote.by)


def _told(vote: Vote, asked: Asked) -> str:
    whom = "" if is_one_of(vote.addresses, (asked.approver,)) else f" for {asked.approver}"
    how = "as for the stage before" if vote.channel == Channel.EARLIER else how_told(vote)
    when = f", from {clock(vote.not_before)} on" if vote.not_before else ""
    return f"{vote.choice.done}{whom} {how}{when}{comment_told(vote)}"


def how_told(action: Action) -> str:
    """``by link``, and so on."""
    return _HOW.get(action.channel, str(action.channel))


def comment_told(action: Action) -> str:
    """``: looks good``; empty without a comment."""
    return f": {action.comment.strip()}" if action.comment.strip() else ""


def _all_answered_for(approval: Approval, vote: Vote) -> bool:
    answered = {counted.approver for counted in approval.votes}
    return all(approver in answered for approver in _may_count_for(approval, vote))


_FOR_NOW = {
    ReceiptKind.ALREADY_ANSWERED,
    ReceiptKind.ALREADY_ASKED,
    ReceiptKind.DEFERRED_TOO_LONG,
    ReceiptKind.NOBODY_THERE,
    ReceiptKind.NOTHING_TO_WITHDRAW,
    ReceiptKind.NOT_ASKED_YET,
    ReceiptKind.PLAN_CHANGED,
}


def receipt(approval: Approval, action: Action, kind: ReceiptKind, text: str) -> Receipt:
    """What the author is told: the text, and where the approval stands.

    Who was refused too often is told so instead of a refusal that holds for now, which invites to try again.
    """
    if kind in _FOR_NOW and is_one_of(action.addresses, approval.refused_often):
        kind, text = ReceiptKind.NOT_ALLOWED, f"You were refused too often here; only what counts is passed on. {text}"
    message = f"{text} {describe(approval)}"
    return Receipt(action_id=action.action_id, kind=kind, message=message, verdict=approval.verdict)
