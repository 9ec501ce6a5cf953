"""Everything around the workflows, in memory: the tables, the mail, the artifact sources, and scripted agents.

A scripted agent plays the script of a step: ``exit 3`` ends with that code, ``hang`` runs until it is stopped,
``flaky 2`` fails twice and then succeeds; anything else succeeds.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.agent_job import (
    AgentReady,
    CancelStep,
    DownloadRequest,
    HoldEnded,
    HoldRequest,
    ReleaseAgent,
    RunJenkinsJob,
    RunStep,
    StepEnd,
    StepOutcome,
)
from activities.agents import AgentSearch
from activities.changes import FindChanges
from activities.notifications import AskApprover, MailReport, TellDecisionWanted, TellUnreachable
from activities.pinning import PinRequest
from activities.records import (
    ApprovalFact,
    DeploymentFact,
    Entry,
    Event,
    Fact,
    JobFact,
    ReleaseFact,
    StageFact,
    StepFact,
)
from activities.reminding import BusinessClock
from activities.turns import EnvironmentQueues
from domain.approval import Action, Approval, Choice, Moment, Receipt, Vote
from domain.artifact import PinnedArtifact
from domain.change_outline import Outline
from domain.ids import RELEASE_QUEUE, DeploymentId, ReleaseId, agent_queue, deployment_of_run
from domain.intervention import Decision, DecisionReceipt, Remedy
from domain.matching import DemandSet
from domain.outputs import Told
from domain.pipeline import Pipeline
from domain.release import ReleasePlan
from workers.registry import WORKFLOWS
from workers.sandbox import shared
from workflows.approval import CastVote, OverrideApproval, Reassign, ReceiptQuery, Withdraw
from workflows.deployment import DeploymentEnd, DeploymentWorkflow
from workflows.intervention import DecideIntervention, DecisionQuery
from workflows.release import ReleaseEnd, ReleaseInput, ReleaseWorkflow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def _nothing(_: Fact) -> None:
    return


class Tables:
    """What was recorded: all facts in order, and the latest of each kind. ``meanwhile`` happens as a fact is kept."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.meanwhile: Callable[[Fact], Awaitable[None]] = _nothing
        self._seen: set[tuple[str, str, int]] = set()

    @activity.defn
    async def record(self, entry: Entry) -> None:
        key = (entry.workflow_id, entry.run_id, entry.sequence)
        if key not in self._seen:
            for fact in entry.facts:
                await self.meanwhile(fact)
            self._seen.add(key)
            self.facts += entry.facts

    def stages(self) -> dict[str, str]:
        return {fact.stage: fact.status.value for fact in self.facts if isinstance(fact, StageFact)}

    def reasons(self) -> dict[str, str]:
        return {fact.stage: fact.reason for fact in self.facts if isinstance(fact, StageFact)}

    def release(self) -> ReleaseFact:
        return [fact for fact in self.facts if isinstance(fact, ReleaseFact)][-1]

    def steps(self) -> dict[str, StepFact]:
        return {fact.run_id: fact for fact in self.facts if isinstance(fact, StepFact)}

    def jobs(self) -> dict[str, JobFact]:
        return {fact.job_id: fact for fact in self.facts if isinstance(fact, JobFact)}

    def deployments(self) -> dict[str, DeploymentFact]:
        return {fact.deployment: fact for fact in self.facts if isinstance(fact, DeploymentFact)}

    def approvals(self) -> dict[str, Approval]:
        return {fact.approval_id: fact.approval for fact in self.facts if isinstance(fact, ApprovalFact)}

    def waited_for(self) -> list[str]:
        return [f.waiting_for for f in self.facts if isinstance(f, DeploymentFact) and f.waiting_for]

    def events(self) -> list[str]:
        return [fact.text for fact in self.facts if isinstance(fact, Event)]


class Surroundings:
    """The other activities of the release worker."""

    def __init__(self) -> None:
        self.mails: list[AskApprover] = []
        self.refused_people: tuple[str, ...] = ()
        self.unreachable: list[TellUnreachable] = []
        self.decisions_wanted: list[TellDecisionWanted] = []
        self.has_mail = True
        self.pinned: list[PinRequest] = []
        self.missing_artifacts: set[str] = set()
        self.slow_artifacts: set[str] = set()
        self.unreachable_artifacts: set[str] = set()
        self.pin_attempts = 0
        self.changes_asked: list[str] = []
        self.outline: Outline | None = Outline(since="web-1")
        self.is_slow_to_find = False
        self.absence: str | None = None

    @activity.defn
    async def pin_artifact(self, request: PinRequest) -> PinnedArtifact:
        self.pin_attempts += 1
        if request.alias in self.missing_artifacts:
            raise ApplicationError("there is no job team/nope", type="ArtifactNotFound")
        if request.alias in self.unreachable_artifacts:
            raise ApplicationError("ci does not answer", type="SourceUnreachable")
        while request.alias in self.slow_artifacts:
            activity.heartbeat()
            await asyncio.sleep(0.02)
        self.pinned.append(request)
        version = request.version or "142"
        return PinnedArtifact(
            alias=request.alias, kind="Jenkins", version=version, digest="d" * 64, manifest_id="m", file_count=1, size=3
        )

    @activity.defn
    async def find_changes(self, wanted: FindChanges) -> Outline | None:
        self.changes_asked.append(wanted.deployment)
        if self.outline is None:
            raise ApplicationError("the tables are away")
        while self.is_slow_to_find:
            await asyncio.sleep(0.02)
        return self.outline

    @activity.defn
    async def find_agent(self, demands: DemandSet) -> AgentSearch:
        return AgentSearch(absence=self.absence)

    @activity.defn
    async def ask_approver(self, ask: AskApprover) -> MailReport:
        self.mails.append(ask)
        return MailReport(refused=tuple(person for person in ask.members if person in self.refused_people))

    @activity.defn
    async def tell_unreachable(self, told: TellUnreachable) -> None:
        self.unreachable.append(told)

    @activity.defn
    async def tell_decision_wanted(self, told: TellDecisionWanted) -> None:
        self.decisions_wanted.append(told)
        if not self.has_mail:
            raise ApplicationError("the mail service is away", non_retryable=True)


class ScriptedAgent:
    """An agent that runs nothing, and counts what it was asked to run."""

    def __init__(self, name: str = "agent-1") -> None:
        self.name = name
        self.runs: list[str] = []
        self.requests: list[RunStep] = []
        self.builds: list[RunJenkinsJob] = []
        self.told: dict[str, Told] = {}
        self.tries = Counter[str]()
        self.held: list[str] = []
        self.most_held = 0
        self.silent_holds = 0
        self.dies_at_release = False
        self.gives_up_after = ""
        self.clock_ahead = timedelta(0)
        self.holds: list[HoldRequest] = []
        self._released: dict[str, asyncio.Event] = {}
        self._stopped: dict[str, asyncio.Event] = {}

    @activity.defn
    async def hold_agent(self, request: HoldRequest) -> HoldEnded:
        info = activity.info()
        assert info.workflow_id
        self.holds.append(request)
        if self.silent_holds:
            self.silent_holds -= 1
            return await _for_ever()
        released = self._released.setdefault(request.lease_id, asyncio.Event())
        self.held.append(request.lease_id)
        self.most_held = max(self.most_held, len(self.held))
        handle = activity.client().get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        ready = AgentReady(lease_id=request.lease_id, agent=self.name, queue=agent_queue(self.name))
        await handle.signal("agent_ready", ready)
        try:
            while not released.is_set():
                activity.heartbeat()
                await asyncio.sleep(0.02)
            if self.dies_at_release:
                await _for_ever()
        finally:
            self.held.remove(request.lease_id)
        return HoldEnded(why="released")

    @activity.defn
    async def release_agent(self, request: ReleaseAgent) -> None:
        self._released[request.lease_id].set()

    @activity.defn
    async def cancel_step(self, request: CancelStep) -> None:
        self._stopped.setdefault(request.run_id, asyncio.Event()).set()

    @activity.defn
    async def download_artifacts(self, request: DownloadRequest) -> StepEnd:
        self.runs.append(request.run_id)
        if request.run_id == self.gives_up_after:
            await self._give_up(request)
        return _end(StepOutcome.EXITED, 0)

    @activity.defn
    async def run_step(self, request: RunStep) -> StepEnd:
        self.runs.append(request.run_id)
        self.requests.append(request)
        if request.run_id == self.gives_up_after:
            await self._give_up(request)
        self.tries[request.script] += 1
        word, _, argument = request.script.partition(" ")
        if word == "hang":
            return await self._hang(request)
        if word == "exit":
            return _end(StepOutcome.EXITED, int(argument))
        if word == "vanish" and self.tries[request.script] <= int(argument):
            return _end(StepOutcome.UNKNOWN, None)
        if word == "tick":
            began = datetime.now(UTC) + self.clock_ahead
            return StepEnd(
                outcome=StepOutcome.EXITED, exit_code=0, started_at=began, finished_at=began + timedelta(milliseconds=1)
            )
        if word == "flaky":
            return _end(StepOutcome.EXITED, int(self.tries[request.script] <= int(argument)))
        return _end(StepOutcome.EXITED, 0).model_copy(update={"told": self.told.get(request.script, Told())})

    @activity.defn
    async def run_jenkins_job(self, request: RunJenkinsJob) -> StepEnd:
        """The job's name is the script."""
        self.runs.append(request.run_id)
        self.builds.append(request)
        self.tries[request.job.job] += 1
        word, _, argument = request.job.job.partition(" ")
        if word == "hang":
            return await self._hang(request)
        if word == "vanish" and self.tries[request.job.job] <= int(argument):
            return _end(StepOutcome.UNKNOWN, None)
        fails = word == "flaky" and self.tries[request.job.job] <= int(argument)
        return _end(StepOutcome.EXITED, int(fails)).model_copy(update={"told": self.told.get(request.job.job, Told())})

    async def _give_up(self, request: RunStep | DownloadRequest) -> None:
        """End the hold, and the run only when that has been heard."""
        self._released[request.lease_id].set()
        while request.lease_id in self.held:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)

    async def _hang(self, request: RunStep | RunJenkinsJob) -> StepEnd:
        stopped = self._stopped.setdefault(request.run_id, asyncio.Event())
        while not stopped.is_set():
            activity.heartbeat()
            await asyncio.sleep(0.02)
        return _end(StepOutcome.CANCELED, 143)

    def activities(self) -> list[Any]:
        return [
            self.hold_agent,
            self.release_agent,
            self.cancel_step,
            self.download_artifacts,
            self.run_step,
            self.run_jenkins_job,
        ]


async def _for_ever() -> HoldEnded:
    """What an agent that died says."""
    await asyncio.Event().wait()
    raise AssertionError


def _end(outcome: StepOutcome, code: int | None) -> StepEnd:
    return StepEnd(outcome=outcome, exit_code=code, started_at=NOW, finished_at=NOW)


class World:
    """A Temporal client with workers for everything a release needs."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tables = Tables()
        self.surroundings = Surroundings()
        self.agent = ScriptedAgent()

    async def open_approval(self, approval_id: str) -> Approval:
        """The approval as recorded, once it is."""
        async with asyncio.timeout(20):
            while approval_id not in self.tables.approvals():
                await asyncio.sleep(0.01)
        return self.tables.approvals()[approval_id]

    @asynccontextmanager
    async def running(self, *, max_cached_workflows: int = 1000) -> AsyncIterator["World"]:
        around = self.surroundings
        queues = EnvironmentQueues()
        async with AsyncExitStack() as stack:
            worker = Worker(
                self.client,
                task_queue=RELEASE_QUEUE,
                workflows=WORKFLOWS,
                activities=[
                    self.tables.record,
                    around.pin_artifact,
                    around.find_agent,
                    around.find_changes,
                    around.ask_approver,
                    around.tell_unreachable,
                    around.tell_decision_wanted,
                    BusinessClock().plan_reminding,
                    queues.ask_for_turn,
                    queues.still_open,
                ],
                workflow_runner=shared(),
                workflow_failure_exception_types=[Exception],
                max_cached_workflows=max_cached_workflows,
            )
            await stack.enter_async_context(worker)
            for queue in ("agents/default/any", agent_queue(self.agent.name)):
                one = Worker(
                    self.client,
                    task_queue=queue,
                    activities=self.agent.activities(),
                    max_heartbeat_throttle_interval=timedelta(milliseconds=100),
                    default_heartbeat_throttle_interval=timedelta(milliseconds=100),
                )
                await stack.enter_async_context(one)
            yield self


Handle = WorkflowHandle[ReleaseWorkflow, ReleaseEnd]


async def start(world: World, plan: ReleasePlan, **carried: Any) -> Handle:
    """Start the release's workflow."""
    return await world.client.start_workflow(
        ReleaseWorkflow.run, ReleaseInput(plan=plan, **carried), id=plan.id.workflow_id, task_queue=RELEASE_QUEUE
    )


async def vote(
    world: World,
    deployment: str,
    voter: str,
    choice: Choice = Choice.APPROVE,
    *,
    moment: Moment = Moment.BEFORE,
    action_id: str | None = None,
    digest: str | None = None,
    not_before: datetime | None = None,
) -> Receipt:
    """Wait until the approval is open, answer it, and read the receipt."""
    approval = await world.open_approval(f"{deployment}/{moment}")
    cast = Vote(
        action_id=action_id or f"{voter}-{choice}",
        by=voter,
        choice=choice,
        digest=digest or approval.digest,
        not_before=not_before,
    )
    return await act(world, deployment, CastVote(moment=moment, vote=cast), cast)


async def act(
    world: World, deployment: str, message: CastVote | Withdraw | Reassign | OverrideApproval, action: Action
) -> Receipt:
    """Send what somebody does, and read the receipt."""
    handle = deployment_handle(world, deployment)
    await handle.signal(_SIGNALS[type(message)], message)
    query = ReceiptQuery(moment=message.moment, action_id=action.action_id, by=action.by)
    receipt = await handle.query(DeploymentWorkflow.receipt, query)
    assert receipt is not None
    return receipt


async def decide(world: World, run_id: str, remedy: Remedy, decision_id: str = "d") -> DecisionReceipt:
    """Wait until people are asked about a run, decide, and read the receipt."""
    async with asyncio.timeout(20):
        while run_id not in world.tables.steps() or world.tables.steps()[run_id].intervention is None:
            await asyncio.sleep(0.01)
    handle = deployment_handle(world, str(deployment_of_run(run_id)))
    decision = Decision(decision_id=decision_id, by="ana@example.com", remedy=remedy)
    await handle.signal(DeploymentWorkflow.decide, DecideIntervention(run_id=run_id, decision=decision))
    query = DecisionQuery(run_id=run_id, decision_id=decision_id, by=decision.by)
    receipt = await handle.query(DeploymentWorkflow.decision_receipt, query)
    assert receipt is not None
    return receipt


_SIGNALS: dict[type, str] = {
    CastVote: "vote",
    Withdraw: "withdraw",
    Reassign: "reassign",
    OverrideApproval: "override",
}


def deployment_handle(world: World, deployment: str) -> WorkflowHandle[DeploymentWorkflow, DeploymentEnd]:
    """The workflow of this deployment."""
    return world.client.get_workflow_handle_for(DeploymentWorkflow.run, DeploymentId.parse(deployment).workflow_id)


def plan_of(definition: dict[str, Any], number: int = 1, requested_by: str = "rita@example.com") -> ReleasePlan:
    """A frozen plan of a pipeline written as its author would."""
    pipeline = Pipeline.model_validate(definition, extra="forbid")
    return ReleasePlan(
        id=ReleaseId(pipeline=pipeline.pipeline, number=number),
        name=f"{pipeline.pipeline}-{number}",
        revision=1,
        pipeline=pipeline,
        requested_by=requested_by,
        requested_at=NOW,
        groups={"ops": ("olga@example.com", "otto@example.com")},
    )


def stage(name: str, *scripts: str, after: tuple[str, ...] = (), **others: Any) -> dict[str, Any]:
    """A stage of one job whose steps run these scripts."""
    steps = [{"run": script} for script in scripts or ("deploy",)]
    return {"stage": name, "after": list(after), "jobs": [{"job": "deploy", "steps": steps}], **others}
