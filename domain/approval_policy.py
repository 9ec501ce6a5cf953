"""Who must approve, how many of them, and until when: the part of a pipeline that is frozen into a release."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, StringConstraints

from domain.duration import Duration
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


class ApprovalPolicy(Frozen):
    """People asked, and what their answers must add up to."""

    approvers: Annotated[tuple[Approver, ...], BeforeValidator(_unique)] = Field(
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
    instructions: str = Field(default="", max_length=4000, description="Shown to the approvers.")

    @property
    def needed(self) -> int:
        """How many approvers must say yes."""
        if isinstance(self.need, AtLeast):
            return self.need.at_least
        return 1 if self.need == Quorum.ANY else len(self.approvers)
