"""One approval as people see it: who was asked, who answered, and whether their mails arrived."""

from collections.abc import Iterable

from activities.notifications import DeliveryStatus, LetterKind
from api.approval_views import (
    ApprovalView,
    AskedView,
    DeliveryView,
    EscalationView,
    HappeningView,
    VoteView,
)
from domain.answering import is_one_of
from domain.approval import Approval, Asked, Moment, Verdict, asked_now, describe
from domain.approval_policy import ApprovalPolicy, Order
from domain.ids import DeploymentId
from storage.tables import ApprovalRow, DeliveryRow

# The state that speaks for several mails: what needs a person's attention first.
_DELIVERY_STATES = (
    DeliveryStatus.BOUNCED,
    DeliveryStatus.DROPPED,
    DeliveryStatus.FAILED,
    DeliveryStatus.DEFERRED,
    DeliveryStatus.PENDING,
    DeliveryStatus.SENT,
    DeliveryStatus.DELIVERED,
)


def approval_view_of(row: ApprovalRow, mails: Iterable[DeliveryRow]) -> ApprovalView:
    """The view of an approval whose mails these are."""
    approval = Approval.model_validate(row.approval)
    deployment = DeploymentId.parse(row.deployment)
    return ApprovalView(
        id=row.id,
        release=str(deployment.release),
        pipeline=deployment.release.pipeline,
        deployment=row.deployment,
        stage=deployment.stage,
        moment=Moment(row.moment),
        verdict=Verdict(row.verdict),
        standing=describe(approval),
        needed=approval.policy.needed,
        in_sequence=approval.policy.order == Order.IN_SEQUENCE,
        is_automatic=approval.is_automatic,
        is_overridden=approval.is_overridden,
        deferred_until=approval.deferred_until,
        requester_may_approve=approval.policy.requester_may_approve,
        requesters=list(approval.requesters),
        proof=approval.policy.proof,
        comment_required=approval.policy.comment_required,
        escalation=_escalation(approval.policy),
        digest=approval.digest,
        asked=_asked(approval, [mail for mail in mails if _is_question(mail)]),
        votes=_votes(approval),
        history=[HappeningView(at=line.at, by=line.by, text=line.text) for line in approval.history],
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=approval.decided_by,
        instructions=approval.policy.instructions,
    )


def _is_question(mail: DeliveryRow) -> bool:
    """Requesters, too, get mail about an approval: that somebody cannot be reached."""
    return not mail.kind.startswith(LetterKind.UNREACHABLE)


def _escalation(policy: ApprovalPolicy) -> EscalationView | None:
    if policy.escalate is None:
        return None
    return EscalationView(
        after_seconds=int(policy.escalate.after.total_seconds()),
        to=list(policy.escalate.to),
        in_business_hours=policy.business_hours is not None,
    )


def _asked(approval: Approval, mails: list[DeliveryRow]) -> list[AskedView]:
    awaited = {asked.approver for asked in asked_now(approval)}
    return [_one(approval, asked, mails, is_asked_now=asked.approver in awaited) for asked in approval.asked]


def _one(approval: Approval, asked: Asked, mails: list[DeliveryRow], *, is_asked_now: bool) -> AskedView:
    vote = next((counted for counted in approval.votes if counted.approver == asked.approver), None)
    theirs = [_delivery(mail) for mail in mails if is_one_of((mail.person,), asked.people)]
    states = {mail.status for mail in theirs}
    return AskedView(
        approver=asked.approver,
        members=list(asked.members),
        deputies=list(asked.deputies),
        instead_of=asked.instead_of,
        is_asked_now=is_asked_now,
        answered=vote.vote.choice if vote else None,
        at=vote.at if vote else None,
        delivery=next((state for state in _DELIVERY_STATES if state in states), None),
        mails=theirs,
    )


def _delivery(mail: DeliveryRow) -> DeliveryView:
    return DeliveryView(person=mail.person, kind=mail.kind, status=mail.status, error=mail.error, at=mail.updated_at)


def _votes(approval: Approval) -> list[VoteView]:
    return [
        VoteView(
            action_id=counted.vote.action_id,
            approver=counted.approver,
            by=counted.vote.by,
            choice=counted.vote.choice,
            comment=counted.vote.comment,
            channel=counted.vote.channel,
            at=counted.at,
            not_before=counted.vote.not_before,
        )
        for counted in approval.votes
    ]
