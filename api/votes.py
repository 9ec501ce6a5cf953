"""Casting a vote: deliver it to the deployment's workflow and say what became of it.

What can be told from the tables for good (the approval is decided, the voter is nobody's approver) is answered from
there, so that no stranger can grow a workflow's history.
"""

from dataclasses import dataclass

from api.orchestrator import NothingRuns
from api.services import Services
from domain.approval import Approval, Moment, Receipt, ReceiptKind, Vote, answer, describe
from domain.ids import split_approval_id
from domain.refusal import NotFound
from storage import approvals

_TOLD_FOR_GOOD = {
    ReceiptKind.ALREADY_COUNTED,
    ReceiptKind.ALREADY_DECIDED,
    ReceiptKind.NOT_AN_APPROVER,
    ReceiptKind.REQUESTER_MAY_NOT_APPROVE,
}

STORED = "Your answer is stored and will be counted as soon as a worker is back."


class NoSuchApproval(NotFound):
    """Nobody was asked for this approval (yet)."""


@dataclass(frozen=True)
class VoteAnswer:
    """The receipt; or, without one, the word that the vote is stored and is counted when a worker is back."""

    receipt: Receipt | None

    @property
    def is_stored(self) -> bool:
        return self.receipt is None


async def cast(services: Services, approval_id: str, vote: Vote) -> VoteAnswer:
    """Cast the vote of somebody who is known to be ``vote.voter``. Cast again with the same id it counts once.

    Raises NoSuchApproval, and TemporalUnavailable when the vote could not be stored.
    """
    approval = await _approval(services, approval_id)
    receipt = _receipt(approval, vote, services)
    # An approval that merely seems to have expired is asked about: the workflow's clock decides that, not ours.
    if receipt.kind in _TOLD_FOR_GOOD and receipt.verdict == approval.verdict:
        return VoteAnswer(receipt)
    deployment, moment = split_approval_id(approval_id)
    try:
        return VoteAnswer(await services.orchestrator.vote(deployment, Moment(moment), vote))
    except NothingRuns:
        return VoteAnswer(_after_the_end(await _approval(services, approval_id), vote, services))


async def _approval(services: Services, approval_id: str) -> Approval:
    async with services.database.reading() as session:
        row = await approvals.get(session, approval_id)
    if row is None:
        raise NoSuchApproval(f"nobody is asked for the approval {approval_id}")
    return Approval.model_validate(row.approval)


def _receipt(approval: Approval, vote: Vote, services: Services) -> Receipt:
    return answer(approval, vote, services.clock())[1]


def _after_the_end(approval: Approval, vote: Vote, services: Services) -> Receipt:
    """The deployment is over. What it recorded last may still call the approval open; it is not."""
    if approval.verdict.is_final:
        return _receipt(approval, vote, services)
    message = f"The deployment is over; your answer is no longer needed. {describe(approval)}"
    return Receipt(vote_id=vote.vote_id, kind=ReceiptKind.NOT_OPEN, message=message, verdict=approval.verdict)
