"""Manual interventions: what a job asks people when it cannot know, or is not to decide, how it goes on.

A job asks in two cases: nobody saw how a step ended, or a step has failed whose author wants to be asked. Values in,
value out; the time is an argument.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime

from domain.frozen import Frozen


class Cause(StrEnum):
    """Why people are asked."""

    UNKNOWN_OUTCOME = "unknown outcome"
    FAILED_STEP = "failed step"


class Remedy(StrEnum):
    """How the job is to go on."""

    IT_RAN = "it_ran"
    RETRY = "retry"
    SKIP = "skip"
    FAIL = "fail"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Remedy.IT_RAN: "it ran to its end; go on",
    Remedy.RETRY: "run it again",
    Remedy.SKIP: "go on without it",
    Remedy.FAIL: "let the job fail",
}
_OPTIONS = {
    Cause.UNKNOWN_OUTCOME: (Remedy.IT_RAN, Remedy.RETRY, Remedy.FAIL),
    Cause.FAILED_STEP: (Remedy.RETRY, Remedy.SKIP, Remedy.FAIL),
}


class Decision(Frozen):
    """What one person decides; the caller authenticated them. The same id of the same person counts once."""

    decision_id: str
    by: str
    remedy: Remedy
    comment: str = ""
    sent_at: AwareDatetime | None = None


class Intervention(Frozen):
    """One question about one run of a step, and the decision once there is one.

    It ends without a decision when its time is up or the deployment is stopped: then the job fails.
    """

    cause: Cause
    question: str
    asked_at: AwareDatetime
    expires_at: AwareDatetime
    decision: Decision | None = None
    ended_at: AwareDatetime | None = None

    @property
    def options(self) -> tuple[Remedy, ...]:
        return _OPTIONS[self.cause]

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    @property
    def remedy(self) -> Remedy:
        """How the job goes on, once the intervention has ended."""
        return self.decision.remedy if self.decision else Remedy.FAIL


class ReceiptKind(StrEnum):
    """What became of a decision."""

    COUNTED = "counted"
    ALREADY_COUNTED = "already counted"
    ALREADY_DECIDED = "already decided"
    NOT_AN_OPTION = "not an option"
    NOT_OPEN = "not open"


class DecisionReceipt(Frozen):
    """What the person is told."""

    decision_id: str
    kind: ReceiptKind
    message: str

    @property
    def stands(self) -> bool:
        return self.kind in {ReceiptKind.COUNTED, ReceiptKind.ALREADY_COUNTED}


def decide(intervention: Intervention, decision: Decision, now: datetime) -> tuple[Intervention, DecisionReceipt]:
    """The intervention after the decision, and what its author is told. A decision counts as of when it was sent."""
    kept = intervention.decision
    if kept is not None and (kept.by, kept.decision_id) == (decision.by, decision.decision_id):
        return intervention, _told(decision, ReceiptKind.ALREADY_COUNTED, describe(intervention))
    if not intervention.is_open:
        return intervention, _told(decision, ReceiptKind.ALREADY_DECIDED, describe(intervention))
    if min(decision.sent_at or now, now) >= intervention.expires_at:
        return intervention, _told(decision, ReceiptKind.NOT_OPEN, "The time to decide is over; the job fails.")
    if decision.remedy not in intervention.options:
        options = ", ".join(intervention.options)
        return intervention, _told(decision, ReceiptKind.NOT_AN_OPTION, f"Decide one of these: {options}.")
    decided = intervention.model_copy(update={"decision": decision, "ended_at": now})
    return decided, _told(decision, ReceiptKind.COUNTED, f"It counts: {decision.remedy.words}.")


def end(intervention: Intervention, now: datetime) -> Intervention:
    """What becomes of a question that nobody decided in time, or that a stop has made idle."""
    return intervention if not intervention.is_open else intervention.model_copy(update={"ended_at": now})


def describe(intervention: Intervention) -> str:
    """Where it stands, in one sentence."""
    decision = intervention.decision
    if decision is not None:
        comment = f" ({decision.comment})" if decision.comment else ""
        return f"{decision.by} decided: {decision.remedy.words}{comment}."
    return intervention.question if intervention.is_open else "Nobody decided; the job fails."


def _told(decision: Decision, kind: ReceiptKind, message: str) -> DecisionReceipt:
    return DecisionReceipt(decision_id=decision.decision_id, kind=kind, message=message)
