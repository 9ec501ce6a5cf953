"""One attempt to deploy one release to one stage: turn, approval before, jobs, approval after."""

from datetime import datetime

from temporalio import workflow

from activities.agent_job import AgentReady
from activities.changes import Changes, FindChanges
from activities.records import DeploymentFact, Event, StageFact
from domain.approval import Moment, Receipt, Verdict, Vote, describe
from domain.conditions import should_run
from domain.frozen import Frozen
from domain.ids import DeploymentId
from domain.intervention import DecisionReceipt
from domain.outputs import Outputs
from domain.person import Requester
from domain.pipeline import Checks
from domain.release import ReleasePlan, with_change
from domain.status import RunStatus, StageStatus, deployment_status, worst_run
from workflows.abandoned import let_go
from workflows.approval import (
    Approvals,
    CastVote,
    MailBounced,
    OverrideApproval,
    Reassign,
    ReceiptQuery,
    Withdraw,
)
from workflows.intervention import DecideIntervention, DecisionQuery, Interventions
from workflows.job import JobRun
from workflows.options import CHANGES_RETRY, CHANGES_TIMEOUT, CHANGES_WITHIN
from workflows.recording import Recorder
from workflows.stopping import CancelRequest, Stop, to_the_end
from workflows.telling import Telling
from workflows.turn import Turn, TurnGranted, TurnQueued, TurnSuperseded


class PlanChange(Frozen):
    """Signal: deploy with these variables set otherwise. The same ``change_id`` counts once."""

    change_id: str
    variables: dict[str, str]
    requester: Requester
    comment: str = ""


class DeploymentInput(Frozen):
    """What to deploy where, for whom; ``comment`` is why, of the person who asked for it by hand.

    ``earlier`` are the votes for the stages before, of a deployment that started by itself.
    """

    plan: ReleasePlan
    stage: str
    attempt: int
    requested_by: str
    requester_addresses: tuple[str, ...] = ()
    is_by_hand: bool = False
    comment: str = ""
    earlier: tuple[Vote, ...] = ()

    @property
    def id(self) -> DeploymentId:
        return DeploymentId(release=self.plan.id, stage=self.stage, attempt=self.attempt)


class DeploymentEnd(Frozen):
    """How it ended; ``reason`` is one sentence, empty for a plain success. ``votes`` are those that counted."""

    status: StageStatus
    reason: str = ""
    votes: tuple[Vote, ...] = ()


_STATUS_OF = {
    Verdict.REJECTED: StageStatus.REJECTED,
    Verdict.EXPIRED: StageStatus.EXPIRED,
    Verdict.CANCELED: StageStatus.CANCELED,
}


@workflow.defn
class DeploymentWorkflow:
    """Outcomes are results; this workflow fails only by our own fault."""

    @workflow.init
    def __init__(self, given: DeploymentInput) -> None:
        self._given = given
        self._plan = given.plan
        self._stage = given.plan.pipeline.stage(given.stage)
        self._recorder = Recorder()
        self._stop = Stop()
        requester = Requester(name=given.requested_by, addresses=given.requester_addresses)
        self._approvals = Approvals(given.id, requester, self._recorder, self._stop, self._waiting)
        telling = Telling(given.id, given.plan, requester)
        self._interventions = Interventions(given.id, self._recorder, self._stop, self._jobs_stand, telling)
        self._has_begun = False
        self._turn = Turn(given.plan, self._stage, given.id, self._stop, self._waits)
        self._job: JobRun | None = None
        self._started_at: datetime = workflow.now()

    @workflow.run
    async def run(self, given: DeploymentInput) -> DeploymentEnd:  # noqa: ARG002  init took it
        self._note_request()
        end = await to_the_end(self._attempt())
        await workflow.wait_condition(workflow.all_handlers_finished)
        return end

    async def _attempt(self) -> DeploymentEnd:
        await self._waits(f"its turn in {self._turn.environment}")
        async with self._turn:
            end = await self._deploy()
        await self._ended(end)
        return end.model_copy(update={"votes": self._approvals.votes})

    async def _deploy(self) -> DeploymentEnd:
        if self._turn.is_superseded:
            return DeploymentEnd(status=StageStatus.SUPERSEDED, reason="a later release deploys instead")
        await self._find_changes()
        if self._stop.request is not None:
            return DeploymentEnd(status=StageStatus.CANCELED, reason=str(self._stop.request))
        refused = await self._refused(Moment.BEFORE, self._stage.before)
        if refused is not None:
            return refused
        self._has_begun = True
        self._recorder.show(StageStatus.IN_PROGRESS)
        self._recorder.note(*self._facts(StageStatus.IN_PROGRESS))
        finished = await self._run_jobs()
        status = deployment_status(finished)
        if self._stop.request is not None:
            return DeploymentEnd(status=StageStatus.CANCELED, reason=str(self._stop.request))
        if status not in {StageStatus.SUCCEEDED, StageStatus.PARTIALLY_SUCCEEDED}:
            return DeploymentEnd(status=status, reason=self._why_failed(finished))
        refused = await self._refused(Moment.AFTER, self._stage.after_deployment)
        return refused or DeploymentEnd(status=status)

    async def _find_changes(self) -> None:
        """What this deployment changes, for those who are asked. Without it, they are asked all the same."""
        if not self._plan.artifacts or self._stop.is_asked:
            return
        finding = workflow.start_activity_method(
            Changes.find_changes,
            FindChanges(deployment=str(self._given.id)),
            schedule_to_close_timeout=CHANGES_WITHIN,
            start_to_close_timeout=CHANGES_TIMEOUT,
            retry_policy=CHANGES_RETRY,
            summary=f"what changes in {self._given.stage}",
        )
        let_go(finding)
        await self._stop.wait(finding.done)
        if finding.done() and not finding.cancelled() and finding.exception() is None:
            self._approvals.outline = finding.result()

    def _note_request(self) -> None:
        if self._given.is_by_hand:
            comment = f": {self._given.comment}" if self._given.comment else ""
            text = f"deployment to {self._given.stage} asked for{comment}"
            self._recorder.note(self._event(text, by=self._given.requested_by))

    def _event(self, text: str, *, by: str = "") -> Event:
        return Event(release=str(self._given.plan.id), deployment=str(self._given.id), text=text, by=by)

    async def _refused(self, moment: Moment, checks: Checks) -> DeploymentEnd | None:
        """Ask for the approval, if one is wanted; None when it is given."""
        if checks.approval is None:
            self._approvals.note_nobody_asked(moment, self._plan)
            return None
        earlier = self._given.earlier if moment == Moment.BEFORE else ()
        approval = await self._approvals.verdict(moment, self._plan, checks.approval, earlier)
        if approval.verdict == Verdict.APPROVED:
            return None
        reason = str(self._stop.request) if self._stop.request is not None else describe(approval)
        return DeploymentEnd(status=_STATUS_OF[approval.verdict], reason=reason)

    def _why_failed(self, finished: list[RunStatus]) -> str:
        ends = zip(self._stage.jobs, finished, strict=True)
        return next((f"job {job.job} {status}" for job, status in ends if status == worst_run(finished)), "")

    async def _run_jobs(self) -> list[RunStatus]:
        finished: list[RunStatus] = []
        outputs = Outputs()
        for position, job in enumerate(self._stage.jobs):
            self._job = JobRun(
                plan=self._plan,
                stage=self._stage,
                deployment=self._given.id,
                position=position,
                requested_by=self._given.requested_by,
                recorder=self._recorder,
                stop=self._stop,
                interventions=self._interventions,
                outputs=outputs,
            )
            wanted = should_run(job.condition, finished) and not self._stop.is_asked
            finished.append(await self._job.run() if wanted else await self._job.skip())
            outputs = self._job.outputs.for_next_job()
        return finished

    async def _waits(self, sentence: str) -> None:
        await self._recorder.record(*self._waiting(sentence))

    def _waiting(self, sentence: str) -> tuple[DeploymentFact, StageFact]:
        """Show what is waited for, and give the facts of it."""
        self._recorder.show(StageStatus.WAITING, sentence)
        return self._facts(StageStatus.WAITING, waiting_for=sentence)

    def _jobs_stand(self, waiting_for: str) -> tuple[DeploymentFact, StageFact]:
        """Waiting for this, or, for nothing, under way; shown, and as facts."""
        self._recorder.show(StageStatus.IN_PROGRESS, waiting_for)
        return self._facts(StageStatus.IN_PROGRESS, waiting_for=waiting_for)

    async def _ended(self, end: DeploymentEnd) -> None:
        self._recorder.show(end.status, end.reason)
        text = f"deployment to {self._given.stage} {end.status}" + (f": {end.reason}" if end.reason else "")
        facts = self._facts(end.status, reason=end.reason, finished_at=workflow.now())
        await self._recorder.record(*facts, self._event(text))

    def _facts(
        self, status: StageStatus, *, waiting_for: str = "", reason: str = "", finished_at: datetime | None = None
    ) -> tuple[DeploymentFact, StageFact]:
        deployment = DeploymentFact(
            deployment=str(self._given.id),
            status=status,
            requested_by=self._given.requested_by,
            waiting_for=waiting_for,
            reason=reason,
            started_at=self._started_at,
            finished_at=finished_at,
        )
        stage = StageFact(
            release=str(self._given.plan.id),
            stage=self._given.stage,
            status=status,
            reason=reason,
            attempt=self._given.attempt,
        )
        return deployment, stage

    @workflow.signal(description="One person's answer to an approval of this deployment.")
    def vote(self, cast: CastVote) -> None:
        self._approvals.vote(cast)

    @workflow.signal(description="One person takes their answer back.")
    def withdraw(self, message: Withdraw) -> None:
        self._approvals.withdraw(message)

    @workflow.signal(description="Somebody else is to be asked.")
    def reassign(self, message: Reassign) -> None:
        self._approvals.reassign(message)

    @workflow.signal(description="A release manager decides instead of the approvers.")
    def override(self, message: OverrideApproval) -> None:
        self._approvals.override(message)

    @workflow.signal(description="A mail to an approver did not arrive.")
    def mail_bounced(self, message: MailBounced) -> None:
        self._approvals.mail_bounced(message)

    @workflow.signal(description="What is deployed has changed; it counts until the jobs begin.")
    def change_plan(self, change: PlanChange) -> None:
        # What is decided was decided about the plan as it stood: nothing else may be deployed on its strength.
        if not self._has_begun and not self._approvals.is_decided:
            self._plan = with_change(self._plan, change.variables, change.requester)
            self._approvals.change_plan(self._plan, change.requester.name)

    @workflow.query(description="What became of what a person did to an approval.")
    def receipt(self, query: ReceiptQuery) -> Receipt | None:
        return self._approvals.receipt(query)

    @workflow.signal(description="Somebody decides how the job goes on.")
    def decide(self, message: DecideIntervention) -> None:
        self._interventions.decide(message)

    @workflow.query(description="What became of what a person decided about a step.")
    def decision_receipt(self, query: DecisionQuery) -> DecisionReceipt | None:
        return self._interventions.receipt(query)

    @workflow.signal(description="An agent holds the job.")
    def agent_ready(self, ready: AgentReady) -> None:
        if self._job is not None:
            self._job.take(ready)

    @workflow.signal(description="Stop this deployment.")
    def cancel(self, request: CancelRequest) -> None:
        self._stop.ask(request)

    @workflow.signal(description="The environment is ours.")
    def turn_granted(self, granted: TurnGranted) -> None:  # noqa: ARG002  its arrival says it all
        self._turn.grant()

    @workflow.signal(description="A newer release goes instead.")
    def turn_superseded(self, superseded: TurnSuperseded) -> None:  # noqa: ARG002  its arrival says it all
        self._turn.supersede()

    @workflow.signal(description="Others hold the environment.")
    def turn_queued(self, queued: TurnQueued) -> None:
        self._turn.queue(queued)
