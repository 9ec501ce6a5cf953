"""What people are told at the top of an approval's page: why there is nothing to answer, and what became of theirs."""

from dataclasses import dataclass, replace

from api.acting import Told
from api.bulk_votes import BallotResult
from domain.approval import Action, Approval, Receipt, ReceiptKind, Verdict, Vote, describe
from domain.approval_actions import Override, Reassignment, Withdrawal

_TITLES = {
    ReceiptKind.COUNTED: "Your answer was counted",
    ReceiptKind.ALREADY_COUNTED: "Your answer was counted",
    ReceiptKind.DONE: "Done",
    ReceiptKind.ALREADY_DONE: "Done before",
    ReceiptKind.ALREADY_ANSWERED: "Already answered",
    ReceiptKind.ALREADY_DECIDED: "Already decided",
    ReceiptKind.ALREADY_ASKED: "They are asked already",
    ReceiptKind.NOT_AN_APPROVER: "You are not asked for this approval",
    ReceiptKind.NOT_ASKED_YET: "It is not your turn yet",
    ReceiptKind.NOT_ALLOWED: "This is not yours to give away",
    ReceiptKind.REQUESTER_MAY_NOT_APPROVE: "The requester may not approve",
    ReceiptKind.PLAN_CHANGED: "What is deployed has changed",
    ReceiptKind.PROOF_TOO_WEAK: "Sign in to answer",
    ReceiptKind.COMMENT_MISSING: "A comment is missing",
    ReceiptKind.DEFERRED_TOO_LONG: "This time cannot be chosen",
    ReceiptKind.WITHDRAWN: "You took this answer back",
    ReceiptKind.NOTHING_TO_WITHDRAW: "There is nothing to take back",
    ReceiptKind.NOBODY_THERE: "Nobody is there",
    ReceiptKind.NOT_OPEN: "This approval is not open",
}
_HARMLESS = {ReceiptKind.ALREADY_ANSWERED, ReceiptKind.ALREADY_DECIDED, ReceiptKind.NOT_ASKED_YET, ReceiptKind.NOT_OPEN}
_TONES = {
    Verdict.APPROVED: ("good", "check"),
    Verdict.REJECTED: ("bad", "stop"),
    Verdict.EXPIRED: ("bad", "clock"),
    Verdict.CANCELED: ("idle", "slash"),
    Verdict.PENDING: ("idle", "info"),
}
_STORED = "It is stored safely, and will count as soon as the release engine is back. You need not repeat it."


@dataclass(frozen=True)
class Notice:
    """What is told."""

    tone: str
    icon: str
    title: str
    message: str


def told(action: Action, given: Told) -> Notice:
    """What became of the action."""
    if given.receipt is not None:
        return notice(given.receipt, action)
    title = "Your answer is stored" if isinstance(action, Vote) else "What you did is stored"
    return Notice("run", "check", title, _STORED)


def notice(receipt: Receipt, action: Action | None = None) -> Notice:
    """The receipt in a box of its colour."""
    tone, icon = _TONES[receipt.verdict]
    if receipt.stands and receipt.verdict == Verdict.PENDING:
        tone, icon = "good", "check"
    elif not receipt.stands and receipt.kind not in _HARMLESS:
        tone, icon = "warn", "info"
    title = _done(action) if receipt.kind == ReceiptKind.DONE else _TITLES[receipt.kind]
    return Notice(tone, icon, title, receipt.message)


def status_of(given: Told) -> int:
    """The HTTP status of the page with the receipt."""
    if given.receipt is None:
        return 202
    return 200 if given.receipt.stands or given.receipt.kind in _HARMLESS else 409


def decided(approval: Approval) -> Notice:
    """That it is, and how."""
    title = "This approval has expired" if approval.verdict == Verdict.EXPIRED else "Already decided"
    return Notice(*_TONES[approval.verdict], title, describe(approval))


def outlook_notice(receipt: Receipt) -> Notice:
    """Why there is nothing to answer. Whoever only looks has done nothing wrong."""
    found = notice(receipt)
    return replace(found, tone="idle") if found.tone == "warn" else found


def told_of(result: BallotResult) -> Notice:
    """What became of one of several answers."""
    if result.problem is not None:
        return Notice("bad", "cross", "This answer was not sent", result.problem.detail)
    given = result.receipt
    if given is None or given.kind not in set(ReceiptKind):
        return Notice("run", "check", "Your answer is stored", _STORED)
    receipt = Receipt(
        action_id=given.action_id, kind=ReceiptKind(given.kind), message=given.message, verdict=given.verdict
    )
    return notice(receipt)


def status_of_result(result: BallotResult) -> int:
    """The same for one of several answers."""
    if result.problem is not None:
        return result.problem.status
    given = result.receipt
    if given is None or given.kind not in set(ReceiptKind):
        return 202
    return 200 if given.stands or given.kind in _HARMLESS else 409


def _done(action: Action | None) -> str:
    match action:
        case Withdrawal():
            return "Your answer was taken back"
        case Reassignment():
            return f"{action.to} is asked now"
        case Override():
            return f"You {action.choice.done} it instead of the approvers"
    return _TITLES[ReceiptKind.DONE]
