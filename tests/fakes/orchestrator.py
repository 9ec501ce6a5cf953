"""An orchestrator in memory: it starts each release once and decides approvals with the real domain.

``is_reachable`` False is a Temporal that is down; ``has_worker`` False keeps actions unanswered, as signals would be,
until ``work_off`` lets a worker at them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from activities.notifications import TellNoRelease
from api.acting import decide
from api.orchestrator import NothingRuns, ScheduleRefused, TemporalUnavailable
from domain.approval import Action, Approval, Moment, Receipt, ReceiptKind
from domain.approval_actions import mail_came_back
from domain.ids import DeploymentId, ReleaseId
from domain.intervention import Decision, DecisionReceipt, Intervention
from domain.intervention import decide as go_on
from domain.release import ReleasePlan
from domain.timetable import TimetableEntry
from storage.clock import utc_now
from workflows.deployment import PlanChange
from workflows.release import DeployRequest, ReleaseInput
from workflows.stopping import CancelRequest

_SAID_BEFORE = (ReceiptKind.ALREADY_COUNTED, ReceiptKind.ALREADY_DONE)


class FakeOrchestrator:
    """What was asked of it is in its public lists, in order."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.is_reachable = True
        self.has_worker = True
        self.started: list[ReleasePlan] = []
        self.ended: list[ReleaseId] = []
        self.deployed: list[tuple[ReleaseInput, DeployRequest]] = []
        self.canceled: list[tuple[str, CancelRequest]] = []
        self.changed: list[tuple[ReleaseId, PlanChange]] = []
        self.bounced: list[tuple[DeploymentId, Moment, str, str]] = []
        self.acted: list[Action] = []
        self.interventions: dict[str, Intervention] = {}
        self.timetable: dict[str, TimetableEntry] = {}
        self.told: list[str] = []
        self.refused: set[str] = set()
        self.no_releases: list[TellNoRelease] = []
        self.approvals: dict[tuple[DeploymentId, Moment], Approval] = {}
        self._receipts: dict[tuple[DeploymentId, Moment, str, str], Receipt] = {}
        self._unanswered: list[tuple[DeploymentId, Moment, Action]] = []
        self._clock = clock

    def ask(self, deployment: DeploymentId, moment: Moment, approval: Approval) -> None:
        """Let the deployment's workflow run and wait for this approval."""
        self.approvals[deployment, moment] = approval

    def end(self, deployment: DeploymentId) -> None:
        """Let the deployment's workflow be over."""
        self.approvals = {key: approval for key, approval in self.approvals.items() if key[0] != deployment}

    def work_off(self) -> None:
        """Let a worker handle what was stored while there was none."""
        self.has_worker = True
        for deployment, moment, action in self._unanswered:
            self._do(deployment, moment, action)
        self._unanswered.clear()

    async def start_release(self, plan: ReleasePlan) -> str | None:
        self._reach()
        if all(plan.id != known.id for known in self.started):
            self.started.append(plan)
        return f"run-of-{plan.id.number}"

    async def deploy_stage(self, resumed: ReleaseInput, request: DeployRequest) -> None:
        self._reach()
        if all(request.request_id != known.request_id for _, known in self.deployed):
            self.deployed.append((resumed, request))

    async def cancel_release(self, release: ReleaseId, request: CancelRequest) -> None:
        self._reach()
        self._require_release(release)
        self.canceled.append((str(release), request))

    async def cancel_deployment(self, deployment: DeploymentId, request: CancelRequest) -> None:
        self._reach()
        self._require_deployment(deployment)
        self.canceled.append((str(deployment), request))

    async def change_plan(self, release: ReleaseId, change: PlanChange) -> None:
        self._reach()
        self._require_release(release)
        if all(change.change_id != known.change_id for _, known in self.changed):
            self.changed.append((release, change))

    async def act(self, deployment: DeploymentId, moment: Moment, action: Action) -> Receipt | None:
        self._reach()
        self._require_deployment(deployment)
        self.acted.append(action)
        if not self.has_worker:
            self._unanswered.append((deployment, moment, action))
            return None
        return self._do(deployment, moment, action)

    async def decide(self, run_id: str, decision: Decision) -> DecisionReceipt | None:
        self._reach()
        asked = self.interventions.get(run_id)
        if asked is None:
            raise NothingRuns("it does not run (any more)")
        if not self.has_worker:
            return None
        self.interventions[run_id], receipt = go_on(asked, decision, self._clock())
        return receipt

    async def mail_bounced(self, deployment: DeploymentId, moment: Moment, person: str, reason: str) -> None:
        self._reach()
        self._require_deployment(deployment)
        self.bounced.append((deployment, moment, person, reason))
        approval = self.approvals.get((deployment, moment))
        if approval is not None:
            self.approvals[deployment, moment] = mail_came_back(approval, person, reason, self._clock())

    async def put_schedule(self, entry: TimetableEntry) -> None:
        self._reach()
        if entry.id in self.refused:
            raise ScheduleRefused(f"Temporal does not take {entry.id}")
        self.timetable[entry.id] = entry
        self.told.append(entry.id)

    async def tell_no_release(self, told: TellNoRelease) -> None:
        self._reach()
        self.no_releases.append(told)

    async def delete_schedule(self, entry_id: str) -> None:
        self._reach()
        self.timetable.pop(entry_id, None)

    async def schedules(self) -> list[str]:
        self._reach()
        return list(self.timetable)

    async def next_runs(self, entry_id: str) -> list[datetime]:
        self._reach()
        entry = self.timetable.get(entry_id)
        return [] if entry is None or entry.is_paused else [self._clock() + timedelta(hours=1)]

    async def is_healthy(self) -> bool:
        return self.is_reachable

    def _do(self, deployment: DeploymentId, moment: Moment, action: Action) -> Receipt | None:
        """As the workflow does: what was done keeps its receipt, what was refused may come again."""
        key = (deployment, moment, action.action_id, action.by)
        approval = self.approvals.get((deployment, moment))
        if approval is None:
            message = f"Nobody is asked {moment} this deployment at the moment."
            self._receipts[key] = Receipt(action_id=action.action_id, kind=ReceiptKind.NOT_OPEN, message=message)
            return self._receipts[key]
        self.approvals[deployment, moment], told = decide(approval, action, self._clock())
        if told.kind not in _SAID_BEFORE:
            self._receipts[key] = told
        return self._receipts.get(key)

    def _require_release(self, release: ReleaseId) -> None:
        if release in self.ended or all(release != known.id for known in self.started):
            raise NothingRuns("it does not run (any more)")

    def _require_deployment(self, deployment: DeploymentId) -> None:
        if all(deployment != known for known, _ in self.approvals):
            raise NothingRuns("it does not run (any more)")

    def _reach(self) -> None:
        if not self.is_reachable:
            raise TemporalUnavailable("Temporal does not answer; try again in a moment")
