"""Answering an approval on a page: what the person may do now, and what became of their answer, in words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.acting import NoSuchApproval, Told
from api.approval_view import approval_view_of
from api.pages.changes import Changes, changes_of
from api.pages.forms import Form
from api.queries import release_row
from api.services import Services
from api.views import ApprovalView
from domain.answering import answer
from domain.approval import Approval, Channel, Choice, Receipt, ReceiptKind, Verdict, Vote
from domain.ids import DeploymentId
from domain.release import ReleasePlan
from storage import approvals
from storage.deliveries import deliveries

_TITLES = {
    ReceiptKind.COUNTED: "Your answer was counted",
    ReceiptKind.ALREADY_COUNTED: "Your answer was counted",
    ReceiptKind.ALREADY_ANSWERED: "Already answered",
    ReceiptKind.ALREADY_DECIDED: "Already decided",
    ReceiptKind.NOT_AN_APPROVER: "You are not asked for this approval",
    ReceiptKind.NOT_ASKED_YET: "It is not your turn yet",
    ReceiptKind.REQUESTER_MAY_NOT_APPROVE: "The requester may not approve",
    ReceiptKind.PLAN_CHANGED: "What is deployed has changed",
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
_LONGEST_COMMENT = 2000


@dataclass(frozen=True)
class Notice:
    """What is told at the top of the page."""

    tone: str
    icon: str
    title: str
    message: str


@dataclass(frozen=True)
class Question:
    """An approval with what one must know to answer it."""

    approval: Approval
    view: ApprovalView
    plan: ReleasePlan
    changes: Changes


async def question(session: AsyncSession, approval_id: str) -> Question:
    """Raises NoSuchApproval."""
    row = await approvals.get(session, approval_id)
    if row is None:
        raise NoSuchApproval(f"nobody is asked for the approval {approval_id}")
    deployment = DeploymentId.parse(row.deployment)
    plan = ReleasePlan.model_validate((await release_row(session, deployment.release)).plan)
    return Question(
        approval=Approval.model_validate(row.approval),
        view=approval_view_of(row, await deliveries(session, approval_id)),
        plan=plan,
        changes=await changes_of(session, plan, deployment),
    )


def outlook(approval: Approval, person: str, now: datetime) -> Receipt:
    """What this person would be told if they approved now; nothing is cast."""
    trial = Vote(action_id="", by=person, choice=Choice.APPROVE, digest=approval.digest)
    return answer(approval, trial, now)[1]


def may_answer(approval: Approval, person: str, now: datetime) -> bool:
    """Whether an answer of this person would count now."""
    return outlook(approval, person, now).kind == ReceiptKind.COUNTED


def notice_for(approval: Approval, person: str, now: datetime) -> Notice | None:
    """Why there is nothing to answer; None when there is."""
    receipt = outlook(approval, person, now)
    return None if receipt.kind == ReceiptKind.COUNTED else _notice(receipt)


def read_vote(form: Form, person: str, channel: Channel, vote_id_of: str) -> Vote | None:
    """The answer in the form; None when neither choice was made. ``vote_id_of`` plus the choice is the vote's id."""
    if form.text("choice") not in set(Choice):
        return None
    choice = Choice(form.text("choice"))
    return Vote(
        action_id=f"{vote_id_of}-{choice}",
        by=person,
        choice=choice,
        digest=form.text("digest", 64),
        comment=form.text("comment", _LONGEST_COMMENT),
        channel=channel,
    )


def told(given: Told) -> Notice:
    """What became of the vote."""
    if given.receipt is None:
        message = (
            "It is stored safely, and will be counted as soon as the release engine is back. You need not repeat it."
        )
        return Notice("run", "check", "Your answer is stored", message)
    return _notice(given.receipt)


def is_to_be_repeated(given: Told) -> bool:
    """Whether the person should look again and answer anew."""
    return given.receipt is not None and given.receipt.kind == ReceiptKind.PLAN_CHANGED


def status_of(given: Told) -> int:
    """The HTTP status of the page with the receipt."""
    if given.receipt is None:
        return 202
    return 200 if given.receipt.stands or given.receipt.kind in _HARMLESS else 409


def _notice(receipt: Receipt) -> Notice:
    tone, icon = _TONES[receipt.verdict]
    if receipt.stands and receipt.verdict == Verdict.PENDING:
        tone, icon = "good", "check"
    elif not receipt.stands and receipt.kind not in _HARMLESS:
        tone, icon = "warn", "info"
    return Notice(tone, icon, _TITLES[receipt.kind], receipt.message)


def page_content(asked: Question, services: Services, person: str) -> dict[str, Any]:
    """What both pages that show the question hand to their template."""
    now = services.clock()
    return {
        "approval": asked.view,
        "release": asked.plan,
        "changes": asked.changes,
        "may_answer": may_answer(asked.approval, person, now),
        "notice": notice_for(asked.approval, person, now),
        "console_href": f"/releases/{asked.plan.id}",
    }
