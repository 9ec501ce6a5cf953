"""An orchestrator without Temporal: actions are done by the domain and recorded as a workflow would record them."""

from dataclasses import dataclass, field
from datetime import datetime

from activities.notifications import TellNoRelease
from activities.records import ApprovalFact, Entry
from api.acting import decide
from domain.approval import Action, Approval, Moment, Receipt, Vote
from domain.ids import DeploymentId, ReleaseId, approval_id
from domain.intervention import Decision, DecisionReceipt, Intervention
from domain.intervention import decide as go_on
from domain.release import ReleasePlan
from domain.timetable import TimetableEntry
from storage import approvals, deployments
from storage.database import Database
from storage.records import SqlRecords
from workflows.deployment import PlanChange
from workflows.release import DeployRequest, ReleaseInput
from workflows.stopping import CancelRequest


@dataclass
class CountingOrchestrator:
    """``is_away``: no worker answers, so actions are only kept in ``actions``."""

    database: Database
    now: datetime
    is_away: bool = False
    actions: list[Action] = field(default_factory=list)
    started: list[ReleasePlan] = field(default_factory=list)
    deployed: list[DeployRequest] = field(default_factory=list)
    canceled: list[tuple[str, CancelRequest]] = field(default_factory=list)
    changed: list[tuple[str, PlanChange]] = field(default_factory=list)
    decisions: list[tuple[str, Decision]] = field(default_factory=list)
    bounced: list[tuple[str, Moment, str, str]] = field(default_factory=list)

    @property
    def votes(self) -> list[Vote]:
        return [action for action in self.actions if isinstance(action, Vote)]

    async def start_release(self, plan: ReleasePlan) -> str | None:
        self.started.append(plan)
        return "run-1"

    async def deploy_stage(self, resumed: ReleaseInput, request: DeployRequest) -> None:
        assert request.stage in resumed.statuses
        self.deployed.append(request)

    async def decide(self, run_id: str, decision: Decision) -> DecisionReceipt | None:
        self.decisions.append((run_id, decision))
        if self.is_away:
            return None
        async with self.database.reading() as session:
            row = await deployments.step_run(session, run_id)
        assert row is not None
        return go_on(Intervention.model_validate(row.intervention), decision, self.now)[1]

    async def cancel_release(self, release: ReleaseId, request: CancelRequest) -> None:
        self.canceled.append((str(release), request))

    async def cancel_deployment(self, deployment: DeploymentId, request: CancelRequest) -> None:
        self.canceled.append((str(deployment), request))

    async def change_plan(self, release: ReleaseId, change: PlanChange) -> None:
        self.changed.append((str(release), change))

    async def act(self, deployment: DeploymentId, moment: Moment, action: Action) -> Receipt | None:
        self.actions.append(action)
        if self.is_away:
            return None
        name = approval_id(deployment, moment)
        async with self.database.reading() as session:
            row = await approvals.get(session, name)
        assert row is not None
        after, receipt = decide(Approval.model_validate(row.approval), action, self.now)
        fact = ApprovalFact(approval_id=name, deployment=str(deployment), moment=moment, approval=after)
        entry = Entry(
            workflow_id=deployment.workflow_id,
            run_id="after-the-seed",
            sequence=len(self.actions),
            at=self.now,
            facts=(fact,),
        )
        await SqlRecords(self.database).apply(entry)
        return receipt

    async def mail_bounced(self, deployment: DeploymentId, moment: Moment, person: str, reason: str) -> None:
        self.bounced.append((str(deployment), moment, person, reason))

    async def put_schedule(self, entry: TimetableEntry) -> None:
        """None is asked for here."""

    async def tell_no_release(self, told: TellNoRelease) -> None:
        """Nobody is told here."""

    async def delete_schedule(self, entry_id: str) -> None:
        """None is asked for here."""

    async def schedules(self) -> list[str]:
        return []

    async def next_runs(self, entry_id: str) -> list[datetime]:
        return []

    async def is_healthy(self) -> bool:
        return True
