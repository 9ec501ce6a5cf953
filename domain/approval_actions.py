"""What else is done to an approval than answering it: take a vote back, reassign, override; escalate, ask anew.

What a person does returns the approval after it and a receipt; what time, mail or a changed plan does, the approval.
"""

from collections.abc import Iterable
from datetime import datetime

from domain.answering import (
    PLAN_CHANGED,
    action_key,
    comment_told,
    how_told,
    is_among,
    is_one_of,
    proof_refusal,
    receipt,
    requester_told,
)
from domain.approval import (
    Action,
    Approval,
    Asked,
    Choice,
    Receipt,
    ReceiptKind,
    Verdict,
    happened,
    is_requester,
    settle,
)
from domain.person import is_same_person, spelled
from domain.release import ReleasePlan

Outcome = tuple[Approval, Receipt]
MOST_CHANGES = 200  # of mind; what goes on for ever would fill the history
MOST_REFUSALS = 100  # of one person, for the same reason


class Withdrawal(Action):
    """The author of a counted vote takes it back. ``vote_id`` is that vote's ``action_id``."""

    vote_id: str


class Reassignment(Action):
    """One who is asked, or a release manager, lets somebody else be asked in an approver's place.

    ``members`` are the people who may answer for ``to``; the caller looked them up.
    """

    approver: str
    to: str
    members: tuple[str, ...]
    is_by_manager: bool = False


class Override(Action):
    """A release manager decides instead of the approvers; the comment is the reason."""

    choice: Choice
    digest: str


def withdraw(approval: Approval, withdrawal: Withdrawal, now: datetime) -> Outcome:
    """Take a vote back before the decision. The person may then answer anew."""
    approval = settle(approval, now)
    votes = (c for c in approval.votes if is_among(withdrawal, (action_key(c.vote),), withdrawal.vote_id))
    found = next(votes, None)
    if found is None:
        known = is_among(withdrawal, approval.withdrawn, withdrawal.vote_id)
        kind = ReceiptKind.ALREADY_DONE if known else ReceiptKind.NOTHING_TO_WITHDRAW
        text = "Your answer was taken back before." if known else "You have no such answer here."
        return approval, receipt(approval, withdrawal, kind, text)
    refused = _withdrawal_refusal(approval, withdrawal)
    if refused is not None:
        return approval, refused
    left = tuple(counted for counted in approval.votes if counted != found)
    after = approval.model_copy(update={"votes": left, "withdrawn": (*approval.withdrawn, action_key(found.vote))})
    text = f"took back that they {found.vote.choice.done} {how_told(withdrawal)}{comment_told(withdrawal)}"
    after = settle(happened(after, now, text, by=withdrawal.by), now)
    return after, receipt(after, withdrawal, ReceiptKind.DONE, "Your answer was taken back.")


def _withdrawal_refusal(approval: Approval, withdrawal: Withdrawal) -> Receipt | None:
    """Why a vote that counts stays; None when it may be taken back."""
    if approval.verdict.is_final:
        return receipt(approval, withdrawal, ReceiptKind.ALREADY_DECIDED, "It is too late to take it back.")
    if len(approval.withdrawn) >= MOST_CHANGES:
        return receipt(approval, withdrawal, ReceiptKind.NOT_ALLOWED, "Too many answers were taken back here.")
    return proof_refusal(approval, withdrawal)


def reassign(approval: Approval, change: Reassignment, now: datetime) -> Outcome:
    """Ask somebody else in an approver's place. Requesters neither reassign nor are reassigned to."""
    approval = settle(approval, now)
    refused = _reassignment_refusal(approval, change)
    if refused is not None:
        return approval, refused
    asked = tuple(_given_to(asked, change) if asked.approver == change.approver else asked for asked in approval.asked)
    after = _done(approval.model_copy(update={"asked": asked}), change)
    text = f"reassigned from {change.approver} to {change.to} {how_told(change)}{comment_told(change)}"
    after = happened(after, now, text, by=change.by)
    return after, receipt(after, change, ReceiptKind.DONE, f"{change.to} is asked instead of {change.approver}.")


def _given_to(asked: Asked, change: Reassignment) -> Asked:
    return Asked(
        approver=change.to,
        members=change.members,
        instead_of=asked.instead_of or asked.approver,
        round=asked.round + 1,
    )


def _reassignment_refusal(approval: Approval, change: Reassignment) -> Receipt | None:
    """Why it is not reassigned; None when it is."""

    def no(kind: ReceiptKind, text: str) -> Receipt:
        return receipt(approval, change, kind, text)

    if is_among(change, approval.handled):
        return no(ReceiptKind.ALREADY_DONE, "It was reassigned before.")
    place = next((asked for asked in approval.asked if asked.approver == change.approver), None)
    if not change.is_by_manager and (place is None or not is_one_of(change.addresses, place.people)):
        return no(ReceiptKind.NOT_ALLOWED, f"{change.by} is not asked as {change.approver} here.")
    if is_requester(approval, change.addresses):
        return no(ReceiptKind.REQUESTER_MAY_NOT_APPROVE, requester_told(change))
    if approval.verdict.is_final:
        return no(ReceiptKind.ALREADY_DECIDED, "Nobody is asked any more.")
    if place is None:
        return no(ReceiptKind.NOT_AN_APPROVER, f"{change.approver} is not asked for this approval.")
    return _successor_refusal(approval, change) or proof_refusal(approval, change)


def _successor_refusal(approval: Approval, change: Reassignment) -> Receipt | None:
    """Why it cannot be this approver who is asked instead."""

    def no(kind: ReceiptKind, text: str) -> Receipt:
        return receipt(approval, change, kind, text)

    if len(approval.handled) >= MOST_CHANGES:
        return no(ReceiptKind.NOT_ALLOWED, "It was reassigned too often.")
    if any(counted.approver == change.approver for counted in approval.votes):
        return no(ReceiptKind.ALREADY_ANSWERED, f"{change.approver} has been answered for already.")
    if not change.members:
        return no(ReceiptKind.NOBODY_THERE, f"{change.to} has no members.")
    if all(is_requester(approval, (member,)) for member in change.members):
        text = f"{change.to} requested this deployment, and its requester may not approve it."
        return no(ReceiptKind.REQUESTER_MAY_NOT_APPROVE, text)
    if any(asked.approver == change.to for asked in approval.asked) or _has_answered(approval, change):
        return no(ReceiptKind.ALREADY_ASKED, f"{change.to} is among those asked already, or has answered.")
    return None


def _has_answered(approval: Approval, change: Reassignment) -> bool:
    """Whether the one person it would go to has voted: nobody counts twice, so that the place would stay empty."""
    return len(change.members) == 1 and any(
        is_same_person(change.members, counted.vote.addresses) for counted in approval.votes
    )


def override(approval: Approval, by_manager: Override, now: datetime) -> Outcome:
    """Decide in the approvers' stead, visibly. The caller checked that it is a release manager who asks."""
    approval = settle(approval, now)
    refused = _override_refusal(approval, by_manager)
    if refused is not None:
        return approval, refused
    verdict = Verdict.APPROVED if by_manager.choice == Choice.APPROVE else Verdict.REJECTED
    after = _done(approval, by_manager).model_copy(
        update={"verdict": verdict, "decided_at": now, "decided_by": by_manager.by, "is_overridden": True}
    )
    text = f"{by_manager.choice.done} overriding the approvers {how_told(by_manager)}{comment_told(by_manager)}"
    after = happened(after, now, text, by=by_manager.by)
    return after, receipt(after, by_manager, ReceiptKind.DONE, "You decided instead of the approvers.")


def _override_refusal(approval: Approval, by_manager: Override) -> Receipt | None:
    def no(kind: ReceiptKind, text: str) -> Receipt:
        return receipt(approval, by_manager, kind, text)

    if is_among(by_manager, approval.handled):
        return no(ReceiptKind.ALREADY_DONE, "You decided this before.")
    if is_requester(approval, by_manager.addresses):
        return no(ReceiptKind.REQUESTER_MAY_NOT_APPROVE, requester_told(by_manager))
    if approval.verdict.is_final:
        return no(ReceiptKind.ALREADY_DECIDED, "It is decided.")
    if by_manager.digest != approval.digest:
        return no(ReceiptKind.PLAN_CHANGED, PLAN_CHANGED)
    if not by_manager.comment.strip():
        return no(ReceiptKind.COMMENT_MISSING, "Say why the approvers are overridden.")
    return proof_refusal(approval, by_manager)


def _done(approval: Approval, action: Action) -> Approval:
    return approval.model_copy(update={"handled": (*approval.handled, action_key(action))})


def refused_again(approval: Approval, action: Action, refusals: int, now: datetime) -> Approval:
    """Remember who was refused so often; no change before that, and once it is decided. What would count still does."""
    is_known = is_one_of(action.addresses, approval.refused_often)
    if refusals < MOST_REFUSALS or is_known or approval.verdict.is_final:
        return approval
    after = approval.model_copy(update={"refused_often": (*approval.refused_often, spelled(action.by))})
    return happened(
        after, now, f"was refused {refusals} times; from now on only what counts is passed on", by=action.by
    )


def escalate(approval: Approval, approver: str, deputies: Iterable[str], why: str, now: datetime) -> Approval:
    """Let deputies answer in the place of an approver; no change when none of them is new there, or it is decided."""
    if approval.verdict.is_final:
        return approval
    place = next((asked for asked in approval.asked if asked.approver == approver), None)
    new = [deputy for deputy in deputies if place is not None and not is_one_of((deputy,), place.people)]
    if place is None or not new:
        return approval
    larger = place.model_copy(update={"deputies": (*place.deputies, *new)})
    asked = tuple(larger if one.approver == approver else one for one in approval.asked)
    return happened(
        approval.model_copy(update={"asked": asked}), now, f"{why}: {', '.join(new)} may answer for {approver} too"
    )


def mail_came_back(approval: Approval, person: str, reason: str, now: datetime) -> Approval:
    """Note that no mail reaches this person; no change once it is decided."""
    if approval.verdict.is_final:
        return approval
    return happened(approval, now, f"no mail reaches {person}: {reason}")


def ask_anew(approval: Approval, plan: ReleasePlan, changed_by: str, now: datetime) -> Approval:
    """What is deployed has changed: no vote for the old plan counts, and who changed it counts as a requester."""
    approval = settle(approval, now)
    if approval.verdict.is_final or plan.digest == approval.digest:
        return approval
    count = len(approval.votes)
    void = f"; {count} earlier answer{'s no longer count' if count > 1 else ' no longer counts'}" if count else ""
    after = approval.model_copy(
        update={
            "digest": plan.digest,
            "votes": (),
            "asked": tuple(asked.model_copy(update={"round": asked.round + 1}) for asked in approval.asked),
            "requesters": tuple(dict.fromkeys((*approval.requesters, *plan.changed_by))),
            "requester_addresses": tuple(dict.fromkeys((*approval.requester_addresses, *plan.requester_addresses))),
        }
    )
    return happened(after, now, f"changed what is deployed{void}", by=changed_by)
