"""The approvals of one deployment: ask, wait, decide. What each message does is decided in ``domain``.

What people do comes by signal, so that it is kept while no worker runs; what became of it is answered by query.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow

from activities.records import ApprovalFact, Event, Fact
from domain.answering import answer, carry_over
from domain.approval import (
    Action,
    Approval,
    Moment,
    Receipt,
    ReceiptKind,
    Vote,
    cancel,
    describe,
    done_at,
    settle,
)
from domain.approval_actions import (
    Override,
    Reassignment,
    Withdrawal,
    ask_anew,
    override,
    reassign,
    refused_again,
    withdraw,
)
from domain.approval_policy import ApprovalPolicy, NobodyAsked
from domain.change_outline import Outline
from domain.frozen import Frozen
from domain.ids import DeploymentId, approval_id
from domain.person import Requester, spelled
from domain.release import ReleasePlan
from workflows.asking import Asking
from workflows.recording import Recorder
from workflows.stopping import Stop


class CastVote(Frozen):
    """Signal: one person's answer to one approval of this deployment."""

    moment: Moment
    vote: Vote


class Withdraw(Frozen):
    """Signal: one person takes their answer back."""

    moment: Moment
    withdrawal: Withdrawal


class Reassign(Frozen):
    """Signal: somebody else is to be asked."""

    moment: Moment
    reassignment: Reassignment


class OverrideApproval(Frozen):
    """Signal: a release manager decides."""

    moment: Moment
    override: Override


class MailBounced(Frozen):
    """Signal: the mail service says that a person's mail did not arrive."""

    moment: Moment
    person: str
    reason: str


class ReceiptQuery(Frozen):
    """Query: what became of this person's action."""

    moment: Moment
    action_id: str
    by: str


_A = TypeVar("_A", bound=Action)
_Decide = Callable[[Approval, _A, datetime], tuple[Approval, Receipt]]
_SAID_BEFORE = (ReceiptKind.ALREADY_COUNTED, ReceiptKind.ALREADY_DONE)


class Approvals:
    """The approvals of one deployment. ``waits`` gives the facts of a deployment that waits for this sentence.

    ``outline`` tells those who are asked what the deployment changes, once that is known.
    """

    def __init__(
        self,
        deployment: DeploymentId,
        requester: Requester,
        recorder: Recorder,
        stop: Stop,
        waits: Callable[[str], tuple[Fact, ...]],
    ) -> None:
        self._deployment = deployment
        self._requester = requester
        self._recorder = recorder
        self._stop = stop
        self._waits = waits
        self.outline: Outline | None = None
        self._open: dict[Moment, Approval] = {}
        self._asking: dict[Moment, Asking] = {}
        self._receipts: dict[tuple[Moment, str, str], Receipt] = {}
        self._refusals: Counter[tuple[Moment, str]] = Counter()

    def vote(self, cast: CastVote) -> None:
        self._act(cast.moment, cast.vote, answer)

    def withdraw(self, message: Withdraw) -> None:
        self._act(message.moment, message.withdrawal, withdraw)

    def reassign(self, message: Reassign) -> None:
        self._act(message.moment, message.reassignment, reassign)

    def override(self, message: OverrideApproval) -> None:
        self._act(message.moment, message.override, override)

    def _act(self, moment: Moment, action: _A, decide: "_Decide[_A]") -> None:
        """Do what somebody wants. What was done keeps its receipt; what was refused may come again."""
        key = (moment, action.action_id, action.by)
        approval = self._open.get(moment)
        if approval is None:
            message = f"Nobody is asked {moment} this deployment at the moment."
            self._receipts[key] = Receipt(action_id=action.action_id, kind=ReceiptKind.NOT_OPEN, message=message)
            return
        approval, told = decide(approval, action, done_at(approval, action, workflow.now()))
        if not told.stands:
            self._refusals[moment, spelled(action.by)] += 1
            refusals = self._refusals[moment, spelled(action.by)]
            approval = refused_again(approval, action, refusals, workflow.now())
        self._open[moment] = approval
        if told.kind in _SAID_BEFORE:
            self._receipts.setdefault(key, told)
        else:
            self._receipts[key] = told

    def receipt(self, query: ReceiptQuery) -> Receipt | None:
        return self._receipts.get((query.moment, query.action_id, query.by))

    def mail_bounced(self, message: MailBounced) -> None:
        """Escalate where nobody can be reached. Nothing to do once it is decided, or for an unknown moment."""
        approval = self._open.get(message.moment)
        if approval is not None:
            self._open[message.moment] = self._asking[message.moment].unreachable(
                approval, message.person, message.reason
            )

    def change_plan(self, plan: ReleasePlan, changed_by: str) -> None:
        """Ask anew about the plan as it is now."""
        for moment, approval in self._open.items():
            self._asking[moment].plan = plan
            self._open[moment] = ask_anew(approval, plan, changed_by, workflow.now())

    @property
    def is_decided(self) -> bool:
        """Whether an approval has come to its end, be it only by the clock."""
        return any(settle(approval, workflow.now()).verdict.is_final for approval in self._open.values())

    @property
    def votes(self) -> tuple[Vote, ...]:
        """All that counted, for the approval of the next stage."""
        return tuple(counted.vote for approval in self._open.values() for counted in approval.votes)

    def note_nobody_asked(self, moment: Moment, plan: ReleasePlan) -> None:
        """Keep the record of an approval that nobody is asked for."""
        approval = settle(self._opened(plan, NobodyAsked()), workflow.now())
        self._recorder.note(self._fact(moment, approval))

    async def verdict(
        self, moment: Moment, plan: ReleasePlan, policy: ApprovalPolicy, earlier: tuple[Vote, ...] = ()
    ) -> Approval:
        """Ask, wait, and return the decided approval. Asking to stop decides it as canceled."""
        self._open[moment] = carry_over(self._opened(plan, policy), earlier, workflow.now())
        asking = Asking(moment, plan, self._deployment, self._requester, self._replace, self.outline)
        self._asking[moment] = asking
        recorded: Approval | None = None
        while recorded is None or not recorded.verdict.is_final:
            current = self._settled(moment)
            if current != recorded:
                await self._record(moment, current, recorded)
                recorded = current
                continue
            await asking.tell(current)
            if self._open[moment] == current:
                await self._next_change(moment, current, asking)
        return recorded

    def _replace(self, moment: Moment, change: Callable[[Approval], Approval]) -> None:
        self._open[moment] = change(self._open[moment])

    def _opened(self, plan: ReleasePlan, policy: ApprovalPolicy) -> Approval:
        names = (plan.requested_by, *plan.changed_by, self._requester.name)
        addresses = (*plan.requester_addresses, *self._requester.addresses)
        return Approval(
            policy=policy,
            asked=plan.asked(policy.approvers),
            digest=plan.digest,
            requesters=tuple(dict.fromkeys(names)),
            requester_addresses=tuple(dict.fromkeys(addresses)),
            opened_at=workflow.now(),
        )

    def _settled(self, moment: Moment) -> Approval:
        current = settle(self._open[moment], workflow.now())
        if self._stop.is_asked:
            current = cancel(current, workflow.now())
        self._open[moment] = current
        return current

    async def _next_change(self, moment: Moment, current: Approval, asking: Asking) -> None:
        """Wait until somebody does something, or until it is time: to remind, to escalate, to expire, to begin."""
        begins = current.deferred_until if current.is_enough else None
        end = (begins, "counts as approved") if begins else (current.expires_at, "expires")
        at, what = min((end, *asking.coming(current)), key=lambda coming: coming[0])
        left = max(at - workflow.now(), timedelta(0))
        summary = f"approval {moment} {self._deployment.stage}: {what}"
        try:
            await self._stop.wait(lambda: self._open[moment] != current, within=left, summary=summary)
        except TimeoutError:
            # What ended while no worker ran has ended: nobody is reminded of it.
            self._open[moment] = asking.on_time(self._settled(moment))

    async def _record(self, moment: Moment, current: Approval, recorded: Approval | None) -> None:
        approvers = ", ".join(asked.approver for asked in current.asked)
        told = [] if recorded else [self._event(f"approval {moment} the deployment asked of {approvers}", "")]
        new = current.history[len(recorded.history) if recorded else 0 :]
        told += [self._event(f"approval {moment} the deployment: {line.text}", line.by) for line in new]
        waiting = () if current.verdict.is_final else self._waits(_sentence(moment, current))
        await self._recorder.record(*waiting, self._fact(moment, current), *told)

    def _fact(self, moment: Moment, approval: Approval) -> ApprovalFact:
        return ApprovalFact(
            approval_id=approval_id(self._deployment, moment),
            deployment=str(self._deployment),
            moment=moment,
            approval=approval,
        )

    def _event(self, text: str, by: str) -> Event:
        return Event(
            release=str(self._deployment.release),
            deployment=str(self._deployment),
            text=f"{self._deployment.stage}: {text}",
            by=by,
        )


def _sentence(moment: Moment, approval: Approval) -> str:
    """``approval before the deployment: 0 of 2 approvals given; asked: ana@example.com, group:ops``."""
    return f"approval {moment} the deployment: {describe(approval).removesuffix('.')}"
