"""Builds that Jenkins runs for us.

Not ``invoke`` of jenkinsapi, which fails after the build has begun where Jenkins knows itself by another address than
ours; and not its waiting methods, which wait without end.
"""

import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from pydantic import Field, ValidationError

from activities.artifact_source import ArtifactNotFound, SourceUnreachable, UnknownConnection, UnsafeArtifact
from activities.jenkins_builds import (
    Build,
    BuildRefused,
    JobToBuild,
    LogTaken,
    NothingSent,
    Parameter,
    PerhapsStarted,
    QueueItem,
    Trace,
)
from domain.connection import Connection, ConnectionKind
from domain.frozen import Frozen
from integrations.jenkins_body import body
from integrations.jenkins_server import JenkinsServer, translated

_QUEUE_ITEM = re.compile(r"/queue/item/(\d+)/?$")
_PARAMETERS = "parameters[name,value]"
_JOB = "buildable,nextBuildNumber,property[parameterDefinitions[name,choices]]"
_QUEUE = f"items[id,task[url],actions[{_PARAMETERS}]]"
_BUILDS = f"builds[number,queueId,actions[{_PARAMETERS}]]{{0,100}}"
_ITEM = "why,cancelled,executable[number],actions[causes[shortDescription]]"
_BUILD = "building,result"
_NO_DELAY = "0sec"
_SHOWN_OF_AN_ERROR = 200
_CARRIED_OUT = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER})
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})
_NOT_NOW = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})

Kind = TypeVar("Kind", bound=Frozen)


class _Definition(Frozen):
    name: str
    choices: tuple[str, ...] = ()


class _Property(Frozen):
    definitions: tuple[_Definition, ...] | None = Field(alias="parameterDefinitions", default=None)


class _Job(Frozen):
    """Of a folder neither is told."""

    buildable: bool = False
    next_build: int = Field(alias="nextBuildNumber", default=1)
    properties: tuple[_Property | None, ...] = Field(alias="property", default=())


class _Value(Frozen):
    """The value of a password is not told."""

    name: str
    value: Any = None


class _Action(Frozen):
    """Most are of no interest, and some are empty objects."""

    parameters: tuple[_Value, ...] = ()
    causes: tuple[Any, ...] = ()


class _Task(Frozen):
    url: str = ""


class _Item(Frozen):
    id: int
    task: _Task = _Task()
    actions: tuple[_Action | None, ...] = ()


class _Queue(Frozen):
    items: tuple[_Item, ...] = ()


class _BuildOfJob(Frozen):
    number: int
    queue_id: int | None = Field(alias="queueId", default=None)
    actions: tuple[_Action | None, ...] = ()


class _Builds(Frozen):
    builds: tuple[_BuildOfJob, ...] = ()


class _Executable(Frozen):
    number: int


class _Left(Frozen):
    why: str | None = None
    cancelled: bool = False
    executable: _Executable | None = None
    actions: tuple[_Action | None, ...] = ()


class _Building(Frozen):
    building: bool
    result: str | None = None


class JenkinsBuilds:
    """Implements BuildServer. Not for use by two threads at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._server = JenkinsServer(connection)
        self.close = weakref.finalize(self, self._server.session.close)

    def job(self, job: str) -> JobToBuild:
        found = self._read(_Job, self._server.job_url(job), _JOB, f"job {job} that can be built")
        declared = [one.definitions for one in found.properties if one is not None and one.definitions is not None]
        parameters = tuple(Parameter(name=one.name, choices=one.choices) for some in declared for one in some)
        return JobToBuild(
            is_buildable=found.buildable,
            next_build=found.next_build,
            parameters=parameters if declared else None,
        )

    def start(self, job: str, parameters: Mapping[str, str] | None) -> int:
        url = f"{self._server.job_url(job)}/{'build' if parameters is None else 'buildWithParameters'}"
        # A parameter of the job's own goes before the one of Jenkins that has its name.
        delay = {} if "delay" in (parameters or {}) else {"delay": _NO_DELAY}
        # A connection that Jenkins has closed meanwhile would leave it open whether it read the request.
        self._server.session.close()
        try:
            answer = self._post(url, delay | dict(parameters or {}))
        except SourceUnreachable as trouble:
            raise NothingSent(str(trouble)) from trouble
        except UnsafeArtifact as elsewhere:
            raise BuildRefused(str(elsewhere)) from elsewhere
        except requests.RequestException as error:
            if _was_not_sent(error):
                raise NothingSent(f"{self._connection.name} does not answer: {type(error).__name__}") from error
            raise PerhapsStarted(f"{self._connection.name} did not answer: {type(error).__name__}") from error
        with closing(answer):
            return self._queue_id(answer, job)

    def traces(self, job: str) -> tuple[Trace, ...]:
        queue = self._read(_Queue, f"{self._url}/queue", _QUEUE, "queue")
        waiting = [
            Trace(queue_id=item.id, parameters=_values(item.actions))
            for item in queue.items
            if _job_named_by(item.task.url) == job
        ]
        found = self._read(_Builds, self._server.job_url(job), _BUILDS, f"job {job}")
        begun = [
            Trace(queue_id=one.queue_id, number=one.number, parameters=_values(one.actions)) for one in found.builds
        ]
        return (*waiting, *begun)

    def item(self, queue_id: int) -> QueueItem | None:
        try:
            found = self._read(_Left, f"{self._url}/queue/item/{queue_id}", _ITEM, "queue item")
        except ArtifactNotFound:
            return None
        return QueueItem(
            why=found.why or "",
            is_cancelled=found.cancelled,
            build=found.executable.number if found.executable else None,
            asked_times=sum(len(action.causes) for action in found.actions if action is not None),
        )

    def build(self, job: str, number: int) -> Build:
        url = f"{self._server.job_url(job)}/{number}"
        found = self._read(_Building, url, _BUILD, f"build {number} of the job {job}")
        return Build(is_building=found.building, result=found.result, url=f"{url}/")

    def log(self, job: str, number: int, start: int, write: Callable[[bytes], None]) -> LogTaken:
        what = f"the log of build {number} of the job {job}"
        url = f"{self._server.job_url(job)}/{number}/logText/progressiveText?start={start}"
        with translated(self._connection), closing(self._server.get(url)) as answer:
            self._server.check(answer, what)
            size = answer.headers.get("X-Text-Size", "")
            if not size.isdecimal():
                raise SourceUnreachable(f"{self._connection.name} does not say how long {what} is")
            for piece in _with_plain_ends(body(answer, what)):
                write(piece)
        return LogTaken(offset=int(size), is_complete=answer.headers.get("X-More-Data") != "true")

    def cancel(self, queue_id: int) -> None:
        self._order(f"{self._url}/queue/cancelItem", {"id": str(queue_id)}, f"cancel the queue item {queue_id}")

    def stop(self, job: str, number: int) -> None:
        self._order(f"{self._server.job_url(job)}/{number}/stop", {}, f"stop build {number} of the job {job}")

    @property
    def _url(self) -> str:
        return self._connection.url.rstrip("/")

    def _read(self, kind: type[Kind], url: str, tree: str, what: str) -> Kind:
        try:
            return kind.model_validate(self._server.document(url, tree, what))
        except ValidationError as error:
            raise SourceUnreachable(f"{url} does not answer as Jenkins does; is its address right?") from error

    def _post(self, url: str, form: dict[str, str]) -> requests.Response:
        """A form in the body: what stands in an address is written into logs on the way."""
        try:
            answer = self._server.jenkins.requester.post_url(url, data=form, allow_redirects=False)
        except RuntimeError as error:  # of jenkinsapi, when no crumb is given: nothing was posted
            raise SourceUnreachable(f"{self._connection.name} gives no crumb to {self._who}") from error
        assert isinstance(answer, requests.Response), "what requests returns; jenkinsapi has no types"
        return answer

    def _order(self, url: str, form: dict[str, str], what: str) -> None:
        """What may be said twice."""
        # Jenkins leads back to the build, at its own idea of its address, and nobody follows.
        with suppress(UnsafeArtifact), translated(self._connection), closing(self._post(url, form)) as answer:
            if answer.status_code not in _CARRIED_OUT | _GONE:
                self._server.check(answer, what)

    @property
    def _who(self) -> str:
        return self._connection.user or "anonymous"

    def _queue_id(self, answer: requests.Response, job: str) -> int:
        """By the address that Jenkins answers with, whatever host it names."""
        status, name = answer.status_code, self._connection.name
        found = _QUEUE_ITEM.search(urlsplit(answer.headers.get("Location", "")).path)
        if status == HTTPStatus.CREATED and found:
            return int(found[1])
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise BuildRefused(
                f"{name} does not let {self._who} build the job {job} (status {status}); "
                "the user needs the permissions Job/Build and Job/Read"
            )
        if status == HTTPStatus.NOT_FOUND:
            raise BuildRefused(f"{name} has no job {job} that can be built, or does not show it to {self._who}")
        if status == HTTPStatus.CONFLICT:
            raise BuildRefused(f"the job {job} at {name} cannot be built now; it is disabled, or was never saved")
        if status == HTTPStatus.BAD_REQUEST:
            raise BuildRefused(f"{name} does not take these parameters for the job {job}: {_words_of(answer)}")
        if status in _NOT_NOW or status == HTTPStatus.CREATED:
            raise PerhapsStarted(f"{name} answered {status}")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            text = f"{name} answered {status}; is there a parameter that the job {job} does not take?"
            raise PerhapsStarted(text, is_answer=True)
        raise BuildRefused(f"{name} started no build of the job {job} (status {status})")


def open_builds(connection: Connection) -> JenkinsBuilds:
    """Implements BuildServerOpener."""
    if connection.kind != ConnectionKind.JENKINS:
        raise UnknownConnection(f"the connection {connection.name} is one to {connection.kind}, not to jenkins")
    return JenkinsBuilds(connection)


def _was_not_sent(error: requests.RequestException) -> bool:
    """Whether it is certain: no connection came about, or the trouble was with the crumb that is fetched before."""
    if error.request is not None and error.request.method != "POST":
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError) or isinstance(
        reason, urllib3.exceptions.NewConnectionError
    )


def _values(actions: tuple[_Action | None, ...]) -> dict[str, str]:
    found = [value for action in actions if action is not None for value in action.parameters]
    return {one.name: _spelt(one.value) for one in found if one.value is not None}


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _job_named_by(url: str) -> str:
    """``team/webshop/main`` of any address of that job: Jenkins' own may not be ours."""
    return "/".join(unquote(name) for name in re.findall(r"/job/([^/]+)", urlsplit(url).path))


def _with_plain_ends(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Jenkins ends the lines of a plain text with CR LF, though its log has LF alone."""
    kept = b""
    for piece in pieces:
        text = kept + piece
        kept = b"\r" if text.endswith(b"\r") else b""
        if text := text.removesuffix(b"\r").replace(b"\r\n", b"\n"):
            yield text
    if kept:
        yield kept


def _words_of(answer: requests.Response) -> str:
    """The title of an error page."""
    found = re.search(r"<title>\s*(?:Error \d+ )?(.*?)\s*</title>", answer.text[:20_000], re.DOTALL)
    return found[1][:_SHOWN_OF_AN_ERROR] if found else "no more is told"
