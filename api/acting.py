"""Acting on an approval: deliver what a person does to the deployment's workflow, and say what became of it.

What can be told from the tables for good (the approval is decided, the person is nobody's approver) is answered from
there, so that no stranger can grow a workflow's history.
"""

from dataclasses import dataclass
from datetime import datetime

from api.orchestrator import NothingRuns
from api.services import Services
from domain.answering import answer, may_answer
from domain.approval import Action, Approval, Moment, Receipt, ReceiptKind, Vote, describe
from domain.approval_actions import Outcome, Override, Reassignment, Withdrawal, override, reassign, withdraw
from domain.ids import split_approval_id
from domain.refusal import NotFound
from storage import approvals

_TOLD_FOR_GOOD = {
    ReceiptKind.ALREADY_COUNTED,
    ReceiptKind.ALREADY_DECIDED,
    ReceiptKind.ALREADY_DONE,
    ReceiptKind.COMMENT_MISSING,
    ReceiptKind.NOT_ALLOWED,
    ReceiptKind.NOT_AN_APPROVER,
    ReceiptKind.PROOF_TOO_WEAK,
    ReceiptKind.REQUESTER_MAY_NOT_APPROVE,
    ReceiptKind.WITHDRAWN,
}

STORED = "What you did is stored and will count as soon as a worker is back."


class NoSuchApproval(NotFound):
    """Nobody was asked for this approval (yet)."""


@dataclass(frozen=True)
class Told:
    """The receipt; or, without one, the word that the action is stored and is done when a worker is back."""

    receipt: Receipt | None

    @property
    def is_stored(self) -> bool:
        return self.receipt is None


async def act(services: Services, approval_id: str, action: Action) -> Told:
    """Do what somebody who is known to be ``action.by`` wants. Done again with the same id it counts once.

    Raises NoSuchApproval, and TemporalUnavailable when it could not be stored.
    """
    approval = await stored_approval(services, approval_id)
    action = action.model_copy(update={"sent_at": services.clock()})
    receipt = outlook(approval, action, services.clock())
    if _is_told_for_good(approval, action, receipt):
        return Told(receipt)
    deployment, moment = split_approval_id(approval_id)
    try:
        return Told(await services.orchestrator.act(deployment, Moment(moment), action))
    except NothingRuns:
        return Told(_after_the_end(await stored_approval(services, approval_id), action, services))


def _is_told_for_good(approval: Approval, action: Action, receipt: Receipt) -> bool:
    """Whether the workflow would say the same, now and later."""
    if receipt.verdict != approval.verdict:
        # It merely seems to have expired, or begun: the workflow's clock decides that, not ours.
        return False
    if receipt.kind == ReceiptKind.NOTHING_TO_WITHDRAW:
        # The vote of somebody who is asked may have reached the workflow, and not the tables yet.
        return not may_answer(approval, action.addresses)
    return receipt.kind in _TOLD_FOR_GOOD


async def stored_approval(services: Services, approval_id: str) -> Approval:
    """As the tables have it; raises NoSuchApproval."""
    async with services.database.reading() as session:
        row = await approvals.get(session, approval_id)
    if row is None:
        raise NoSuchApproval(f"nobody is asked for the approval {approval_id}")
    return Approval.model_validate(row.approval)


def outlook(approval: Approval, action: Action, now: datetime) -> Receipt:
    """What this person would be told; nothing is done."""
    return decide(approval, action, now)[1]


def decide(approval: Approval, action: Action, now: datetime) -> Outcome:
    """What the domain says to the action: the approval after it, and the receipt."""
    match action:
        case Vote():
            return answer(approval, action, now)
        case Withdrawal():
            return withdraw(approval, action, now)
        case Reassignment():
            return reassign(approval, action, now)
        case Override():
            return override(approval, action, now)
    raise NotImplementedError(f"nobody knows how to {type(action).__name__}")


def _after_the_end(approval: Approval, action: Action, services: Services) -> Receipt:
    """The deployment is over. What it recorded last may still call the approval open; it is not."""
    if approval.verdict.is_final:
        return outlook(approval, action, services.clock())
    message = f"The deployment is over; your answer is no longer needed. {describe(approval)}"
    return Receipt(action_id=action.action_id, kind=ReceiptKind.NOT_OPEN, message=message, verdict=approval.verdict)
