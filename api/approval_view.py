"""One approval as people see it: who was asked, who answered, and whether their mails went out."""

from collections.abc import Iterable

from api.views import ApprovalView, AskedView, VoteView
from domain.approval import Approval, Asked, Moment, Verdict, asked_now, describe
from domain.approval_policy import Order
from domain.ids import DeploymentId
from storage.tables import ApprovalRow, DeliveryRow

# The state that speaks for several mails: what needs a person's attention first.
_DELIVERY_STATES = ("failed", "pending", "sent")


def approval_view_of(row: ApprovalRow, mails: Iterable[DeliveryRow]) -> ApprovalView:
    """The view of an approval whose mails these are."""
    approval = Approval.model_validate(row.approval)
    deployment = DeploymentId.parse(row.deployment)
    return ApprovalView(
        id=row.id,
        release=str(deployment.release),
        deployment=row.deployment,
        stage=deployment.stage,
        moment=Moment(row.moment),
        verdict=Verdict(row.verdict),
        standing=describe(approval),
        needed=approval.policy.needed,
        in_sequence=approval.policy.order == Order.IN_SEQUENCE,
        requester_may_approve=approval.policy.requester_may_approve,
        requesters=list(approval.requesters),
        digest=approval.digest,
        asked=_asked(approval, {mail.person: mail.status for mail in mails}),
        votes=_votes(approval),
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=approval.decided_by,
        instructions=approval.policy.instructions,
    )


def _asked(approval: Approval, mails: dict[str, str]) -> list[AskedView]:
    awaited = {asked.approver for asked in asked_now(approval)}
    return [_one(approval, asked, mails, is_asked_now=asked.approver in awaited) for asked in approval.asked]


def _one(approval: Approval, asked: Asked, mails: dict[str, str], *, is_asked_now: bool) -> AskedView:
    vote = next((counted for counted in approval.votes if counted.approver == asked.approver), None)
    states = {mails[member] for member in asked.members if member in mails}
    return AskedView(
        approver=asked.approver,
        members=list(asked.members),
        is_asked_now=is_asked_now,
        answered=vote.vote.choice if vote else None,
        at=vote.at if vote else None,
        delivery=next((state for state in _DELIVERY_STATES if state in states), None),
    )


def _votes(approval: Approval) -> list[VoteView]:
    return [
        VoteView(
            approver=counted.approver,
            voter=counted.vote.by,
            choice=counted.vote.choice,
            comment=counted.vote.comment,
            channel=counted.vote.channel,
            at=counted.at,
        )
        for counted in approval.votes
    ]
