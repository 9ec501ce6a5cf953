"""Who has an approval's page open: which person, by which way, what that proves, and what they may do there now."""

from dataclasses import dataclass
from datetime import datetime

from api.acting import outlook
from api.approval_actions import Author
from api.pages.notices import Notice, decided, outlook_notice
from api.pages.question import Question
from domain.answering import PROOF_WANTED, is_one_of
from domain.answering import may_answer as may_answer_at_all
from domain.approval import Approval, Asked, Choice, ReceiptKind, Vote, is_requester, settle

_BEING_CHANGED = Notice(
    "wait", "clock", "What is deployed is being changed", "Open the page again in a moment to see what is asked now."
)
_OVER = Notice(
    "wait",
    "clock",
    "The time to answer is over",
    "What it came to is shown as soon as the release engine has noted it.",
)


@dataclass(frozen=True)
class Visitor:
    """``author`` is who they are and what their forms prove at best; ``path`` is where those are sent.

    ``barred`` says why they may look and no more, ``weak_because`` why more is not proven.
    """

    author: Author
    path: str
    wants_code: bool = False
    barred: Notice | None = None
    weak_because: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        return self.author.person.addresses


@dataclass(frozen=True)
class Offers:
    """What the page offers. ``sign_in`` says why they must sign in (again) before they do anything; else empty."""

    notice: Notice | None = None
    sign_in: str = ""
    may_answer: bool = False
    mine: tuple[Vote, ...] = ()
    places: tuple[Asked, ...] = ()
    may_override: bool = False


def offers(asked: Question, visitor: Visitor, now: datetime) -> Offers:
    """As things stand now; what is done is decided anew when it is done."""
    if visitor.barred is not None:
        return Offers(notice=visitor.barred)
    approval = asked.approval
    if approval.verdict.is_final:
        return Offers(notice=decided(approval))
    if settle(approval, now).verdict.is_final:
        return Offers(notice=_OVER)
    receipt = outlook(approval, _trial(approval, visitor), now)
    may_answer = receipt.kind == ReceiptKind.COUNTED
    why_not = None if may_answer else outlook_notice(receipt)
    if is_requester(approval, visitor.addresses):
        return Offers(notice=why_not)
    is_concerned = visitor.author.is_manager or may_answer_at_all(approval, visitor.addresses)
    if is_concerned and not approval.policy.accepts(visitor.author.proof):
        return Offers(sign_in=visitor.weak_because or PROOF_WANTED[approval.policy.proof])
    return Offers(
        notice=why_not if asked.is_of_this_plan else _BEING_CHANGED,
        may_answer=may_answer and asked.is_of_this_plan,
        mine=tuple(c.vote for c in approval.votes if is_one_of(visitor.addresses, (c.vote.by,))),
        places=_places(approval, visitor),
        may_override=visitor.author.is_manager and asked.is_of_this_plan,
    )


def _trial(approval: Approval, visitor: Visitor) -> Vote:
    """The approval that they could give now."""
    return Vote(
        action_id="",
        by=visitor.author.person.address,
        also=visitor.author.person.also,
        proof=visitor.author.proof,
        comment="-",
        choice=Choice.APPROVE,
        digest=approval.digest,
    )


def _places(approval: Approval, visitor: Visitor) -> tuple[Asked, ...]:
    """Whom somebody else may be asked instead of, as far as this person can say so."""
    answered = {counted.approver for counted in approval.votes}
    return tuple(
        asked
        for asked in approval.asked
        if asked.approver not in answered and (visitor.author.is_manager or is_one_of(visitor.addresses, asked.people))
    )
