"""One release: pin its artifacts, deploy each stage when it is ready, end when nothing runs or waits any more."""

import asyncio
from contextlib import suppress
from datetime import datetime

from temporalio import workflow
from temporalio.common import SearchAttributePair, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError, WorkflowAlreadyStartedError

from activities.pinning import Pinning, PinRequest
from activities.records import DeploymentFact, Event, PlanFact, ReleaseFact, StageFact
from activities.search_attributes import ENVIRONMENT, STAGE
from domain.approval import Vote
from domain.artifact import PinnedArtifact
from domain.frozen import Frozen
from domain.pipeline import Stage
from domain.release import ReleasePlan, with_change
from domain.stage_graph import dependents, ready_stages, unreachable_stages
from domain.status import ReleaseStatus, StageStatus, release_status
from workflows.deployment import DeploymentEnd, DeploymentInput, DeploymentWorkflow, PlanChange
from workflows.options import PIN_HEARTBEAT, PIN_RETRY, PIN_TIMEOUT
from workflows.recording import Recorder, deployment_details, search_attributes
from workflows.stopping import CancelRequest, Stop, to_the_end

DeploymentHandle = workflow.ChildWorkflowHandle[DeploymentWorkflow, DeploymentEnd]


class ReleaseInput(Frozen):
    """The frozen plan; for a release that ran before also how its stages stand and how often each was deployed.

    ``console`` is the address of the release's page, for readers of Temporal Web UI; empty when nobody knows it.
    """

    plan: ReleasePlan
    statuses: dict[str, StageStatus] = {}
    attempts: dict[str, int] = {}
    is_resumed: bool = False
    console: str = ""


class DeployRequest(Frozen):
    """Signal: deploy this stage (again). The same ``request_id`` counts once."""

    stage: str
    requested_by: str
    requester_addresses: tuple[str, ...] = ()
    request_id: str
    comment: str = ""


class ReleaseEnd(Frozen):
    """How a release ended."""

    status: ReleaseStatus
    stages: dict[str, StageStatus]


@workflow.defn
class ReleaseWorkflow:
    """Walks the stage graph. It never continues as new while a deployment runs, and ends when none is left."""

    @workflow.init
    def __init__(self, given: ReleaseInput) -> None:
        self._given = given
        self._plan = given.plan
        self._stages = given.plan.pipeline.stages
        self._statuses = {s.stage: given.statuses.get(s.stage, StageStatus.NOT_STARTED) for s in self._stages}
        self._attempts = {s.stage: given.attempts.get(s.stage, 0) for s in self._stages}
        self._requests: list[DeployRequest] = []
        self._known_requests: list[str] = []
        self._changes: list[PlanChange] = []
        self._applied_changes = 0
        self._running: dict[str, asyncio.Task[None]] = {}
        self._children: dict[str, DeploymentHandle] = {}
        self._known_changes: dict[str, int] = {}  # how many each of them has heard of
        # Two who tell a deployment at once could let it hear the later change first, and keep the earlier.
        self._one_telling = asyncio.Lock()
        self._votes: dict[str, tuple[Vote, ...]] = {}
        self._behind: dict[str, tuple[str, ...]] = {}  # the addresses of those who started it, or what led to it
        # Each start carries the whole plan, and all that one workflow task decides must fit in one message of 4 MB.
        self._one_start = asyncio.Lock()
        self._recorder = Recorder()
        self._stop = Stop()

    @workflow.run
    async def run(self, given: ReleaseInput) -> ReleaseEnd:  # noqa: ARG002  init took it
        return await to_the_end(self._release())

    async def _release(self) -> ReleaseEnd:
        self._recorder.show(ReleaseStatus.ACTIVE, "artifacts to be pinned")
        reason = await self._pin_artifacts()
        if reason is not None:
            return await self._failed(reason)
        await self._stands("resumed" if self._given.is_resumed else "started")
        while True:
            await self._walk()
            end = await self._ended()
            if not self._has_work():
                return end
            # A deployment was asked for while the end was written down.
            await self._stands("resumed")

    async def _walk(self) -> None:
        while self._has_work():
            await self._apply_changes()
            await self._skip_unreachable()
            await self._start_requested()
            self._start_ready()
            await self._next_change()

    async def _pin_artifacts(self) -> str | None:
        """Pin what is not pinned yet, all at once; the reason when that cannot be done."""
        pinned = {pin.alias for pin in self._plan.artifacts}
        missing = [alias for alias in self._plan.pipeline.artifacts if alias not in pinned]
        if not missing:
            return None
        waiting_for = "artifacts to be pinned: " + ", ".join(missing)
        await self._recorder.record(
            ReleaseFact(release=str(self._plan.id), status=ReleaseStatus.ACTIVE, waiting_for=waiting_for)
        )
        pinning = asyncio.gather(*(self._pin(alias) for alias in missing))
        await self._stop.wait(pinning.done)
        if not pinning.done():
            pinning.cancel()
            return str(self._stop.request)
        try:
            pins = await pinning
        except ActivityError as error:
            return _explain(error)
        self._plan = self._plan.model_copy(update={"artifacts": (*self._plan.artifacts, *pins)})
        return None

    async def _pin(self, alias: str) -> PinnedArtifact:
        return await workflow.execute_activity_method(
            Pinning.pin_artifact,
            PinRequest(
                release=self._plan.id,
                alias=alias,
                artifact=self._plan.pipeline.artifacts[alias],
                version=self._plan.versions.get(alias),
            ),
            start_to_close_timeout=PIN_TIMEOUT,
            heartbeat_timeout=PIN_HEARTBEAT,
            retry_policy=PIN_RETRY,
            summary=f"pin artifact {alias}",
        )

    def _has_work(self) -> bool:
        if self._stop.is_asked:
            return bool(self._running)
        return bool(
            self._running
            or self._requests
            or self._has_changed
            or ready_stages(self._stages, self._statuses)
            or unreachable_stages(self._stages, self._statuses)
        )

    async def _skip_unreachable(self) -> None:
        while unreachable := unreachable_stages(self._stages, self._statuses):
            for stage, reason in unreachable.items():
                await self._skip(stage, reason)

    async def _skip(self, stage: str, reason: str) -> None:
        self._statuses[stage] = StageStatus.SKIPPED
        await self._recorder.record(self._stage_fact(stage, reason))

    def _stage_fact(self, stage: str, reason: str = "") -> StageFact:
        return StageFact(
            release=str(self._plan.id),
            stage=stage,
            status=self._statuses[stage],
            reason=reason,
            attempt=self._attempts[stage],
        )

    async def _start_requested(self) -> None:
        """Deploy what people asked for; a stage that is being deployed is deployed again when that has ended."""
        for request in list(self._requests):
            if request.stage not in self._running and not self._stop.is_asked:
                self._requests.remove(request)
                await self._free_dependents(request.stage)
                self._start(request.stage, request)

    async def _free_dependents(self, stage: str) -> None:
        """What was skipped because of that stage may start again after it, and is recorded so."""
        freed = [s for s in dependents(self._stages, stage) if self._statuses[s] == StageStatus.SKIPPED]
        self._statuses |= dict.fromkeys(freed, StageStatus.NOT_STARTED)
        await self._recorder.record(*(self._stage_fact(name) for name in freed))

    def _start_ready(self) -> None:
        if self._stop.is_asked:
            return
        for stage in ready_stages(self._stages, self._statuses):
            self._start(stage)

    def _start(self, stage: str, request: DeployRequest | None = None) -> None:
        self._statuses[stage] = StageStatus.IN_PROGRESS
        self._running[stage] = asyncio.create_task(self._deploy(stage, request))

    async def _deploy(self, stage: str, request: DeployRequest | None) -> None:
        """Run the next attempt to its end; one that ends abnormally (terminated, our fault) counts as failed."""
        began = workflow.now()
        given, child = await self._started(stage, request)
        self._children[stage] = child
        await self._tell_changes(stage)
        try:
            end = await self._end_of(child)
        except ChildWorkflowError as error:
            reason = f"the deployment ended abnormally: {error.cause}"[:2000]
            end = DeploymentEnd(status=StageStatus.FAILED, reason=reason)
            await self._record_abnormal(given, began, end)
        self._statuses[stage] = end.status
        self._votes[stage] = end.votes
        self._children.pop(stage, None)
        del self._running[stage]

    async def _started(self, stage: str, request: DeployRequest | None) -> tuple[DeploymentInput, DeploymentHandle]:
        """Start the next attempt.

        An attempt that exists was made by a run of this release which ours was started too early to know of; its
        records are its own.
        """
        while True:
            with suppress(WorkflowAlreadyStartedError):
                async with self._one_start:
                    given = self._next_attempt(stage, request)
                    return given, await self._start_child(given)

    def _next_attempt(self, stage: str, request: DeployRequest | None) -> DeploymentInput:
        self._attempts[stage] += 1
        self._known_changes[stage] = len(self._changes)
        self._behind[stage] = request.requester_addresses if request else self._behind_those_before(stage)
        addresses = self._behind[stage] if request else (*self._plan.requester_addresses, *self._behind[stage])
        return DeploymentInput(
            plan=self._plan,
            stage=stage,
            attempt=self._attempts[stage],
            requested_by=request.requested_by if request else self._plan.requested_by,
            requester_addresses=tuple(dict.fromkeys(addresses)),
            is_by_hand=request is not None,
            comment=request.comment if request else "",
            earlier=() if request else self._votes_before(self._plan.pipeline.stage(stage)),
        )

    def _behind_those_before(self, stage: str) -> tuple[str, ...]:
        """Who deploys a stage by hand asks for all that follows from it by itself, too."""
        before = self._plan.pipeline.stage(stage).after
        return tuple(dict.fromkeys(address for after in before for address in self._behind.get(after.stage, ())))

    def _votes_before(self, stage: Stage) -> tuple[Vote, ...]:
        """What people answered in this run for the stages that this one waited for, where it asks nobody again."""
        policy = stage.before.approval
        if policy is None or not policy.skip_if_approved_before:
            return ()
        return tuple(vote for after in stage.after for vote in self._votes.get(after.stage, ()))

    async def _apply_changes(self) -> None:
        """Record changes of the plan, and tell the deployments that wait; those under way keep what they began with."""
        while self._has_changed:
            change = self._changes[self._applied_changes]
            self._applied_changes += 1
            comment = f": {change.comment}" if change.comment else ""
            names = ", ".join(sorted(change.variables))
            await self._recorder.record(
                PlanFact(
                    release=str(self._plan.id),
                    digest=self._plan.digest,
                    variables=self._plan.variables,
                    changed_by=self._plan.changed_by,
                    requester_addresses=self._plan.requester_addresses,
                ),
                Event(release=str(self._plan.id), text=f"changed {names}{comment}", by=change.requester.name),
            )
            for stage in sorted(self._children):
                await self._tell_changes(stage)

    @property
    def _has_changed(self) -> bool:
        return len(self._changes) > self._applied_changes

    async def _tell_changes(self, stage: str) -> None:
        """Tell the deployment what it does not know yet; it may end meanwhile, or have ended."""
        async with self._one_telling:
            while stage in self._children and self._known_changes[stage] < len(self._changes):
                child, change = self._children[stage], self._changes[self._known_changes[stage]]
                self._known_changes[stage] += 1
                try:
                    await child.signal(DeploymentWorkflow.change_plan, change)
                except ApplicationError:
                    workflow.logger.info("deployment ended before the plan changed", extra={"deployment": child.id})

    async def _start_child(self, given: DeploymentInput) -> DeploymentHandle:
        pipeline = self._plan.pipeline
        environment = pipeline.environment_of(pipeline.stage(given.stage))
        return await workflow.start_child_workflow(
            DeploymentWorkflow.run,
            given,
            id=given.id.workflow_id,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            search_attributes=search_attributes(
                self._plan,
                given.requested_by,
                SearchAttributePair(STAGE, given.stage),
                SearchAttributePair(ENVIRONMENT, environment),
            ),
            static_summary=f"{self._plan.name} to {given.stage}, attempt {given.attempt}",
            static_details=deployment_details(given.id, given.requested_by, self._given.console),
        )

    async def _end_of(self, child: DeploymentHandle) -> DeploymentEnd:
        """Wait for the deployment, and pass a stop on to it: only now is it certain that it can hear one."""
        await self._stop.wait(child.done)
        if self._stop.request is not None and not child.done():
            try:
                await child.signal(DeploymentWorkflow.cancel, self._stop.request)
            except ApplicationError:
                workflow.logger.info("deployment ended before it could be canceled", extra={"deployment": child.id})
        return await child

    async def _record_abnormal(self, given: DeploymentInput, began: datetime, end: DeploymentEnd) -> None:
        """Say for the deployment what it could not say itself."""
        self._statuses[given.stage] = end.status
        text = f"deployment to {given.stage} failed: {end.reason}"
        await self._recorder.record(
            DeploymentFact(
                deployment=str(given.id),
                status=end.status,
                requested_by=given.requested_by,
                reason=end.reason,
                started_at=began,
                finished_at=workflow.now(),
            ),
            self._stage_fact(given.stage, end.reason),
            Event(release=str(self._plan.id), deployment=str(given.id), text=text),
        )

    async def _next_change(self) -> None:
        """Wait until a deployment ended or another is asked for; once a stop is asked, until all have ended."""
        running, requests = len(self._running), len(self._requests)
        if not running or self._has_changed:
            return
        self._recorder.show(ReleaseStatus.ACTIVE, _stages(sorted(self._running)), self._standing())
        await self._stop.wait(
            lambda: len(self._running) < running or len(self._requests) > requests or self._has_changed
        )
        if self._stop.is_asked:
            await self._stop.wait_regardless(lambda: not self._running)

    def _standing(self) -> str:
        """How each stage stands, a line each."""
        return "\n".join(f"- {stage}: {status}" for stage, status in self._statuses.items())

    async def _stands(self, what: str) -> None:
        """Record that the release goes on; who resumed it stands with the deployment that was asked for."""
        by = "" if what == "resumed" else self._plan.requested_by
        await self._recorder.record(
            ReleaseFact(
                release=str(self._plan.id),
                status=ReleaseStatus.ACTIVE,
                digest=self._plan.digest,
                artifacts=self._plan.artifacts,
            ),
            Event(release=str(self._plan.id), text=f"release {self._plan.name} {what}", by=by),
        )

    async def _failed(self, reason: str) -> ReleaseEnd:
        for stage in self._stages:
            await self._skip(stage.stage, reason)
        status = ReleaseStatus.CANCELED if self._stop.is_asked else ReleaseStatus.FAILED
        return await self._end(status, reason)

    async def _ended(self) -> ReleaseEnd:
        status = release_status(self._statuses.values())
        reason = ""
        if self._stop.request is not None:
            status, reason = ReleaseStatus.CANCELED, str(self._stop.request)
            for stage, stands in self._statuses.items():
                if stands == StageStatus.NOT_STARTED:
                    await self._skip(stage, reason)
        return await self._end(status, reason)

    async def _end(self, status: ReleaseStatus, reason: str) -> ReleaseEnd:
        self._recorder.show(status, reason, self._standing())
        text = f"release {self._plan.name} {status}" + (f": {reason}" if reason else "")
        await self._recorder.record(
            ReleaseFact(release=str(self._plan.id), status=status, reason=reason, finished_at=workflow.now()),
            Event(release=str(self._plan.id), text=text),
        )
        return ReleaseEnd(status=status, stages=dict(self._statuses))

    @workflow.signal(description="Deploy a stage, again or for the first time.")
    def deploy(self, request: DeployRequest) -> None:
        if request.request_id not in self._known_requests and request.stage in self._statuses:
            self._known_requests.append(request.request_id)
            self._requests.append(request)

    @workflow.signal(description="Deploy with other values from now on; who has approved already is asked again.")
    def change_plan(self, change: PlanChange) -> None:
        if all(change.change_id != known.change_id for known in self._changes):
            self._plan = with_change(self._plan, change.variables, change.requester)
            self._changes.append(change)

    @workflow.signal(description="Stop the release and its deployments.")
    def cancel(self, request: CancelRequest) -> None:
        self._stop.ask(request)


def _stages(names: list[str]) -> str:
    return f"stage{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _explain(error: ActivityError) -> str:
    cause = error.cause
    text = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return f"artifacts could not be pinned: {text}"[:2000]
