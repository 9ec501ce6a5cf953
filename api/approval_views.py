"""What the API answers about approvals: who is asked, what they answered, their mails, and receipts."""

from datetime import datetime

from api.view import View
from domain.approval import Channel, Choice, Moment, Verdict
from domain.approval_policy import Proof


class VoteView(View):
    """One vote that counts. ``action_id`` is what a withdrawal names; ``not_before`` is when an approval begins."""

    action_id: str
    approver: str
    by: str
    choice: Choice
    comment: str
    channel: Channel
    at: datetime
    not_before: datetime | None


class DeliveryView(View):
    """One mail to one person: what it was about, and what became of it.

    ``status`` is pending, sent, delivered, deferred, bounced, dropped or failed; ``error`` says why.
    """

    person: str
    kind: str
    status: str
    error: str
    at: datetime


class AskedView(View):
    """One approver: a person, or a group with the members who may answer for it; and deputies, once they may too.

    ``instead_of`` is the approver whose place this one was given. ``delivery`` is the state of the mails to them that
    needs attention first; None when none was wanted.
    """

    approver: str
    members: list[str]
    deputies: list[str]
    instead_of: str
    is_asked_now: bool
    answered: Choice | None
    at: datetime | None
    delivery: str | None
    mails: list[DeliveryView]


class EscalationView(View):
    """Deputies who are asked too, once somebody has not answered for so many seconds (of business hours, if so)."""

    after_seconds: int
    to: list[str]
    in_business_hours: bool


class HappeningView(View):
    """A line of the approval's own history; ``by`` is empty for what time or mail did."""

    at: datetime
    by: str
    text: str


class ApprovalView(View):
    """One approval. ``digest`` names what was shown; a vote sends it back. ``standing`` is one sentence.

    ``proof`` is the least an answer needs: link, code (six digits with the link), login or fresh login.
    """

    id: str
    release: str
    pipeline: str
    deployment: str
    stage: str
    moment: Moment
    verdict: Verdict
    standing: str
    needed: int
    in_sequence: bool
    is_automatic: bool
    is_overridden: bool
    deferred_until: datetime | None
    requester_may_approve: bool
    requesters: list[str]
    proof: Proof
    comment_required: bool
    escalation: EscalationView | None
    digest: str
    asked: list[AskedView]
    votes: list[VoteView]
    history: list[HappeningView]
    opened_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    instructions: str


class ApprovalPage(View):
    """Approvals, oldest first; ``next_cursor`` is None on the last page."""

    items: list[ApprovalView]
    next_cursor: str | None


class ReceiptView(View):
    """What became of an action. ``kind`` is "stored" while no worker has seen to it; ``stands``: it is done."""

    action_id: str
    kind: str
    message: str
    verdict: Verdict
    stands: bool
