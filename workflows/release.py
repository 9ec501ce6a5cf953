"""One release: pin its artifacts, deploy each stage when it is ready, end when nothing runs or waits any more."""

import asyncio

from temporalio import workflow
from temporalio.common import SearchAttributePair
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

from activities.pinning import Pinning, PinRequest
from activities.records import Event, ReleaseFact, StageFact
from activities.search_attributes import ENVIRONMENT, STAGE
from domain.artifact import PinnedArtifact
from domain.frozen import Frozen
from domain.ids import DeploymentId
from domain.release import ReleasePlan
from domain.stage_graph import dependents, ready_stages, unreachable_stages
from domain.status import ReleaseStatus, StageStatus, release_status
from workflows.deployment import DeploymentEnd, DeploymentInput, DeploymentWorkflow
from workflows.options import PIN_HEARTBEAT, PIN_RETRY, PIN_TIMEOUT
from workflows.recording import Recorder, deployment_details, search_attributes
from workflows.stopping import CancelRequest, Stop


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
        self._running: dict[str, asyncio.Task[None]] = {}
        self._recorder = Recorder()
        self._stop = Stop()

    @workflow.run
    async def run(self, given: ReleaseInput) -> ReleaseEnd:  # noqa: ARG002  init took it
        self._recorder.show(ReleaseStatus.ACTIVE, "artifacts to be pinned")
        reason = await self._pin_artifacts()
        if reason is not None:
            return await self._failed(reason)
        await self._stands()
        while self._has_work():
            await self._skip_unreachable()
            self._start_requested()
            self._start_ready()
            await self._next_change()
        return await self._ended()

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
        try:
            pins = await asyncio.gather(*(self._pin(alias) for alias in missing))
        except ActivityError as error:
            return _explain(error)
        except asyncio.CancelledError:
            return str(self._stop.request)
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
            or ready_stages(self._stages, self._statuses)
            or unreachable_stages(self._stages, self._statuses)
        )

    async def _skip_unreachable(self) -> None:
        while unreachable := unreachable_stages(self._stages, self._statuses):
            for stage, reason in unreachable.items():
                await self._skip(stage, reason)

    async def _skip(self, stage: str, reason: str) -> None:
        self._statuses[stage] = StageStatus.SKIPPED
        fact = StageFact(
            release=str(self._plan.id),
            stage=stage,
            status=StageStatus.SKIPPED,
            reason=reason,
            attempt=self._attempts[stage],
        )
        await self._recorder.record(fact)

    def _start_requested(self) -> None:
        """Deploy what people asked for; what was skipped because of that stage may start again after it."""
        waiting = [request for request in self._requests if request.stage in self._running]
        for request in [request for request in self._requests if request not in waiting]:
            for stage in dependents(self._stages, request.stage):
                if self._statuses[stage] == StageStatus.SKIPPED:
                    self._statuses[stage] = StageStatus.NOT_STARTED
            self._start(request.stage, request.requested_by, request)
        self._requests = waiting

    def _start_ready(self) -> None:
        if self._stop.is_asked:
            return
        for stage in ready_stages(self._stages, self._statuses):
            self._start(stage, self._plan.requested_by)

    def _start(self, stage: str, requested_by: str, asked: DeployRequest | None = None) -> None:
        self._statuses[stage] = StageStatus.IN_PROGRESS
        self._attempts[stage] += 1
        given = DeploymentInput(
            plan=self._plan,
            stage=stage,
            attempt=self._attempts[stage],
            requested_by=requested_by,
            is_by_hand=asked is not None,
            comment=asked.comment if asked else "",
        )
        self._running[stage] = asyncio.create_task(self._deploy(given))

    async def _deploy(self, given: DeploymentInput) -> None:
        """Run the deployment as a child; one that ends abnormally (terminated, our fault) counts as failed."""
        pipeline = self._plan.pipeline
        environment = pipeline.environment_of(pipeline.stage(given.stage))
        try:
            end = await workflow.execute_child_workflow(
                DeploymentWorkflow.run,
                given,
                id=given.id.workflow_id,
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
        except ChildWorkflowError as error:
            end = DeploymentEnd(status=StageStatus.FAILED, reason=f"the deployment ended abnormally: {error.cause}")
            await self._record_abnormal(given, end)
        self._statuses[given.stage] = end.status
        del self._running[given.stage]

    async def _record_abnormal(self, given: DeploymentInput, end: DeploymentEnd) -> None:
        text = f"deployment to {given.stage} failed: {end.reason}"
        await self._recorder.record(
            StageFact(
                release=str(self._plan.id),
                stage=given.stage,
                status=end.status,
                reason=end.reason,
                attempt=given.attempt,
            ),
            Event(release=str(self._plan.id), deployment=str(given.id), text=text),
        )

    async def _next_change(self) -> None:
        """Wait until a deployment ended, another is asked for, or a stop; a stop is passed on to what runs."""
        running, requests = len(self._running), len(self._requests)
        if not running:
            return
        self._recorder.show(ReleaseStatus.ACTIVE, _stages(sorted(self._running)), self._standing())
        if not self._stop.is_asked:
            await self._stop.wait(lambda: len(self._running) < running or len(self._requests) > requests)
        if self._stop.request is not None:
            await self._cancel_running(self._stop.request)

    def _standing(self) -> str:
        """How each stage stands, a line each."""
        return "\n".join(f"- {stage}: {status}" for stage, status in self._statuses.items())

    async def _cancel_running(self, request: CancelRequest) -> None:
        for stage in sorted(self._running):
            deployment = DeploymentId(release=self._plan.id, stage=stage, attempt=self._attempts[stage])
            child = workflow.get_external_workflow_handle_for(DeploymentWorkflow.run, deployment.workflow_id)
            try:
                await child.signal(DeploymentWorkflow.cancel, request)
            except ApplicationError:
                workflow.logger.info("deployment ended before it could be canceled", extra={"stage": stage})
        await workflow.wait_condition(lambda: not self._running)

    async def _stands(self) -> None:
        text = "resumed" if self._given.is_resumed else f"release {self._plan.name} started"
        await self._recorder.record(
            ReleaseFact(
                release=str(self._plan.id),
                status=ReleaseStatus.ACTIVE,
                digest=self._plan.digest,
                artifacts=self._plan.artifacts,
            ),
            Event(release=str(self._plan.id), text=text, by=self._plan.requested_by),
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

    @workflow.signal(description="Stop the release and its deployments.")
    def cancel(self, request: CancelRequest) -> None:
        self._stop.ask(request)


def _stages(names: list[str]) -> str:
    return f"stage{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _explain(error: ActivityError) -> str:
    cause = error.cause
    text = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return f"artifacts could not be pinned: {text}"[:2000]
