"""An orchestrator in memory: it starts each release once and decides approvals with the real domain.

``is_reachable`` False is a Temporal that is down; ``has_worker`` False keeps votes unanswered, as signals would be,
until ``work_off`` lets a worker at them.
"""

from collections.abc import Callable
from datetime import datetime

from api.orchestrator import NothingRuns, TemporalUnavailable
from domain.approval import Approval, Moment, Receipt, Vote, answer
from domain.ids import DeploymentId, ReleaseId
from domain.release import ReleasePlan
from storage.clock import utc_now
from workflows.release import DeployRequest, ReleaseInput
from workflows.stopping import CancelRequest


class FakeOrchestrator:
    """What was asked of it is in its public lists, in order."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.is_reachable = True
        self.has_worker = True
        self.started: list[ReleasePlan] = []
        self.deployed: list[tuple[ReleaseInput, DeployRequest]] = []
        self.canceled: list[tuple[str, CancelRequest]] = []
        self.approvals: dict[tuple[DeploymentId, Moment], Approval] = {}
        self._receipts: dict[str, Receipt] = {}
        self._unanswered: list[tuple[DeploymentId, Moment, Vote]] = []
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
        for deployment, moment, vote in self._unanswered:
            self._count(deployment, moment, vote)
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
        if all(release != known.id for known in self.started):
            raise NothingRuns("it does not run (any more)")
        self.canceled.append((str(release), request))

    async def cancel_deployment(self, deployment: DeploymentId, request: CancelRequest) -> None:
        self._reach()
        if all(deployment != known for known, _ in self.approvals):
            raise NothingRuns("it does not run (any more)")
        self.canceled.append((str(deployment), request))

    async def vote(self, deployment: DeploymentId, moment: Moment, vote: Vote) -> Receipt | None:
        self._reach()
        if (deployment, moment) not in self.approvals:
            raise NothingRuns("it does not run (any more)")
        if not self.has_worker:
            self._unanswered.append((deployment, moment, vote))
            return None
        return self._count(deployment, moment, vote)

    async def is_healthy(self) -> bool:
        return self.is_reachable

    def _count(self, deployment: DeploymentId, moment: Moment, vote: Vote) -> Receipt:
        if vote.vote_id not in self._receipts:
            approval, receipt = answer(self.approvals[deployment, moment], vote, self._clock())
            self.approvals[deployment, moment] = approval
            self._receipts[vote.vote_id] = receipt
        return self._receipts[vote.vote_id]

    def _reach(self) -> None:
        if not self.is_reachable:
            raise TemporalUnavailable("Temporal does not answer; try again in a moment")
