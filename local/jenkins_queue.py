"""The part of the Jenkins stand-in that builds: a queue, executors, logs that grow, parameters, stop and cancel.

What a build does is told by the ``Work`` of its job. Time passes with the requests: whoever asks sees what has become
of everything by then.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from starlette.responses import Response

from local.jenkins_answers import Call, Place, denied, document, empty, error, is_api, oops, post_required
from local.jenkins_build_log import console_text, progressive_text, starting_lines
from local.jenkins_documents import Documents
from local.jenkins_state import Build, JenkinsState, Job
from local.jenkins_tree import Document

_QUIET_SECONDS = 5.0
_EXECUTORS = 2
_TRACE = "\n\tat jenkins.model.ParameterizedJobMixIn.doBuildWithParameters(ParameterizedJobMixIn.java:233)\n"


class ParameterKind(StrEnum):
    """The value begins the name of the Java class."""

    STRING = "String"
    BOOLEAN = "Boolean"
    CHOICE = "Choice"
    PASSWORD = "Password"  # noqa: S105  a kind, no password


@dataclass(frozen=True)
class ParameterOfJob:
    """One that a job declares; the first of its choices is its default."""

    name: str
    kind: ParameterKind = ParameterKind.STRING
    default: str = ""
    choices: tuple[str, ...] = ()

    @property
    def usual(self) -> str:
        return self.choices[0] if self.choices else self.default


@dataclass
class Work:
    """What builds of one job do: print ``lines`` within ``seconds``, and end with the result.

    ``{NAME}`` in a line is the value of that parameter. While it is ``held``, no build of it ends.
    """

    lines: tuple[str, ...] = ()
    seconds: float = 0.0
    result: str = "SUCCESS"
    parameters: tuple[ParameterOfJob, ...] = ()
    concurrent: bool = False
    held: bool = False
    seconds_to_stop: float = 0.0


@dataclass
class Item:
    """What stands in the queue, or has left it."""

    id: int
    path: str
    values: dict[str, str]
    ready_at: float
    since: float
    asked_by: list[str]
    is_cancelled: bool = False
    number: int | None = None

    @property
    def has_left(self) -> bool:
        return self.is_cancelled or self.number is not None


@dataclass
class Run:
    """A build under way, or one that was."""

    item: Item
    build: Build
    work: Work
    began_at: float
    log: bytes = b""
    lines_done: int = 0
    stop_at: float | None = None
    ended_at: float | None = None


@dataclass
class BuildQueue:
    """A ``Part`` of the stand-in. ``works`` is by the path of the job; a job without one builds nothing, at once."""

    works: dict[str, Work] = field(default_factory=dict)
    executors: int = _EXECUTORS
    is_quieting: bool = False
    may_not_build: set[str] = field(default_factory=set)
    public_url: str | None = None
    clock: Callable[[], float] = time.monotonic
    items: dict[int, Item] = field(default_factory=dict)
    runs: dict[tuple[str, int], Run] = field(default_factory=dict)

    def answer(self, call: Call) -> Response | None:
        self.pass_time(call.state)
        if call.segments[0] in {"queue", "quietDown", "cancelQuietDown"}:
            return self._of_queue(call)
        if is_api(call.segments):
            return document(call, self._documents(call).root())
        place = call.place()
        if place.job is None or place.job.kind.holds_jobs:
            return None
        return self._post(call, place, place.job) if call.is_post else self._get(call, place, place.job)

    def forget(self, queue_id: int) -> None:
        """As Jenkins does some minutes after an item has left."""
        del self.items[queue_id]

    def pass_time(self, state: JenkinsState) -> None:
        """Let happen what is due."""
        now = self.clock()
        for run in [run for run in self.runs.values() if run.build.is_building]:
            _go_on(run, now)
        for item in [item for item in self.items.values() if not item.has_left]:
            if self.why_waiting(item) is None:
                self._begin(state, item, now)

    def why_waiting(self, item: Item) -> tuple[str, str] | None:
        """The kind of item it is, and the reason in words; None when it may begin."""
        left = item.ready_at - self.clock()
        if left > 0:
            return "Waiting", f"In the quiet period. Expires in {left:.1f} sec"
        running = [run for run in self.runs.values() if run.build.is_building]
        same = [run for run in running if run.item.path == item.path]
        if same and not self._work(item.path).concurrent:
            return "Blocked", f"Build #{same[-1].build.number} is already in progress (ETA: N/A)"
        if self.is_quieting:
            return "Buildable", "Jenkins is about to shut down"
        return ("Buildable", "Waiting for next available executor") if len(running) >= self.executors else None

    def documents_of_item(self, call: Call, item: Item) -> Document:
        """What Jenkins says of it, in the queue and after it."""
        where = self.why_waiting(item) if not item.has_left else None
        kind = "Left" if item.has_left else where[0] if where else "Buildable"
        job = _job_at(call.state, item.path)
        return {
            "_class": f"hudson.model.Queue${kind}Item",
            "actions": [*_parameters_action(self._work(item.path), item), _causes(item)],
            "blocked": kind == "Blocked",
            "buildable": kind == "Buildable",
            "id": item.id,
            "inQueueSince": _milliseconds(item.since),
            "params": "".join(
                f"\n{one.name}={'****' if one.kind == ParameterKind.PASSWORD else item.values[one.name]}"
                for one in self._work(item.path).parameters
            ),
            "stuck": False,
            "task": {key: self._documents(call).job(*job)[key] for key in ("_class", "name", "url", "color")},
            "url": f"queue/item/{item.id}/",
            "why": where[1] if where else None,
            **self._more_of_item(call, kind, item),
        }

    def _more_of_item(self, call: Call, kind: str, item: Item) -> Document:
        if kind == "Waiting":
            return {"timestamp": _milliseconds(item.ready_at)}
        if kind != "Left":
            pending: Document = {"pending": False} if kind == "Buildable" else {}
            return {"buildableStartMilliseconds": _milliseconds(item.ready_at), **pending}
        executable = None
        if item.number is not None:
            job, above = _job_at(call.state, item.path)
            build = job.builds.get(item.number)
            full = self._documents(call).build(build, job, above) if build else {}
            executable = {key: full.get(key) for key in ("_class", "number", "url")}
        return {"cancelled": item.is_cancelled, "executable": executable}

    def _of_queue(self, call: Call) -> Response | None:
        match call.segments:
            case ["queue", "cancelItem"]:
                return self._cancel(call) if call.is_post else post_required("hudson.model.Queue.doCancelItem")
            case ["queue", "api", _]:
                waiting = [item for item in self.items.values() if not item.has_left]
                items = [self.documents_of_item(call, item) for item in waiting]
                return document(call, {"_class": "hudson.model.Queue", "discoverableItems": [], "items": items})
            case ["queue", "item", number, "api", _] if number.isdecimal() and int(number) in self.items:
                return document(call, self.documents_of_item(call, self.items[int(number)]))
            case ["quietDown" | "cancelQuietDown" as word] if call.is_post:
                self.is_quieting = word == "quietDown"
                return empty(302, f"{call.base}/")
        return None if call.is_post else error(call, 404, "Not Found")

    def _cancel(self, call: Call) -> Response:
        item = self.items.get(int(call.parameters.get("id", "0")))
        if item is not None and not item.has_left:
            item.is_cancelled = True
        return empty(204)

    def _get(self, call: Call, place: Place, job: Job) -> Response | None:
        rest = place.rest
        if rest in (["build"], ["buildWithParameters"]):
            return oops(call, 405, "You must use POST method to trigger builds.")
        if is_api(rest):
            return document(call, self._documents(call).job(job, place.above))
        build = job.build(rest[0]) if rest else None
        if build is None:
            return None
        if is_api(rest[1:]):
            return document(call, self._documents(call).build(build, job, place.above))
        run = self.runs.get((place.path, build.number))
        if rest[1:] == ["logText", "progressiveText"]:
            log = run.log if run else b""
            return progressive_text(log, int(call.parameters.get("start", "0")), is_growing=build.is_building)
        return console_text(call, run.log if run else b"") if rest[1:] == ["consoleText"] else None

    def _post(self, call: Call, place: Place, job: Job) -> Response | None:
        match place.rest:
            case ["build" | "buildWithParameters" as word]:
                return self._ask(call, place, job, word)
            case [number, "stop"] if number.isdecimal() and int(number) in job.builds:
                run = self.runs.get((place.path, int(number)))
                if run is not None and run.build.is_building and run.stop_at is None:
                    run.stop_at = self.clock() + run.work.seconds_to_stop
                return empty(302, call.above(1).replace(call.base, self.public_url or call.base, 1))
        return None

    def _ask(self, call: Call, place: Place, job: Job, word: str) -> Response:
        work = self._work(place.path)
        if call.user in self.may_not_build:
            return denied(call, "Job/Build")
        if job.disabled:
            text = f"java.io.IOException: {job.name} is not buildable!{_TRACE}"
            headers = {**dict(empty(409).headers), "Content-Type": "text/plain;charset=utf-8"}
            headers.pop("content-length", None)
            return Response(text.encode(), 409, headers)
        if word == "build" and work.parameters:
            return error(call, 400, "Nothing is submitted")
        given = {one.name: call.parameters.get(one.name, one.usual) for one in work.parameters}
        is_wrong = any(one.choices and given[one.name] not in one.choices for one in work.parameters)
        if is_wrong or (word == "buildWithParameters" and not work.parameters):
            return oops(call, 500, "A problem occurred while processing the request.")
        item = self._queued(place.path, given, _seconds(call.parameters.get("delay")), call.user)
        self.pass_time(call.state)
        return empty(201, f"{self.public_url or call.base}/queue/item/{item.id}/")

    def _queued(self, path: str, values: dict[str, str], delay: float, user: str) -> Item:
        """A new item, or the equal one that waits already."""
        for item in self.items.values():
            if not item.has_left and (item.path, item.values) == (path, values):
                item.asked_by.append(user)
                return item
        now, number = self.clock(), max(self.items, default=0) + 1
        self.items[number] = Item(number, path, values, ready_at=now + delay, since=now, asked_by=[user])
        return self.items[number]

    def _begin(self, state: JenkinsState, item: Item, now: float) -> None:
        job, _ = _job_at(state, item.path)
        build = job.add(Build(job.last_number + 1, result=None, timestamp=_milliseconds(now)))
        item.number = build.number
        run = Run(item, build, self._work(item.path), now, starting_lines(item.asked_by[0], item.path))
        self.runs[(item.path, build.number)] = run
        _go_on(run, now)

    def _work(self, path: str) -> Work:
        return self.works.get(path) or Work()

    def _documents(self, call: Call) -> "_Documents":
        return _Documents(self, call)


class _Documents(Documents):
    """With what the queue knows of jobs and builds."""

    def __init__(self, queue: BuildQueue, call: Call) -> None:
        super().__init__(call.state, queue.public_url or call.base)
        self._queue = queue
        self._call = call

    def root(self) -> Document:
        return super().root() | {"quietingDown": self._queue.is_quieting}

    def job(self, job: Job, above: tuple[str, ...]) -> Document:
        path = "/".join((*above, job.name))
        work = self._queue.works.get(path)
        if work is None or not work.parameters:
            return super().job(job, above)
        kind: Document = {"_class": "hudson.model.ParametersDefinitionProperty"}
        whole = kind | {"parameterDefinitions": [_definition(one) for one in work.parameters]}
        brief = kind | {"parameterDefinitions": [_in_brief(_definition(one)) for one in work.parameters]}
        waits = any(item.path == path and not item.has_left for item in self._queue.items.values())
        return super().job(job, above) | {
            "actions": [brief, {}],
            "property": [whole],
            "inQueue": waits,
            "concurrentBuild": work.concurrent,
        }

    def build(self, build: Build, job: Job, above: tuple[str, ...]) -> Document:
        found = super().build(build, job, above)
        run = self._queue.runs.get(("/".join((*above, job.name)), build.number))
        if run is None:
            return found
        interrupted = [{"_class": "jenkins.model.InterruptedBuildAction"}] if build.result == "ABORTED" else []
        took = (run.ended_at or run.began_at) - run.began_at
        return found | {
            "actions": [*_parameters_action(run.work, run.item), _causes(run.item), {}, *interrupted],
            "queueId": run.item.id,
            "duration": int(took * 1000),
        }


def _go_on(run: Run, now: float) -> None:
    """Print what is due by now, and end when it is time."""
    work, took = run.work, now - run.began_at
    if run.stop_at is not None:
        if now >= run.stop_at:
            _end(run, "ABORTED", b"Build was aborted\nAborted by anonymous\n", now)
        return
    share = 1.0 if took >= work.seconds else took / work.seconds
    for line in work.lines[run.lines_done : int(share * len(work.lines))]:
        run.log += _filled(line, run.item.values).encode() + b"\n"
        run.lines_done += 1
    if took >= work.seconds and not work.held:
        _end(run, work.result, b"", now)


def _end(run: Run, result: str, words: bytes, now: float) -> None:
    run.build.result, run.ended_at = result, now
    run.log += words + f"Finished: {result}\n".encode()


def _filled(line: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        line = line.replace(f"{{{name}}}", value)
    return line


def _parameters_action(work: Work, item: Item) -> Iterator[Document]:
    if work.parameters:
        values = [_value(one, item.values[one.name]) for one in work.parameters]
        yield {"_class": "hudson.model.ParametersAction", "parameters": values}


def _value(parameter: ParameterOfJob, value: str) -> Document:
    kind = ParameterKind.STRING if parameter.kind == ParameterKind.CHOICE else parameter.kind
    named: Document = {"_class": f"hudson.model.{kind}ParameterValue", "name": parameter.name}
    return named if kind == ParameterKind.PASSWORD else named | {"value": _typed(kind, value)}


def _typed(kind: ParameterKind, value: str) -> object:
    return value == "true" if kind == ParameterKind.BOOLEAN else value


def _definition(parameter: ParameterOfJob) -> Document:
    kind = parameter.kind
    told: Document = {
        "_class": f"hudson.model.{kind}ParameterDefinition",
        "defaultParameterValue": _value(parameter, parameter.usual),
        "description": "",
        "name": parameter.name,
        "type": f"{kind}ParameterDefinition",
    }
    return told | ({"choices": list(parameter.choices)} if kind == ParameterKind.CHOICE else {})


def _in_brief(definition: Document) -> Document:
    """As it stands among the actions, where the default value has no name."""
    usual = definition["defaultParameterValue"]
    assert isinstance(usual, dict), "it was made so"
    return definition | {"defaultParameterValue": {key: value for key, value in usual.items() if key != "name"}}


def _causes(item: Item) -> Document:
    causes: list[Document] = [
        {
            "_class": "hudson.model.Cause$UserIdCause",
            "shortDescription": f"Started by user {user}",
            "userId": None if user == "anonymous" else user,
            "userName": user,
        }
        for user in item.asked_by
    ]
    return {"_class": "hudson.model.CauseAction", "causes": causes}


def _job_at(state: JenkinsState, path: str) -> tuple[Job, tuple[str, ...]]:
    return state.job(path), tuple(path.split("/")[:-1])


def _seconds(delay: str | None) -> float:
    """``4sec``, as Jenkins writes it."""
    return float(delay.removesuffix("sec")) if delay else _QUIET_SECONDS


def _milliseconds(moment: float) -> int:
    """By the wall clock, of a moment of ours."""
    return int((time.time() + moment - time.monotonic()) * 1000)
