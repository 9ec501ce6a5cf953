"""Asking people and waiting for their verdict: the approvals before and after one deployment.

Votes come by signal, so that they are kept while no worker runs; what became of a vote is answered by query.
"""

from datetime import timedelta

from temporalio import workflow

from activities.notifications import AskApprover, Notifications
from activities.records import ApprovalFact, Event
from domain.approval import (
    Approval,
    Asked,
    Choice,
    Moment,
    Receipt,
    ReceiptKind,
    Verdict,
    Vote,
    answer,
    asked_now,
    describe,
    settle,
)
from domain.approval_policy import ApprovalPolicy
from domain.artifact import PinnedArtifact
from domain.frozen import Frozen
from domain.ids import DeploymentId, approval_id
from domain.release import ReleasePlan
from workflows.abandoned import let_go
from workflows.options import MAIL_HEARTBEAT, MAIL_RETRY, MAIL_TIMEOUT
from workflows.recording import Recorder
from workflows.stopping import Stop


class CastVote(Frozen):
    """Signal: one person's answer to one approval of this deployment."""

    moment: Moment
    vote: Vote


class ReceiptQuery(Frozen):
    """Query: what became of this vote."""

    moment: Moment
    vote_id: str
    voter: str


class Approvals:
    """The approvals of one deployment."""

    def __init__(
        self, plan: ReleasePlan, deployment: DeploymentId, requested_by: str, recorder: Recorder, stop: Stop
    ) -> None:
        self._plan = plan
        self._deployment = deployment
        self._requested_by = requested_by
        self._recorder = recorder
        self._stop = stop
        self._open: dict[Moment, Approval] = {}
        self._receipts: dict[tuple[Moment, str, str], Receipt] = {}

    def vote(self, cast: CastVote) -> None:
        """Take a vote. One that was counted keeps its receipt; one that was refused may come again."""
        key = (cast.moment, cast.vote.vote_id, cast.vote.voter)
        approval = self._open.get(cast.moment)
        if approval is None:
            message = f"Nobody is asked {cast.moment} this deployment at the moment."
            self._receipts[key] = Receipt(vote_id=cast.vote.vote_id, kind=ReceiptKind.NOT_OPEN, message=message)
            return
        self._open[cast.moment], receipt = answer(approval, cast.vote, workflow.now())
        if receipt.kind != ReceiptKind.ALREADY_COUNTED:
            self._receipts[key] = receipt

    def receipt(self, query: ReceiptQuery) -> Receipt | None:
        return self._receipts.get((query.moment, query.vote_id, query.voter))

    async def verdict(self, moment: Moment, policy: ApprovalPolicy) -> Approval:
        """Ask, wait, and return the decided approval. Asking to stop decides it as canceled."""
        self._open[moment] = self._opened(policy)
        told: list[str] = []
        recorded: Approval | None = None
        while recorded is None or not recorded.verdict.is_final:
            current = self._settled(moment)
            if current != recorded:
                await self._record(moment, current, recorded)
                recorded = current
                continue
            told += self._tell(moment, current, told)
            await self._next_change(moment, current)
        return recorded

    def _opened(self, policy: ApprovalPolicy) -> Approval:
        return Approval(
            policy=policy,
            asked=self._plan.asked(policy.approvers),
            digest=self._plan.digest,
            requesters=tuple(dict.fromkeys((self._plan.requested_by, self._requested_by))),
            opened_at=workflow.now(),
        )

    def _settled(self, moment: Moment) -> Approval:
        current = settle(self._open[moment], workflow.now())
        if self._stop.is_asked and not current.verdict.is_final:
            current = current.model_copy(update={"verdict": Verdict.CANCELED, "decided_at": workflow.now()})
        self._open[moment] = current
        return current

    async def _next_change(self, moment: Moment, current: Approval) -> None:
        left = max(current.expires_at - workflow.now(), timedelta(0))
        summary = f"approval {moment} {self._deployment.stage} expires"
        try:
            await self._stop.wait(lambda: self._open[moment] != current, within=left, summary=summary)
        except TimeoutError:
            return

    def _tell(self, moment: Moment, current: Approval, told: list[str]) -> list[str]:
        """Mail those who are asked now and were not told yet. The approval does not wait for the mail."""
        fresh = [asked for asked in asked_now(current) if asked.approver not in told]
        for asked in fresh:
            mail = workflow.start_activity_method(
                Notifications.ask_approver,
                self._ask(moment, current, asked),
                schedule_to_close_timeout=current.policy.timeout,
                start_to_close_timeout=min(MAIL_TIMEOUT, current.policy.timeout),
                heartbeat_timeout=MAIL_HEARTBEAT,
                retry_policy=MAIL_RETRY,
                summary=f"mail to {asked.approver}",
            )
            let_go(mail)
        return [asked.approver for asked in fresh]

    def _ask(self, moment: Moment, current: Approval, asked: Asked) -> AskApprover:
        return AskApprover(
            approval_id=approval_id(self._deployment, moment),
            approver=asked.approver,
            members=asked.members,
            release_name=self._plan.name,
            pipeline=self._plan.id.pipeline,
            stage=self._deployment.stage,
            moment=moment,
            requested_by=self._requested_by,
            instructions=current.policy.instructions,
            description=self._plan.description,
            artifacts=tuple(_spell(pin) for pin in self._plan.artifacts),
            digest=current.digest,
            expires_at=current.expires_at,
        )

    async def _record(self, moment: Moment, current: Approval, recorded: Approval | None) -> None:
        news = _news(moment, current, recorded)
        events = [
            Event(
                release=str(self._plan.id),
                deployment=str(self._deployment),
                text=f"{self._deployment.stage}: {text}",
                by=by,
            )
            for text, by in news
        ]
        fact = ApprovalFact(
            approval_id=approval_id(self._deployment, moment),
            deployment=str(self._deployment),
            moment=moment,
            approval=current,
        )
        await self._recorder.record(fact, *events)


def waiting_sentence(moment: Moment, policy: ApprovalPolicy) -> str:
    """``approval before the deployment by ana@example.com, group:ops``."""
    return f"approval {moment} the deployment by {', '.join(policy.approvers)}"


def _news(moment: Moment, current: Approval, recorded: Approval | None) -> list[tuple[str, str]]:
    """What happened since the last record, each with who did it."""
    if recorded is None:
        return [(f"approval {moment} the deployment asked of {', '.join(current.policy.approvers)}", "")]
    votes = current.votes[len(recorded.votes) :]
    news = [(_told(moment, counted.vote), counted.vote.voter) for counted in votes]
    if current.verdict in {Verdict.EXPIRED, Verdict.CANCELED}:
        news.append((describe(current), ""))
    return news


def _told(moment: Moment, vote: Vote) -> str:
    word = "approved" if vote.choice == Choice.APPROVE else "rejected"
    return f"{word} {moment} the deployment" + (f": {vote.comment}" if vote.comment else "")


def _spell(pin: PinnedArtifact) -> str:
    return f"{pin.alias} {pin.version}"
