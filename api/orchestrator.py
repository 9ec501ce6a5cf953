"""The way to the workflows: start them, send them messages, read receipts. Nothing here decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.console_address import release_page
from domain.approval import Action, Moment, Receipt, Vote
from domain.approval_actions import Override, Reassignment, Withdrawal
from domain.frozen import Frozen
from domain.ids import RELEASE_QUEUE, DeploymentId, ReleaseId, deployment_of_run
from domain.intervention import Decision, DecisionReceipt
from domain.refusal import Kind, Refusal
from domain.release import ReleasePlan
from workflows.approval import CastVote, MailBounced, OverrideApproval, Reassign, ReceiptQuery, Withdraw
from workflows.deployment import DeploymentWorkflow, PlanChange
from workflows.intervention import DecideIntervention, DecisionQuery
from workflows.recording import release_details, search_attributes
from workflows.release import DeployRequest, ReleaseInput, ReleaseWorkflow
from workflows.stopping import CancelRequest

_ANSWER_WITHIN = timedelta(seconds=4)
_RECEIPT_WITHIN = timedelta(seconds=2)
# A lazy client that cannot connect says so with a plain RuntimeError.
_AWAY = (RPCError, TimeoutError, RuntimeError)


class NothingRuns(Refusal):
    """The release or deployment does not run (any more), so that it takes no messages."""

    kind = Kind.CONFLICT


class TemporalUnavailable(Refusal):
    """Temporal does not answer; the same request will do later."""

    kind = Kind.UNAVAILABLE


class Orchestrator(Protocol):
    """Every method raises TemporalUnavailable when Temporal cannot be reached within a few seconds."""

    async def start_release(self, plan: ReleasePlan) -> str | None:
        """Start the release's workflow unless it was ever started; returns its run id where that is known."""
        ...

    async def deploy_stage(self, resumed: ReleaseInput, request: DeployRequest) -> None:
        """Ask the release's workflow for a deployment; a release that has ended goes on from ``resumed``."""
        ...

    async def cancel_release(self, release: ReleaseId, request: CancelRequest) -> None:
        """Raises NothingRuns."""
        ...

    async def cancel_deployment(self, deployment: DeploymentId, request: CancelRequest) -> None:
        """Raises NothingRuns."""
        ...

    async def change_plan(self, release: ReleaseId, change: PlanChange) -> None:
        """Raises NothingRuns."""
        ...

    async def act(self, deployment: DeploymentId, moment: Moment, action: Action) -> Receipt | None:
        """Deliver a vote, withdrawal, reassignment or override.

        None: it is stored for good, but no worker told within 2 s what became of it. Raises NothingRuns.
        """
        ...

    async def decide(self, run_id: str, decision: Decision) -> DecisionReceipt | None:
        """Deliver what somebody decided about a step run; None and errors as for ``act``."""
        ...

    async def mail_bounced(self, deployment: DeploymentId, moment: Moment, person: str, reason: str) -> None:
        """Raises NothingRuns."""
        ...

    async def is_healthy(self) -> bool: ...


class TemporalOrchestrator:
    """Speaks to Temporal. Starting and signalling again with the same ids changes nothing."""

    def __init__(self, client: Client, public_url: str) -> None:
        self._client = client
        self._public_url = public_url

    async def start_release(self, plan: ReleasePlan) -> str | None:
        try:
            async with _answered_soon():
                handle = await self._client.start_workflow(
                    ReleaseWorkflow.run,
                    self._shown_in_console(ReleaseInput(plan=plan)),
                    id=plan.id.workflow_id,
                    task_queue=RELEASE_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=search_attributes(plan, plan.requested_by),
                    static_summary=plan.name,
                    static_details=self._details(plan, plan.requested_by),
                    rpc_timeout=_ANSWER_WITHIN,
                )
        except WorkflowAlreadyStartedError as started:
            return started.run_id
        return handle.result_run_id

    async def deploy_stage(self, resumed: ReleaseInput, request: DeployRequest) -> None:
        """Signal-with-start: one atomic call, whether the release runs or not."""
        async with _answered_soon():
            await self._client.start_workflow(
                ReleaseWorkflow.run,
                self._shown_in_console(resumed),
                id=resumed.plan.id.workflow_id,
                task_queue=RELEASE_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal="deploy",
                start_signal_args=[request],
                search_attributes=search_attributes(resumed.plan, request.requested_by),
                static_summary=resumed.plan.name,
                static_details=self._details(resumed.plan, request.requested_by),
                rpc_timeout=_ANSWER_WITHIN,
            )

    async def cancel_release(self, release: ReleaseId, request: CancelRequest) -> None:
        handle = self._client.get_workflow_handle_for(ReleaseWorkflow.run, release.workflow_id)
        async with _answered_soon():
            await handle.signal(ReleaseWorkflow.cancel, request, rpc_timeout=_ANSWER_WITHIN)

    async def cancel_deployment(self, deployment: DeploymentId, request: CancelRequest) -> None:
        handle = self._client.get_workflow_handle_for(DeploymentWorkflow.run, deployment.workflow_id)
        async with _answered_soon():
            await handle.signal(DeploymentWorkflow.cancel, request, rpc_timeout=_ANSWER_WITHIN)

    async def change_plan(self, release: ReleaseId, change: PlanChange) -> None:
        handle = self._client.get_workflow_handle_for(ReleaseWorkflow.run, release.workflow_id)
        async with _answered_soon():
            await handle.signal(ReleaseWorkflow.change_plan, change, rpc_timeout=_ANSWER_WITHIN)

    async def mail_bounced(self, deployment: DeploymentId, moment: Moment, person: str, reason: str) -> None:
        handle = self._client.get_workflow_handle_for(DeploymentWorkflow.run, deployment.workflow_id)
        bounced = MailBounced(moment=moment, person=person, reason=reason)
        async with _answered_soon():
            await handle.signal(DeploymentWorkflow.mail_bounced, bounced, rpc_timeout=_ANSWER_WITHIN)

    async def act(self, deployment: DeploymentId, moment: Moment, action: Action) -> Receipt | None:
        handle = self._client.get_workflow_handle_for(DeploymentWorkflow.run, deployment.workflow_id)
        name, message = _signal(moment, action)
        async with _answered_soon():
            await handle.signal(name, message, rpc_timeout=_ANSWER_WITHIN)
        try:
            async with asyncio.timeout(_RECEIPT_WITHIN.total_seconds()):
                query = ReceiptQuery(moment=moment, action_id=action.action_id, by=action.by)
                return await handle.query(DeploymentWorkflow.receipt, query, rpc_timeout=_RECEIPT_WITHIN)
        except (*_AWAY, WorkflowQueryFailedError):
            return None  # the signal is durable; a worker sees to it when there is one

    async def decide(self, run_id: str, decision: Decision) -> DecisionReceipt | None:
        handle = self._client.get_workflow_handle_for(DeploymentWorkflow.run, deployment_of_run(run_id).workflow_id)
        message = DecideIntervention(run_id=run_id, decision=decision)
        async with _answered_soon():
            await handle.signal(DeploymentWorkflow.decide, message, rpc_timeout=_ANSWER_WITHIN)
        try:
            async with asyncio.timeout(_RECEIPT_WITHIN.total_seconds()):
                query = DecisionQuery(run_id=run_id, decision_id=decision.decision_id, by=decision.by)
                return await handle.query(DeploymentWorkflow.decision_receipt, query, rpc_timeout=_RECEIPT_WITHIN)
        except (*_AWAY, WorkflowQueryFailedError):
            return None

    async def is_healthy(self) -> bool:
        try:
            async with asyncio.timeout(_RECEIPT_WITHIN.total_seconds()):
                return await self._client.service_client.check_health(timeout=_RECEIPT_WITHIN)
        except _AWAY:
            return False

    def _shown_in_console(self, given: ReleaseInput) -> ReleaseInput:
        return given.model_copy(update={"console": release_page(self._public_url, str(given.plan.id))})

    def _details(self, plan: ReleasePlan, requested_by: str) -> str:
        return release_details(plan, requested_by, release_page(self._public_url, str(plan.id)))


def _signal(moment: Moment, action: Action) -> tuple[str, Frozen]:
    """The name of the signal that an action is, and its message."""
    match action:
        case Vote():
            return "vote", CastVote(moment=moment, vote=action)
        case Withdrawal():
            return "withdraw", Withdraw(moment=moment, withdrawal=action)
        case Reassignment():
            return "reassign", Reassign(moment=moment, reassignment=action)
        case Override():
            return "override", OverrideApproval(moment=moment, override=action)
    raise NotImplementedError(f"no signal is a {type(action).__name__}")


@asynccontextmanager
async def _answered_soon() -> AsyncIterator[None]:
    """Turn Temporal's ways of failing into ours."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN.total_seconds()):
            yield
    except _AWAY as error:
        if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
            raise NothingRuns("it does not run (any more)") from error
        raise TemporalUnavailable("Temporal does not answer; try again in a moment") from error
