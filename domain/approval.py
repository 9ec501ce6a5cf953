"""Approvals: what a vote does, and what the votes so far add up to. Values in, value out; the time is an argument.

An approval is asked of *approvers*: a person, or a group (one approver, for which any one member answers). Who the
members are was frozen into the release, so an unknown group is nobody: its approval stays open, never satisfied.

One person counts once. Who is asked by name answers for themselves, never for a group as well. Where groups share
members, earlier approvals move so that as many approvers as possible are answered for, whoever answered first.
"""

from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from domain.approval_policy import ApprovalPolicy, Order
from domain.frozen import Frozen


class Moment(StrEnum):
    """Before the deployment, or after it."""

    BEFORE = "before"
    AFTER = "after"


class Choice(StrEnum):
    """What a person answers."""

    APPROVE = "approve"
    REJECT = "reject"


class Channel(StrEnum):
    """How an answer came."""

    LINK = "link"
    CONSOLE = "console"
    API = "api"


class Verdict(StrEnum):
    """What an approval has come to."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        return self != Verdict.PENDING


class Asked(Frozen):
    """One approver who is asked, and the mail addresses that may answer for them."""

    approver: str
    members: tuple[str, ...]


class Vote(Frozen):
    """One answer of one person; ``digest`` is the plan that was shown to them."""

    vote_id: str
    voter: str
    choice: Choice
    digest: str
    comment: str = ""
    channel: Channel = Channel.API


class CountedVote(Frozen):
    """A vote that counts, for whom, and when it arrived."""

    approver: str
    vote: Vote
    at: datetime


class Approval(Frozen):
    """One approval of one deployment: policy, people, votes, and the verdict once there is one."""

    policy: ApprovalPolicy
    asked: tuple[Asked, ...]
    digest: str
    requesters: tuple[str, ...]
    opened_at: datetime
    votes: tuple[CountedVote, ...] = ()
    verdict: Verdict = Verdict.PENDING
    decided_at: datetime | None = None
    decided_by: str | None = None

    @property
    def expires_at(self) -> datetime:
        return self.opened_at + self.policy.timeout


class ReceiptKind(StrEnum):
    """What became of a vote."""

    COUNTED = "counted"
    ALREADY_COUNTED = "already counted"
    ALREADY_ANSWERED = "already answered"
    ALREADY_DECIDED = "already decided"
    NOT_AN_APPROVER = "not an approver"
    NOT_ASKED_YET = "not asked yet"
    REQUESTER_MAY_NOT_APPROVE = "requester may not approve"
    PLAN_CHANGED = "plan changed"
    NOT_OPEN = "not open"


class Receipt(Frozen):
    """The answer to a vote, in words."""

    vote_id: str
    kind: ReceiptKind
    message: str
    verdict: Verdict = Verdict.PENDING

    @property
    def is_counted(self) -> bool:
        return self.kind in {ReceiptKind.COUNTED, ReceiptKind.ALREADY_COUNTED}


def answer(approval: Approval, vote: Vote, now: datetime) -> tuple[Approval, Receipt]:
    """Take one vote: the approval after it, and the receipt for its author.

    Does not decide whether the voter is who they say: the caller authenticated them.
    """
    approval = settle(approval, now)
    refused = _refusal(approval, vote)
    if refused is not None:
        return approval, refused
    after = settle(_with_vote(approval, vote, now), now)
    if after.verdict.is_final:
        after = after.model_copy(update={"decided_by": vote.voter})
    word = "approval" if vote.choice == Choice.APPROVE else "rejection"
    message = f"Your {word} was counted at {_clock(now)}. {describe(after)}"
    return after, Receipt(vote_id=vote.vote_id, kind=ReceiptKind.COUNTED, message=message, verdict=after.verdict)


def settle(approval: Approval, now: datetime) -> Approval:
    """Give the approval its verdict if the votes, or the time, have brought it to one. Final stays final.

    It expires at ``expires_at``, however much later somebody looks.
    """
    if approval.verdict.is_final:
        return approval
    verdict = _tally(approval)
    if verdict != Verdict.PENDING:
        return approval.model_copy(update={"verdict": verdict, "decided_at": now})
    if now >= approval.expires_at:
        return approval.model_copy(update={"verdict": Verdict.EXPIRED, "decided_at": approval.expires_at})
    return approval


def _tally(approval: Approval) -> Verdict:
    choices = [counted.vote.choice for counted in approval.votes]
    if Choice.REJECT in choices:
        return Verdict.REJECTED
    return Verdict.APPROVED if choices.count(Choice.APPROVE) >= approval.policy.needed else Verdict.PENDING


def asked_now(approval: Approval) -> tuple[Asked, ...]:
    """Those whose answer is awaited at this moment, in the author's order."""
    if approval.verdict.is_final:
        return ()
    answered = {counted.approver for counted in approval.votes}
    open_ones = tuple(asked for asked in approval.asked if asked.approver not in answered)
    return open_ones[:1] if approval.policy.order == Order.IN_SEQUENCE else open_ones


def describe(approval: Approval) -> str:
    """Where the approval stands, in one sentence."""
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    at = f" at {_clock(approval.decided_at)}" if approval.decided_at else ""
    if approval.verdict == Verdict.PENDING:
        given = sum(counted.vote.choice == Choice.APPROVE for counted in approval.votes)
        waiting = ", ".join(_shown(asked) for asked in asked_now(approval))
        return f"{given} of {approval.policy.needed} approvals given; asked: {waiting}."
    if approval.verdict == Verdict.EXPIRED:
        return f"The approval expired{at} without enough answers."
    return f"The deployment was {approval.verdict}{by}{at}."


def _shown(asked: Asked) -> str:
    return asked.approver if asked.members else f"{asked.approver} (which has no members)"


def may_answer(approval: Approval, voter: str) -> bool:
    """Whether this person is among those asked at all (the requester rule aside)."""
    return any(_same(voter, member) for asked in approval.asked for member in asked.members)


def _refusal(approval: Approval, vote: Vote) -> Receipt | None:
    """Why the vote does not count, most specific first; None when it does."""
    for counted in approval.votes:
        if _is_repeated(counted.vote, vote):
            return _receipt(approval, vote, ReceiptKind.ALREADY_COUNTED, "Your answer was counted before.")
    if not may_answer(approval, vote.voter):
        return _receipt(approval, vote, ReceiptKind.NOT_AN_APPROVER, f"{vote.voter} is not asked for this approval.")
    if not approval.policy.requester_may_approve and any(_same(vote.voter, r) for r in approval.requesters):
        text = f"{vote.voter} requested this deployment, and its requester may not approve it."
        return _receipt(approval, vote, ReceiptKind.REQUESTER_MAY_NOT_APPROVE, text)
    return _not_now(approval, vote)


def _not_now(approval: Approval, vote: Vote) -> Receipt | None:
    """Why a vote of somebody who may vote does not count as things stand."""
    if approval.verdict.is_final:
        return _receipt(approval, vote, ReceiptKind.ALREADY_DECIDED, "Your answer is no longer needed.")
    if vote.digest != approval.digest:
        text = "What is deployed has changed since it was shown to you; open the page again."
        return _receipt(approval, vote, ReceiptKind.PLAN_CHANGED, text)
    if any(_same(vote.voter, counted.vote.voter) for counted in approval.votes):
        return _receipt(approval, vote, ReceiptKind.ALREADY_ANSWERED, "You have answered already.")
    if _seats(approval, vote.voter, set()):
        return None
    if approval.policy.order == Order.IN_SEQUENCE and not _all_answered_for(approval, vote.voter):
        return _receipt(approval, vote, ReceiptKind.NOT_ASKED_YET, "Others are asked before you.")
    return _receipt(approval, vote, ReceiptKind.ALREADY_ANSWERED, "Somebody has answered for your group already.")


def _is_repeated(earlier: Vote, vote: Vote) -> bool:
    """The same answer of the same person, sent again. An id alone proves nothing: callers choose it."""
    same_author = _same(earlier.voter, vote.voter)
    return same_author and earlier.vote_id == vote.vote_id and earlier.choice == vote.choice


def _may_count_for(approval: Approval, voter: str) -> list[str]:
    """The approvers this person may answer for: themselves when asked by name, else their groups."""
    mine = [asked.approver for asked in approval.asked if any(_same(voter, member) for member in asked.members)]
    return [approver for approver in mine if not approver.startswith("group:")] or mine


def _seats(approval: Approval, voter: str, tried: set[str]) -> list[str]:
    """Whom this voter would answer for, then whom the voter moved from there would, and so on; the last is free.

    Empty when there is no such way. In sequence only the approver asked now is free, and nobody moves.
    """
    options = [approver for approver in _may_count_for(approval, voter) if approver not in tried]
    free = [asked.approver for asked in asked_now(approval) if asked.approver in options]
    if free or approval.policy.order == Order.IN_SEQUENCE:
        return free[:1]
    voters = {counted.approver: counted.vote.voter for counted in approval.votes}
    for approver in options:
        tried.add(approver)
        onward = _seats(approval, voters[approver], tried)
        if onward:
            return [approver, *onward]
    return []


def _with_vote(approval: Approval, vote: Vote, now: datetime) -> Approval:
    """The approval with this vote counted. There is a seat for it: ``_refusal`` turned others away."""
    seats = _seats(approval, vote.voter, set())
    moves = dict(pairwise(seats))
    kept = [c.model_copy(update={"approver": moves.get(c.approver, c.approver)}) for c in approval.votes]
    return approval.model_copy(update={"votes": (*kept, CountedVote(approver=seats[0], vote=vote, at=now))})


def _all_answered_for(approval: Approval, voter: str) -> bool:
    answered = {counted.approver for counted in approval.votes}
    return all(approver in answered for approver in _may_count_for(approval, voter))


def _receipt(approval: Approval, vote: Vote, kind: ReceiptKind, text: str) -> Receipt:
    message = f"{text} {describe(approval)}"
    return Receipt(vote_id=vote.vote_id, kind=kind, message=message, verdict=approval.verdict)


def _same(one: str, other: str) -> bool:
    return one.strip().lower() == other.strip().lower()


def _clock(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment else ""
