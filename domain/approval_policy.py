"""Who must approve, how many of them, and until when: the part of a pipeline that is frozen into a release."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, StringConstraints

from domain.business_hours import BusinessHours
from domain.duration import Duration, PositiveDuration
from domain.frozen import Frozen

APPROVER_PATTERN = r"^(group:[A-Za-z0-9][A-Za-z0-9._-]{0,62}|[^\s@:<>,]+@[^\s@:<>,]+)$"
Approver = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        to_lower=True,
        max_length=320,  # of a mail address; tables hold no more
        pattern=APPROVER_PATTERN,
    ),
]


class AtLeast(Frozen):
    """So many of those asked."""

    at_least: StrictInt = Field(ge=1, description="This number of approvers must approve.")


class Quorum(StrEnum):
    """How many of those asked must approve."""

    ALL = "all"
    ANY = "any"


class Order(StrEnum):
    """Whether all are asked at once, or each after the one before has answered."""

    ANY = "any"
    IN_SEQUENCE = "in_sequence"


class LinkLevel(StrEnum):
    """What a mailed link is worth."""

    LINK = "link"
    CODE = "code"
    LOGIN = "login"


class Proof(StrEnum):
    """How the person who acts has shown who they are, weakest first."""

    LINK = "link"
    CODE = "code"
    LOGIN = "login"
    FRESH_LOGIN = "fresh login"


_PROOFS = tuple(Proof)


def _within_a_year(timeout: timedelta) -> timedelta:
    if not timedelta(0) < timeout <= timedelta(days=365):
        message = "must be more than 0 and at most 365d"
        raise ValueError(message)
    return timeout


def _unique(approvers: object) -> object:
    if isinstance(approvers, list | tuple) and len({str(a).strip().lower() for a in approvers}) != len(approvers):
        message = "names the same approver twice"
        raise ValueError(message)
    return approvers


Approvers = Annotated[tuple[Approver, ...], BeforeValidator(_unique)]


class Escalation(Frozen):
    """Deputies, and when they are asked too."""

    after: PositiveDuration = Field(
        default=timedelta(hours=24), description="Unanswered for so long, the deputies are asked too."
    )
    to: Approvers = Field(
        min_length=1,
        max_length=20,
        description="Deputies, written like approvers: each may answer for the silent.",
    )


class ApprovalPolicy(Frozen):
    """People asked, and what their answers must add up to."""

    approvers: Approvers = Field(
        min_length=1, max_length=50, description="Mail addresses, and groups as group:name (one member answers for it)."
    )
    need: Quorum | AtLeast = Field(default=Quorum.ALL, description="all, any (one), or {at_least: n}.")
    order: Order = Field(default=Order.ANY, description="Whether all are asked at once, or one after the other.")
    timeout: Annotated[Duration, AfterValidator(_within_a_year)] = Field(
        default=timedelta(days=30), description="Until then unanswered, the deployment is rejected."
    )
    requester_may_approve: StrictBool = Field(
        default=False, description="Whether who requested the release or the deployment may answer."
    )
    skip_if_approved_before: StrictBool = Field(
        default=False,
        description="Who approved the stage before this one for the very same plan is not asked again "
        "(before a deployment that started by itself).",
    )
    link: LinkLevel = Field(
        default=LinkLevel.LINK,
        description="What the mailed link is worth: link (answers), code (with six digits typed by hand), "
        "login (only leads to the console).",
    )
    reauthenticate: StrictBool = Field(
        default=False, description="Whether an answer needs a login of the last ten minutes; no link is enough then."
    )
    comment_required: StrictBool = Field(default=False, description="Whether an answer needs a comment.")
    remind: Literal["never"] | PositiveDuration = Field(
        default=timedelta(hours=4),
        description="Unanswered for so long, people are reminded; then after twice as long each time, at most 30d. "
        "Or never.",
    )
    escalate: Escalation | None = Field(default=None, description="Who is asked too when nobody answers.")
    business_hours: BusinessHours | None = Field(
        default=None, description="Reminders and escalation wait for these hours, and count only them."
    )
    instructions: str = Field(default="", max_length=4000, description="Shown to the approvers.")

    @property
    def needed(self) -> int:
        """How many approvers must say yes."""
        if isinstance(self.need, AtLeast):
            return self.need.at_least
        return 1 if self.need == Quorum.ANY else len(self.approvers)

    @property
    def proof(self) -> Proof:
        """The weakest proof of who answers that will do."""
        return Proof.FRESH_LOGIN if self.reauthenticate else Proof(self.link)

    def accepts(self, proof: Proof) -> bool:
        return _PROOFS.index(proof) >= _PROOFS.index(self.proof)

    @property
    def named(self) -> tuple[str, ...]:
        """Everybody whom the policy names: approvers and deputies."""
        return (*self.approvers, *(self.escalate.to if self.escalate else ()))


class NobodyAsked(ApprovalPolicy):
    """The policy of a stage that wants no approval: satisfied at once, and recorded as such."""

    approvers: tuple[Approver, ...] = Field(default=(), max_length=0)
