"""A workflow that does with an agent what a job does, as plainly as possible: hold, run one step, release."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeout

from activities.agent_job import (
    AgentJob,
    AgentReady,
    CancelStep,
    HoldEnded,
    HoldRequest,
    ReleaseAgent,
    RunJenkinsJob,
    RunStep,
    StepEnd,
)
from domain.frozen import Frozen

ONCE = RetryPolicy(maximum_attempts=1)
HOLD_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=0.2),
    backoff_coefficient=1.0,
    non_retryable_error_types=["TemporalTimeout:Heartbeat"],
)


class OneStep(Frozen):
    """What to run, and where; short heartbeats make a lost agent lost sooner."""

    queue: str
    step: RunStep | RunJenkinsJob
    rejoin: timedelta = timedelta(seconds=60)
    hold_heartbeat: timedelta = timedelta(seconds=3)
    step_heartbeat: timedelta = timedelta(seconds=4)


@workflow.defn(sandboxed=False)
class OneStepJob:
    """The agent may come and go meanwhile."""

    def __init__(self) -> None:
        self.ready: AgentReady | None = None
        self.rejoins = 0
        self.cancel_asked = False
        self.cancel_all = False
        self.hold: workflow.ActivityHandle[HoldEnded] | None = None

    @workflow.signal
    def agent_ready(self, ready: AgentReady) -> None:
        self.ready = self.ready or ready

    @workflow.signal
    def cancel_step(self) -> None:
        self.cancel_asked = True

    @workflow.signal
    def cancel_activities(self) -> None:
        self.cancel_all = True

    @workflow.query
    def times_rejoined(self) -> int:
        return self.rejoins

    @workflow.run
    async def run(self, job: OneStep) -> StepEnd:
        self._hold(job, job.queue)
        await workflow.wait_condition(lambda: self.ready is not None)
        verb = AgentJob.run_step if isinstance(job.step, RunStep) else AgentJob.run_jenkins_job
        running = workflow.start_activity_method(
            verb,  # type: ignore[arg-type]  the verb fits the step
            job.step,
            task_queue=self._agent.queue,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=job.step_heartbeat,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=0.2), maximum_interval=timedelta(seconds=1)),
        )
        await workflow.wait_condition(lambda: running.done() or self.cancel_asked or self.cancel_all)
        if self.cancel_all:
            return await self._cancel(running)
        if self.cancel_asked:
            await self._tell_agent(CancelStep(lease_id=job.step.lease_id, run_id=job.step.run_id))
        end = await running
        await self._tell_agent(ReleaseAgent(lease_id=job.step.lease_id))
        return end

    async def _cancel(self, running: "workflow.ActivityHandle[StepEnd]") -> StepEnd:
        running.cancel()
        end = await running
        assert self.hold is not None
        self.hold.cancel()
        return end

    @property
    def _agent(self) -> AgentReady:
        assert self.ready is not None
        return self.ready

    def _hold(self, job: OneStep, queue: str) -> None:
        hold = workflow.start_activity_method(
            AgentJob.hold_agent,
            HoldRequest(lease_id=job.step.lease_id, job_id="job", rejoin=job.rejoin),
            task_queue=queue,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=job.hold_heartbeat,
            retry_policy=HOLD_RETRY,
        )
        self.hold = hold
        hold.add_done_callback(lambda _: self._hold_ended(job, hold))

    def _hold_ended(self, job: OneStep, hold: "workflow.ActivityHandle[HoldEnded]") -> None:
        error = None if hold.cancelled() else hold.exception()
        cause = error.cause if isinstance(error, ActivityError) else None
        if isinstance(cause, TemporalTimeout) and cause.type == TimeoutType.HEARTBEAT:
            self.rejoins += 1
            self._hold(job, self._agent.queue)

    async def _tell_agent(self, word: CancelStep | ReleaseAgent) -> None:
        verb = AgentJob.cancel_step if isinstance(word, CancelStep) else AgentJob.release_agent
        await workflow.execute_activity_method(
            verb,  # type: ignore[arg-type]  the word fits the verb
            word,
            task_queue=self._agent.queue,
            schedule_to_close_timeout=timedelta(seconds=30),
            retry_policy=ONCE,
        )
