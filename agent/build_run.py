"""One build that Jenkins runs for a step: asked for once, followed through the queue and to its end, or stopped."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from activities.agent_job import StepOutcome
from activities.jenkins_builds import (
    Build,
    BuildRefused,
    BuildServer,
    LogTaken,
    NothingSent,
    PerhapsStarted,
    QueueItem,
    Trace,
)
from agent.build_memory import BuildLog, BuildMemory
from agent.build_parameters import to_be_given
from agent.build_stop import StopAsked, StopWatch
from agent.patient_server import Patience, PatientServer
from domain.frozen import Frozen
from domain.jenkins_parameters import RUN_PARAMETER
from domain.outputs import Issue, IssueKind, SetValue, StepResult, Told
from domain.refusal import Refusal

_QUIET_LOOKS = 8
_FINE = {"SUCCESS"}
_IN_WORDS = {
    "UNSTABLE": "is unstable",
    "FAILURE": "has failed",
    "ABORTED": "was aborted in Jenkins",
    "NOT_BUILT": "was not built",
}


class Ending(Frozen):
    """How the build ended, for the step."""

    outcome: StepOutcome
    exit_code: int | None = None
    reason: str = ""
    told: Told = Told()


class _Ended(Exception):  # noqa: N818  reads as what happened
    """There is nothing more to wait for."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.reason)
        self.ending = ending


class BuildRun:
    """Takes up where an agent before it left off."""

    def __init__(  # noqa: PLR0913  what it works with; all named
        self,
        *,
        memory: BuildMemory,
        log: BuildLog,
        open_server: Callable[[], BuildServer],
        threads: Executor,
        parameters: Mapping[str, str],
        stop: StopWatch,
        patience: Patience,
    ) -> None:
        self._memory = memory
        self._log = log
        self._ci = PatientServer(
            name=memory.now.request.job.server,
            open_server=open_server,
            threads=threads,
            log=log,
            stop=stop,
            patience=patience,
            forgives=lambda: memory.now.asked,
        )
        self._parameters = parameters
        self._stop = stop
        self._patience = patience
        self._job = memory.now.request.job
        self._answered = ""
        self._why = ""
        self._is_shared = False

    async def to_the_end(self) -> Ending:
        """Its log says all that happened, and why it ended."""
        ending = await self._ended()
        if ending.reason and ending.outcome == StepOutcome.EXITED:
            self._log.line(ending.reason)
        return ending

    async def _ended(self) -> Ending:
        try:
            while self._memory.now.number is None:
                await self._get_on()
            return await self._followed(self._memory.now.number)
        except StopAsked as asked:
            return await self._stopped(asked)
        except _Ended as ended:
            return ended.ending
        except Refusal as refusal:
            return self._unknown(str(refusal)) if self._memory.now.asked else _failed(str(refusal))

    async def _get_on(self) -> None:
        """One step further towards a build that runs."""
        if self._memory.now.queue_id is not None:
            await self._leave_queue(self._memory.now.queue_id)
        elif self._memory.now.asked:
            await self._find()
        else:
            await self._ask()

    async def _ask(self) -> None:
        job = await self._ci.ask(lambda server: server.job(self._job.job))
        parameters = to_be_given(self._job, job, self._parameters, self._memory.now.mark)
        traces = await self._until_no_equal_one_waits(parameters or {})
        self._memory.note(
            asked=True,
            is_marked=RUN_PARAMETER in (parameters or {}),
            next_build=max([job.next_build, *(trace.number + 1 for trace in traces if trace.number is not None)]),
            queued_before=tuple(trace.queue_id for trace in traces if trace.number is None),
        )
        self._log.line(f"Asking {self._job.server} for a build of {self._job.job}")
        try:
            # Its answer says which build is ours.
            queue_id = await self._ci.ask_to_the_end(lambda server: server.start(self._job.job, parameters))
        except BuildRefused as refused:
            raise _Ended(_failed(str(refused))) from refused
        except NothingSent as trouble:
            self._memory.note(asked=False)
            self._log.line(f"{trouble}. Trying again.")
            await self._ci.pause(self._patience.longest_look)
        except PerhapsStarted as trouble:
            self._answered = str(trouble) if trouble.is_answer else ""
            self._log.line(f"{trouble}. Looking whether there is a build.")
        else:
            self._memory.note(queue_id=queue_id)

    async def _until_no_equal_one_waits(self, parameters: Mapping[str, str]) -> tuple[Trace, ...]:
        """Jenkins makes one build of equal ones that wait, and ours would be another's as well."""
        while True:
            traces = await self._ci.ask(lambda server: server.traces(self._job.job))
            if RUN_PARAMETER in parameters or not any(
                trace.number is None and self._is_equal(trace) for trace in traces
            ):
                return traces
            self._wait_for("an equal build is in the queue, and Jenkins would make one of both")
            await self._ci.pause(self._patience.longest_look)

    def _is_equal(self, trace: Trace) -> bool:
        return all(trace.parameters.get(name, value) == value for name, value in self._parameters.items())

    async def _find(self) -> None:
        """Our request may have arrived: find what came of it, or see for a while that nothing did."""
        give_up_at: float | None = None
        while True:
            traces = await self._ci.ask(lambda server: server.traces(self._job.job))
            if found := self._ours(traces):
                self._memory.note(queue_id=found.queue_id, number=found.number)
                self._log.line(f"Found {_where(found)}, which is ours.")
                return
            give_up_at = give_up_at or time.monotonic() + self._patience.search
            if time.monotonic() >= give_up_at:
                break
            await self._ci.pause(self._patience.first_look)
        if self._answered:
            raise _Ended(_failed(self._answered))
        self._memory.note(asked=False)
        self._log.line("There is none.")

    def _ours(self, traces: tuple[Trace, ...]) -> Trace | None:
        """Raises where one may be ours, and nobody knows."""
        now = self._memory.now
        if now.is_marked:
            ours = [trace for trace in traces if trace.parameters.get(RUN_PARAMETER) == now.mark]
            return next((trace for trace in ours if trace.number is not None), ours[0] if ours else None)
        fresh = [trace for trace in traces if trace.queue_id not in now.queued_before]
        if later := [trace for trace in fresh if trace.number is None or trace.number >= now.next_build]:
            which = " or ".join(_where(trace) for trace in later)
            text = f"it is not known whether {which} of {self._job.job} is this step's"
            advice = f"a job with a parameter {RUN_PARAMETER} would tell"
            raise _Ended(self._unknown(f"{text}; {advice}"))
        return None

    async def _leave_queue(self, queue_id: int) -> None:
        item = await self._ci.ask(lambda server: server.item(queue_id))
        if item is None:
            await self._find_forgotten(queue_id)
            return
        self._notice_shared(item)
        if item.is_cancelled:
            raise _Ended(_failed(f"the build was cancelled in the queue of {self._job.server}"))
        if item.build is not None:
            self._memory.note(number=item.build)
            return
        if item.why:
            self._wait_for(item.why)
        await self._ci.pause(self._patience.first_look)

    async def _find_forgotten(self, queue_id: int) -> None:
        """Jenkins forgets what has left the queue some minutes ago, but a build knows where it came from."""
        give_up_at = time.monotonic() + self._patience.search
        while True:
            traces = await self._ci.ask(lambda server: server.traces(self._job.job))
            for trace in traces:
                if trace.queue_id == queue_id and trace.number is not None:
                    self._memory.note(number=trace.number)
                    return
            if time.monotonic() >= give_up_at:
                raise _Ended(self._unknown(f"{self._job.server} knows no more of its queue item {queue_id}"))
            await self._ci.pause(self._patience.longest_look)

    def _notice_shared(self, item: QueueItem) -> None:
        if item.asked_times > 1 and not self._is_shared:
            self._is_shared = True
            self._log.line(
                f"Others asked for the same at the same time, and Jenkins makes one build of it; "
                f"a parameter {RUN_PARAMETER} of the job would keep them apart."
            )

    def _wait_for(self, why: str) -> None:
        """Said again when more than a number in it has changed."""
        if (words := re.sub(r"\d+", "", why)) != self._why:
            self._why = words
            self._log.line(f"Waiting: {why}")

    async def _followed(self, number: int) -> Ending:
        if not self._log.offset:
            build = await self._ci.ask(lambda server: server.build(self._job.job, number))
            self._log.line(f"Build {number}: {build.url}")
        look, quiet = self._patience.first_look, 0
        while True:
            before = self._log.offset
            taken = await self._ci.ask(lambda server: self._read(server, number))
            quiet = 0 if taken.offset != before else quiet + 1
            if taken.is_complete or quiet >= _QUIET_LOOKS:
                build = await self._ci.ask(lambda server: server.build(self._job.job, number))
                if not build.is_building and build.result:
                    await self._ci.ask(lambda server: self._read(server, number))
                    return self._ending(number, build)
                quiet = 0
            look = min(look * 1.5, self._patience.longest_look) if quiet else self._patience.first_look
            await self._ci.pause(look)

    def _read(self, server: BuildServer, number: int) -> LogTaken:
        reader = self._log.reader()
        taken = server.log(self._job.job, number, self._log.offset, reader.write)
        reader.taken(taken.offset)
        return taken

    def _ending(self, number: int, build: Build) -> Ending:
        outputs = (
            SetValue(name="JENKINS_BUILD_NUMBER", value=str(number), is_output=True),
            SetValue(name="JENKINS_BUILD_URL", value=build.url, is_output=True),
        )
        told = Told(variables=outputs)
        if build.result in _FINE:
            return Ending(outcome=StepOutcome.EXITED, exit_code=0, told=told)
        what = _IN_WORDS.get(str(build.result), f"ended as {build.result}")
        reason = f"build {number} of {self._job.job} {what}: {build.url}"
        if build.result == "UNSTABLE" and self._job.accept_unstable:
            issue = Issue(kind=IssueKind.WARNING, message=reason)
            update = {"issues": (issue,), "warnings": 1, "result": StepResult.SUCCEEDED_WITH_ISSUES}
            told = told.model_copy(update={**update, "result_reason": reason})
            return Ending(outcome=StepOutcome.EXITED, exit_code=0, told=told)
        return Ending(outcome=StepOutcome.EXITED, exit_code=1, reason=reason, told=told)

    async def _stopped(self, asked: StopAsked) -> Ending:
        """See to it that nothing of it runs on, or say that it may."""
        ended = Ending(outcome=asked.outcome, reason=asked.reason)
        self._log.line(f"{asked.reason}." if asked.reason else "The step was canceled.")
        if not self._memory.now.asked:
            return ended
        try:
            with self._stop.set_aside():
                async with asyncio.timeout(self._patience.stop):
                    return await self._brought_to_an_end() or ended
        except TimeoutError:
            self._ci.give_up()
            return self._unknown(f"{asked.reason or 'canceled'}, but the build was not seen to end")
        except _Ended as ending:
            return ending.ending
        except Refusal as refusal:
            return self._unknown(str(refusal))

    async def _brought_to_an_end(self) -> Ending | None:
        """None when it was stopped; its own end where it ended well before. Takes as long as it takes."""
        if self._memory.now.queue_id is None and self._memory.now.number is None:
            await self._find()
            if not self._memory.now.asked:
                return None
        queue_id, number = self._memory.now.queue_id, self._memory.now.number
        if number is None and queue_id is not None:
            number = await self._out_of_queue(queue_id)
        if number is None:
            return None
        at = number
        await self._ci.ask(lambda server: server.stop(self._job.job, at))
        ending = await self._followed(at)
        return ending if ending.exit_code == 0 else None

    async def _out_of_queue(self, queue_id: int) -> int | None:
        """The build that it became before it could be taken out; None if it never will be one."""
        await self._ci.ask(lambda server: server.cancel(queue_id))
        while True:
            item = await self._ci.ask(lambda server: server.item(queue_id))
            if item is None:
                await self._find_forgotten(queue_id)
                return self._memory.now.number
            if item.build is not None:
                self._memory.note(number=item.build)
                return item.build
            if item.is_cancelled:
                return None
            await self._ci.pause(self._patience.first_look)

    def _unknown(self, why: str) -> Ending:
        now = self._memory.now
        of = f" of build {now.number} of {self._job.job}" if now.number is not None else ""
        self._log.line(f"The outcome{of} is unknown: {why}.")
        return Ending(outcome=StepOutcome.UNKNOWN, reason=f"the outcome{of} is unknown: {why}")


def _failed(reason: str) -> Ending:
    return Ending(outcome=StepOutcome.EXITED, exit_code=1, reason=reason)


def _where(trace: Trace) -> str:
    return f"build {trace.number}" if trace.number is not None else f"queue item {trace.queue_id}"
