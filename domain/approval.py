"""Approvals: what they are made of, and what the votes so far add up to. Values in, value out; the time is an argument.

An approval is asked of *approvers*: a person, or a group (one approver, for which any one member answers). Who the
members are was frozen into the release, so an unknown group is nobody: its approval stays open, never satisfied.

What people do to an approval is decided in ``domain.answering`` and ``domain.approval_actions``; each of those takes
the approval as it is and returns the approval after it, with a receipt in words.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import AwareDatetime

from domain.approval_policy import ApprovalPolicy, NobodyAsked, Order, Proof
from domain.frozen import Frozen
from domain.person import is_same_person


class Moment(StrEnum):
    """Before the deployment, or after it."""

    BEFORE = "before"
    AFTER = "after"


class Choice(StrEnum):
    """What a person answers."""

    APPROVE = "approve"
    REJECT = "reject"

    @property
    def done(self) -> str:
        return "approved" if self == Choice.APPROVE else "rejected"


class Channel(StrEnum):
    """How an answer came. ``EARLIER``: carried over from the approval of the stage before."""

    LINK = "link"
    CONSOLE = "console"
    API = "api"
    EARLIER = "earlier"


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
    """One approver who is asked, and the mail addresses that may answer for them.

    ``round`` counts how often the place was asked anew (reassigned, or because the plan changed); ``instead_of`` is
    the approver of the policy whose place was given to somebody else.
    """

    approver: str
    members: tuple[str, ...]
    deputies: tuple[str, ...] = ()
    instead_of: str = ""
    round: int = 0

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who may answer in this place."""
        return tuple(dict.fromkeys((*self.members, *self.deputies)))

    @property
    def is_group(self) -> bool:
        return self.approver.startswith("group:")


class Action(Frozen):
    """Something a person does to an approval; the caller authenticated them.

    The same id of the same person counts once, whenever it was sent. ``also`` are further addresses of that person,
    ``sent_at`` is when it came to us, which may be long before the workflow hears of it.
    """

    action_id: str
    by: str
    also: tuple[str, ...] = ()
    channel: Channel = Channel.API
    proof: Proof = Proof.LOGIN
    comment: str = ""
    sent_at: AwareDatetime | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.by, *self.also)


class Vote(Action):
    """One answer of one person; ``digest`` is the plan that was shown to them. ``not_before`` defers an approval."""

    choice: Choice
    digest: str
    not_before: AwareDatetime | None = None


class CountedVote(Frozen):
    """A vote that counts, for whom, and when it arrived."""

    approver: str
    vote: Vote
    at: datetime


class Happening(Frozen):
    """A line of the approval's own history: who did what, for whom and how. ``by`` is empty for time and mail."""

    at: datetime
    text: str
    by: str = ""


class Approval(Frozen):
    """One approval of one deployment: policy, people, votes, and the verdict once there is one.

    ``requesters`` are the names shown, ``requester_addresses`` every address of the people behind them.
    ``handled`` are the actions other than votes that were done; ``withdrawn`` the votes that were taken back;
    ``refused_often`` are people of whom only what counts is passed on, so that they cannot fill the history.
    """

    policy: ApprovalPolicy | NobodyAsked
    asked: tuple[Asked, ...]
    digest: str
    requesters: tuple[str, ...]
    requester_addresses: tuple[str, ...] = ()
    opened_at: datetime
    votes: tuple[CountedVote, ...] = ()
    withdrawn: tuple[str, ...] = ()
    handled: tuple[str, ...] = ()
    refused_often: tuple[str, ...] = ()
    history: tuple[Happening, ...] = ()
    verdict: Verdict = Verdict.PENDING
    decided_at: datetime | None = None
    decided_by: str | None = None
    is_overridden: bool = False

    @property
    def expires_at(self) -> datetime:
        return self.opened_at + self.policy.timeout

    @property
    def is_automatic(self) -> bool:
        """Whether nobody was to be asked."""
        return not self.policy.approvers

    @property
    def approvals(self) -> tuple[CountedVote, ...]:
        return tuple(counted for counted in self.votes if counted.vote.choice == Choice.APPROVE)

    @property
    def is_enough(self) -> bool:
        """Whether no further approval is needed."""
        return len(self.approvals) >= self.policy.needed

    @property
    def deferred_until(self) -> datetime | None:
        """The latest moment before which somebody does not want it to count as approved."""
        return max((c.vote.not_before for c in self.approvals if c.vote.not_before is not None), default=None)


class ReceiptKind(StrEnum):
    """What became of an action. The first four mean that it stands."""

    COUNTED = "counted"
    ALREADY_COUNTED = "already counted"
    DONE = "done"
    ALREADY_DONE = "already done"
    ALREADY_ANSWERED = "already answered"
    ALREADY_DECIDED = "already decided"
    ALREADY_ASKED = "already asked"
    NOT_AN_APPROVER = "not an approver"
    NOT_ASKED_YET = "not asked yet"
    NOT_ALLOWED = "not allowed"
    REQUESTER_MAY_NOT_APPROVE = "requester may not approve"
    PLAN_CHANGED = "plan changed"
    PROOF_TOO_WEAK = "proof too weak"
    COMMENT_MISSING = "comment missing"
    DEFERRED_TOO_LONG = "deferred too long"
    WITHDRAWN = "withdrawn"
    NOTHING_TO_WITHDRAW = "nothing to withdraw"
    NOBODY_THERE = "nobody there"
    NOT_OPEN = "not open"


_STANDS = (ReceiptKind.COUNTED, ReceiptKind.ALREADY_COUNTED, ReceiptKind.DONE, ReceiptKind.ALREADY_DONE)


class Receipt(Frozen):
    """The answer to an action, in words."""

    action_id: str
    kind: ReceiptKind
    message: str
    verdict: Verdict = Verdict.PENDING

    @property
    def stands(self) -> bool:
        """Whether the action was done, now or before."""
        return self.kind in _STANDS


def settle(approval: Approval, now: datetime) -> Approval:
    """Give the approval its verdict if the votes, or the time, have brought it to one. Final stays final.

    It expires at ``expires_at``, and a deferred one is approved at its moment, however much later somebody looks.
    Enough approvals keep it from expiring.
    """
    if approval.verdict.is_final:
        return approval
    if any(counted.vote.choice == Choice.REJECT for counted in approval.votes):
        return _decided(approval, Verdict.REJECTED, now, by=approval.votes[-1].vote.by)
    if approval.is_enough:
        begins = approval.deferred_until
        if begins is not None and now < begins:
            return approval
        by = approval.votes[-1].vote.by if approval.votes else None
        return _decided(
            approval, Verdict.APPROVED, begins if begins and not _is_after(approval, begins) else now, by=by
        )
    if now >= approval.expires_at:
        at = now if _is_after(approval, approval.expires_at) else approval.expires_at
        return happened(_decided(approval, Verdict.EXPIRED, at), at, "expired without enough answers")
    return approval


def _is_after(approval: Approval, moment: datetime) -> bool:
    """Whether something happened to the approval after this moment."""
    return bool(approval.history) and approval.history[-1].at > moment


def _decided(approval: Approval, verdict: Verdict, at: datetime, by: str | None = None) -> Approval:
    return approval.model_copy(update={"verdict": verdict, "decided_at": at, "decided_by": by})


def done_at(approval: Approval, action: Action, now: datetime) -> datetime:
    """When an action that is heard of now was done: as it was sent. Nothing is done before it was asked for."""
    return now if action.sent_at is None else max(min(action.sent_at, now), approval.opened_at)


def cancel(approval: Approval, now: datetime) -> Approval:
    """What becomes of the approval of a deployment that is stopped."""
    if approval.verdict.is_final:
        return approval
    return happened(_decided(approval, Verdict.CANCELED, now), now, "no longer needed: the deployment was canceled")


def happened(approval: Approval, at: datetime, text: str, by: str = "") -> Approval:
    """The approval with a line more in its history."""
    return approval.model_copy(update={"history": (*approval.history, Happening(at=at, text=text, by=by))})


def open_places(approval: Approval) -> tuple[Asked, ...]:
    """The places in which an answer may still be given at this moment, in the author's order."""
    if approval.verdict.is_final:
        return ()
    answered = {counted.approver for counted in approval.votes}
    open_ones = tuple(asked for asked in approval.asked if asked.approver not in answered)
    return open_ones[:1] if approval.policy.order == Order.IN_SEQUENCE else open_ones


def asked_now(approval: Approval) -> tuple[Asked, ...]:
    """Those whose answer is awaited at this moment: nobody, once there are enough."""
    return () if approval.is_enough else open_places(approval)


def is_requester(approval: Approval, addresses: Iterable[str]) -> bool:
    """Whether these are addresses of somebody whom the policy keeps from deciding."""
    if approval.policy.requester_may_approve:
        return False
    return is_same_person(addresses, (*approval.requesters, *approval.requester_addresses))


def describe(approval: Approval) -> str:
    """Where the approval stands, in one sentence."""
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    at = f" at {clock(approval.decided_at)}" if approval.decided_at else ""
    if approval.verdict == Verdict.PENDING:
        return _describe_pending(approval)
    if approval.is_automatic:
        return f"Nobody is asked; approved automatically{at}."
    if approval.verdict == Verdict.EXPIRED:
        return f"The approval expired{at} without enough answers."
    over = " (overriding the approvers)" if approval.is_overridden else ""
    return f"The deployment was {approval.verdict}{by}{at}{over}."


def _describe_pending(approval: Approval) -> str:
    given = f"{len(approval.approvals)} of {approval.policy.needed} approvals given"
    if approval.is_enough:
        return f"{given}; counts as approved from {clock(approval.deferred_until)} on."
    return f"{given}; asked: {', '.join(_shown(asked) for asked in asked_now(approval))}."


def _shown(asked: Asked) -> str:
    shown = asked.approver if asked.members else f"{asked.approver} (which has no members)"
    return f"{shown} or {', '.join(asked.deputies)}" if asked.deputies else shown


def clock(moment: datetime | None) -> str:
    """A moment as sentences have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if moment else ""
