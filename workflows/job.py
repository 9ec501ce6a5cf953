"""One job of a deployment: find an agent, download the artifacts, run the steps there, give the agent back.

Where an agent is lost, or nobody saw how a step ended, the job's ``on_agent_lost`` says how it goes on: it fails,
people are asked, or it starts anew on another agent, which then holds it under another lease.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.agent_job import (
    AgentJob,
    AgentReady,
    DownloadRequest,
    RunJenkinsJob,
    RunStep,
    StepEnd,
    StepOutcome,
)
from activities.agents import Agents, AgentSearch
from activities.records import Event, JobFact, NameFact, StepFact
from domain.clock_skew import between
from domain.conditions import should_run
from domain.ids import DeploymentId, job_id, step_run_id
from domain.intervention import Cause, Intervention, Remedy
from domain.job_variables import Found, JobVariables
from domain.matching import DemandSet
from domain.outputs import Outputs, Told, run_status
from domain.pipeline import AgentLost, Job, OnFailure, Stage, Step
from domain.release import ReleasePlan
from domain.status import RunStatus, worst_run
from workflows.abandoned import let_go
from workflows.intervention import Interventions
from workflows.lease import AgentLease, LeaseTerms, NoAgent
from workflows.options import (
    AGENT_STOPS_WITHIN,
    DOWNLOAD_RETRY,
    DOWNLOAD_TIMEOUT,
    FIND_AGENT_RETRY,
    FIND_AGENT_TIMEOUT,
    STEP_HEARTBEAT,
    STEP_RETRY,
    STEP_SLACK,
)
from workflows.recording import Recorder
from workflows.stopping import Stop

_OUTCOMES = {
    StepOutcome.TIMED_OUT: RunStatus.TIMED_OUT,
    StepOutcome.CANCELED: RunStatus.CANCELED,
    StepOutcome.UNKNOWN: RunStatus.UNKNOWN,
    StepOutcome.CUT_OFF: RunStatus.UNKNOWN,
}
DOWNLOAD_TITLE = "Download artifacts"
_TIME_IS_UP = "the job's time is up"
_MOST_MOVES = 3
_SHOWN = ("issues", "errors", "warnings", "summaries", "files", "progress", "progress_text")


class JobRun:
    """Runs one job and keeps its record."""

    def __init__(  # noqa: PLR0913  what a job is made of; all named
        self,
        *,
        plan: ReleasePlan,
        stage: Stage,
        deployment: DeploymentId,
        position: int,
        requested_by: str,
        recorder: Recorder,
        stop: Stop,
        interventions: Interventions,
        outputs: Outputs,
    ) -> None:
        self._plan = plan
        self._stage = stage
        self._deployment = deployment
        self._job: Job = stage.jobs[position]
        self._recorder = recorder
        self._stop = stop
        self._interventions = interventions
        self._demands = DemandSet.of(self._job.pool, self._job.demands)
        self._id = job_id(deployment, self._job.job)
        self._variables = JobVariables(plan, stage, deployment, self._job, requested_by, outputs)
        self._deadline: datetime | None = None
        self._finished: list[RunStatus] = []
        self._tried: Counter[int] = Counter()
        self._moves = 0
        self._goes_elsewhere = False
        self._leases = 0
        self._lease = self._new_lease()
        self._fact = JobFact(
            job_id=self._id,
            deployment=str(deployment),
            position=position,
            job=self._job.job,
            status=RunStatus.WAITING,
            pool=self._job.pool,
            demands=self._demands.demands,
        )

    @property
    def outputs(self) -> Outputs:
        """What was set by its steps, and before it."""
        return self._variables.outputs

    def take(self, ready: AgentReady) -> None:
        """Signal ``agent_ready``, for whichever lease it is."""
        self._lease.take(ready)

    async def run(self) -> RunStatus:
        """Run the job to its end; every outcome is a status."""
        while True:
            await self._find_agent()
            try:
                async with self._lease:
                    status = await self._run_held()
                    if not self._goes_elsewhere:
                        return await self._ended(status)
            except NoAgent as absence:
                search = await self._search()
                return await self._ended(RunStatus.FAILED, ": ".join(filter(None, (str(absence), search.absence))))
            self._goes_elsewhere = False
            self._lease = self._new_lease()

    def _new_lease(self) -> AgentLease:
        self._leases += 1
        number = f"-{self._leases}" if self._leases > 1 else ""
        return AgentLease(
            LeaseTerms(
                lease_id=f"{self._id}@{workflow.info().run_id[:8]}{number}",
                job_id=self._id,
                queue=self._demands.queue,
                title=f"{self._job.job}{number}",
                wait_for_agent=self._job.wait_for_agent,
                rejoin=self._job.rejoin,
                priority=self._job.priority,
            ),
            self._stop,
        )

    async def skip(self) -> RunStatus:
        """Leave the job out because its condition does not hold."""
        return await self._ended(RunStatus.SKIPPED, f"its condition is {self._job.condition}")

    async def _search(self) -> AgentSearch:
        return await workflow.execute_activity_method(
            Agents.find_agent,
            self._demands,
            start_to_close_timeout=FIND_AGENT_TIMEOUT,
            retry_policy=FIND_AGENT_RETRY,
            summary=f"who has {self._demands}?",
        )

    async def _find_agent(self) -> None:
        search = await self._search()
        waiting_for = search.absence or f"an agent of pool {self._job.pool} with {self._demands}"
        self._fact = self._fact.model_copy(update={"waiting_for": waiting_for})
        self._recorder.show("waiting", waiting_for)
        await self._recorder.record(self._fact)

    async def _run_held(self) -> RunStatus:
        if self._stop.is_asked:
            return RunStatus.CANCELED
        now = workflow.now()
        if self._deadline is None and self._job.timeout:
            self._deadline = now + self._job.timeout
        update = {"status": RunStatus.RUNNING, "agent": self._lease.agent, "lease_id": self._lease.lease_id}
        started_at = self._fact.started_at or now
        self._fact = self._fact.model_copy(update={**update, "started_at": started_at, "waiting_for": ""})
        self._recorder.note(self._fact)
        downloaded = await self._downloaded()
        if downloaded != RunStatus.SUCCEEDED:
            return downloaded
        while len(self._finished) < len(self._job.steps) and not self._goes_elsewhere:
            if self._stop.is_asked:
                return RunStatus.CANCELED
            number = len(self._finished) + 1
            status = await self._step(number, self._job.steps[number - 1])
            if status is not None:
                self._finished.append(status)
        if len(self._finished) == len(self._job.steps):
            self._goes_elsewhere = False  # there is nothing left to be done there
        return worst_run(self._finished)

    async def _downloaded(self) -> RunStatus:
        wanted = self._job.download
        pins = tuple(pin for pin in self._plan.artifacts if wanted == "all" or pin.alias in wanted)
        if not pins or wanted == "none":
            return RunStatus.SUCCEEDED
        unpack = tuple(alias for alias, artifact in self._plan.pipeline.artifacts.items() if artifact.unpack)
        fact = self._next_try(0, DOWNLOAD_TITLE)
        await self._started(fact)
        download = workflow.start_activity_method(
            AgentJob.download_artifacts,
            DownloadRequest(lease_id=self._lease.lease_id, run_id=fact.run_id, artifacts=pins, unpack=unpack),
            task_queue=self._lease.queue,
            start_to_close_timeout=DOWNLOAD_TIMEOUT,
            heartbeat_timeout=STEP_HEARTBEAT,
            retry_policy=DOWNLOAD_RETRY,
            summary=", ".join(f"{pin.alias} {pin.version}" for pin in pins)[:200],
        )
        ended = await self._outcome(fact, download, DOWNLOAD_TIMEOUT)
        if ended.status == RunStatus.UNKNOWN and self._job.on_agent_lost != AgentLost.FAIL:
            self._move()  # a download does nothing that may not be done twice
        return ended.status

    async def _step(self, number: int, step: Step) -> RunStatus | None:
        """How the step ended; None when it is still to run, on another agent."""
        if not step.enabled or not should_run(step.condition, self._finished):
            why = f"its condition is {step.condition}" if step.enabled else "it is not enabled"
            return self._left_out(number, step, why, RunStatus.SKIPPED)
        if (over := self._why_over) is not None:
            return self._left_out(number, step, over, RunStatus.TIMED_OUT if self._is_late else RunStatus.FAILED)
        ended = await self._tries(number, step)
        while (remedy := await self._remedy(ended, step)) == Remedy.RETRY and not self._must_move:
            ended = await self._tries(number, step)
        return self._remedied(ended, step, remedy)

    async def _tries(self, number: int, step: Step) -> StepFact:
        """As often as the author says, until it succeeds."""
        ended = await self._try(number, step)
        for again in range(step.retries):
            if not ended.status.is_failure or self._why_over is not None:
                break
            await self._pause(step, again + 1)
            if self._stop.is_asked:
                return ended.model_copy(update={"status": RunStatus.CANCELED})
            if self._why_over is None:
                ended = await self._try(number, step)
        return ended

    async def _remedy(self, ended: StepFact, step: Step) -> Remedy | None:
        """What the author, or a person, wants done about how a step ended; None where it stands as it is."""
        lost = self._job.on_agent_lost
        if self._stop.is_asked or self._is_late:
            return None
        if ended.status == RunStatus.UNKNOWN:
            if lost == AgentLost.ASK or (step.on_failure == OnFailure.ASK and self._lease.lost is None):
                return await self._ask(
                    ended, Cause.UNKNOWN_OUTCOME, f"{ended.reason}; did {step.title} run to its end?"
                )
            return Remedy.RETRY if lost == AgentLost.RESTART and self._restart() else None
        if ended.status.is_failure and step.on_failure == OnFailure.ASK:
            return await self._ask(
                ended, Cause.FAILED_STEP, f"{step.title} {ended.status}: {ended.reason or 'run again?'}"
            )
        return None

    def _remedied(self, ended: StepFact, step: Step, remedy: Remedy | None) -> RunStatus | None:
        """What the end of a step means for the job, with what was decided about it."""
        if remedy not in {None, Remedy.FAIL} and self._must_move and self._job.on_agent_lost != AgentLost.FAIL:
            self._goes_elsewhere = True
        if remedy == Remedy.RETRY:
            return None if self._goes_elsewhere else ended.status
        if remedy == Remedy.IT_RAN:
            return RunStatus.SUCCEEDED
        if remedy == Remedy.SKIP:
            return RunStatus.PARTIALLY_SUCCEEDED
        if ended.status.is_failure and step.continue_on_error and self._why_over is None:
            return RunStatus.PARTIALLY_SUCCEEDED
        return ended.status

    @property
    def _must_move(self) -> bool:
        return self._goes_elsewhere or self._lease.lost is not None

    def _move(self) -> bool:
        """Go on with another agent of one's own accord; not without end."""
        self._goes_elsewhere = self._moves < _MOST_MOVES
        self._moves += self._goes_elsewhere
        return self._goes_elsewhere

    def _restart(self) -> bool:
        """Begin anew with the first step, on any agent."""
        if not self._move():
            return False
        self._finished.clear()
        self._variables.start_anew()
        return True

    async def _ask(self, ended: StepFact, cause: Cause, question: str) -> Remedy:
        """People are asked; the time they take is not the job's."""
        now = workflow.now()
        asked = Intervention(cause=cause, question=question, asked_at=now, expires_at=now + self._job.ask_timeout)
        remedy = await self._interventions.ask(ended, asked)
        if self._deadline is not None:
            self._deadline += workflow.now() - now
        return remedy

    def _left_out(self, number: int, step: Step, why: str, means: RunStatus) -> RunStatus:
        """Record a step that does not run; what that ``means`` for the job depends on why."""
        fact = self._next_try(number, step.title)
        self._recorder.note(fact.model_copy(update={"status": RunStatus.SKIPPED, "reason": why}))
        return means

    @property
    def _is_late(self) -> bool:
        return self._deadline is not None and workflow.now() >= self._deadline

    @property
    def _why_over(self) -> str | None:
        """Why neither another step nor another try may be started; None while they may."""
        return _TIME_IS_UP if self._is_late else self._lease.lost

    async def _pause(self, step: Step, failures: int) -> None:
        """Wait 1, 4, 9 ... seconds before the next try."""
        await self._recorder.record()
        try:
            await self._stop.wait(
                lambda: False, within=timedelta(seconds=failures**2), summary=f"before {step.title} is tried again"
            )
        except TimeoutError:
            return

    async def _try(self, number: int, step: Step) -> StepFact:
        found = self._variables.found_by(step)
        names = {"secrets": found.stored, "secret_outputs": found.set_by_steps}
        fact = self._next_try(number, step.title).model_copy(update=names)
        await self._started(fact)
        running = self._running(fact, step, found)
        return await self._outcome(fact, running, step.timeout + STEP_SLACK)

    def _running(self, fact: StepFact, step: Step, found: Found) -> workflow.ActivityHandle[StepEnd]:
        """The run, begun on the agent: of a script, or of a Jenkins job."""
        known: dict[str, Any] = {
            "lease_id": self._lease.lease_id,
            "run_id": fact.run_id,
            "title": step.title,
            "timeout": step.timeout,
            "environment": found.environment,
            "secrets": found.secrets,
            "masks_of_job": found.masks_of_job,
        }
        options: dict[str, Any] = {
            "task_queue": self._lease.queue,
            "activity_id": f"{self._job.job}-{fact.step}-try-{fact.try_number}",
            "start_to_close_timeout": step.timeout + STEP_SLACK,
            "heartbeat_timeout": STEP_HEARTBEAT,
            "retry_policy": STEP_RETRY,
        }
        if step.jenkins is not None:
            summary = f"{step.title}: {step.jenkins.job} at {step.jenkins.server}, followed on {self._lease.agent}"
            request = RunJenkinsJob(job=step.jenkins, **known)
            return workflow.start_activity_method(AgentJob.run_jenkins_job, request, summary=summary[:200], **options)
        script = RunStep(
            script=step.run or "",
            shell=step.shell,
            working_directory=step.working_directory,
            paths=found.paths,
            room=found.room,
            **known,
        )
        summary = f"{step.title} on {self._lease.agent}"
        return workflow.start_activity_method(AgentJob.run_step, script, summary=summary[:200], **options)

    async def _outcome(self, fact: StepFact, running: workflow.ActivityHandle[StepEnd], at_most: timedelta) -> StepFact:
        """Wait for a run to end, or end it: because the agent is lost, the job's time is up, or a stop is asked."""
        let_go(running)
        fact = fact.model_copy(update={"started_at": workflow.now()})
        left = min(at_most, self._deadline - workflow.now()) if self._deadline else at_most
        why = RunStatus.CANCELED
        try:
            await self._stop.wait(
                lambda: running.done() or self._lease.lost is not None,
                within=max(left, timedelta(0)),
                summary=f"time limit of job {self._job.job}",
            )
        except TimeoutError:
            why = RunStatus.TIMED_OUT
        if self._lease.lost is not None and not running.done():
            running.cancel()
            return self._run_ended(fact, RunStatus.UNKNOWN, f"outcome unknown: {self._lease.lost}")
        if running.done():
            return self._told(fact, running)
        return await self._cut_short(fact, running, why)

    async def _cut_short(self, fact: StepFact, running: workflow.ActivityHandle[StepEnd], why: RunStatus) -> StepFact:
        """Kill the step and wait until the agent says it is dead."""
        await self._lease.cancel_step(fact.run_id)
        ended = await self._stop.wait_regardless(
            lambda: running.done() or self._lease.lost is not None,
            within=AGENT_STOPS_WITHIN,
            summary="the agent stops the step",
        )
        reason = _TIME_IS_UP if why == RunStatus.TIMED_OUT else str(self._stop.request)
        if not ended or not running.done():
            running.cancel()
            return self._run_ended(fact, RunStatus.UNKNOWN, f"{reason}; the agent did not say how it ended")
        return self._told(fact, running, cut_short=why, reason=reason)

    def _told(
        self,
        fact: StepFact,
        running: workflow.ActivityHandle[StepEnd],
        cut_short: RunStatus | None = None,
        reason: str = "",
    ) -> StepFact:
        """Record how the agent says the run ended."""
        error = running.exception()
        if error is not None:
            return self._run_ended(fact, cut_short or RunStatus.FAILED, reason or _explain(error))
        end = running.result()
        # The agent's clock may be wrong.
        now = workflow.now()
        started_at, finished_at = between(fact.started_at or now, now, end.started_at, end.finished_at)
        status = _OUTCOMES.get(end.outcome) or run_status(end.exit_code, end.told)
        if status == RunStatus.CANCELED:
            # Where we did not ask for it, the agent gave the job up by itself.
            status = cut_short or RunStatus.FAILED
        told = {
            "status": status,
            "exit_code": end.exit_code,
            "reason": end.reason or (reason if status == cut_short else end.told.why),
            "log_size": end.log_size,
            "log_sha256": end.log_sha256,
            "started_at": started_at,
            "finished_at": finished_at,
            **{name: getattr(end.told, name) for name in _SHOWN},
        }
        ended = fact.model_copy(update=told)
        self._recorder.note(ended)
        self._take_told(ended, end.told)
        return ended

    def _take_told(self, ended: StepFact, told: Told) -> None:
        if ended.step:
            self._variables.take(self._job.steps[ended.step - 1], ended.run_id, told)
        if told.release_name:
            release = str(self._plan.id)
            text = f"{ended.title} renamed the release to {told.release_name}"
            event = Event(release=release, deployment=str(self._deployment), text=text)
            self._recorder.note(NameFact(release=release, name=told.release_name), event)

    async def _started(self, fact: StepFact) -> None:
        self._recorder.show("in progress", f"{fact.title} on {self._lease.agent}")
        await self._recorder.record(fact.model_copy(update={"status": RunStatus.RUNNING, "started_at": workflow.now()}))

    def _run_ended(self, fact: StepFact, status: RunStatus, reason: str) -> StepFact:
        ended = fact.model_copy(update={"status": status, "reason": reason, "finished_at": workflow.now()})
        self._recorder.note(ended)
        return ended

    def _next_try(self, step: int, title: str) -> StepFact:
        self._tried[step] += 1
        try_number = self._tried[step]
        return StepFact(
            run_id=step_run_id(self._id, step, try_number),
            job_id=self._id,
            step=step,
            try_number=try_number,
            title=title,
            status=RunStatus.WAITING,
        )

    async def _ended(self, status: RunStatus, reason: str = "") -> RunStatus:
        if status.is_failure and not reason:
            reason = self._why_over or ""
        if status == RunStatus.CANCELED and not reason:
            reason = str(self._stop.request)
        update = {"status": status, "reason": reason, "waiting_for": "", "finished_at": workflow.now()}
        await self._recorder.record(self._fact.model_copy(update=update))
        return status


def _explain(error: BaseException) -> str:
    cause = error.cause if isinstance(error, ActivityError) else error
    text = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return text[:2000]
