"""Artifacts of Jenkins, through jenkinsapi: a build is one request, a file is streamed and counted, nothing is trusted.

What is deliberately not used of the package, because each was seen to go wrong: ``api/python`` (its parser changes
names), ``Jenkins[...]`` and ``get_build`` (a request for every folder), ``Artifact.save`` (takes a cut file for whole)
and links that stand in answers (Jenkins' own idea of its address may not be ours).
"""

import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import jenkinsapi.config
import requests
import urllib3
from jenkinsapi.build import Build
from jenkinsapi.custom_exceptions import JenkinsAPIException
from jenkinsapi.jenkins import Jenkins
from pydantic import ValidationError

from activities.artifact_source import (
    ArtifactNotFound,
    FileOffer,
    ResolvedVersion,
    SourceDenied,
    SourceUnreachable,
    UnsafeArtifact,
)
from domain.connection import Connection
from domain.frozen import Frozen
from domain.pipeline import JenkinsSource, LatestOf
from integrations.allowance import CHUNK, Allowance, Limits
from integrations.path_patterns import chosen
from integrations.safe_path import safe_path

jenkinsapi.config.JENKINS_API = "api/json"

LATEST = "latest"
_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_LAST_SUCCESSFUL = "lastSuccessfulBuild"
_BETWEEN = "//"  # of job and path in a locator; neither a job nor a safe path has an empty name in it


class _ArchivedFile(Frozen):
    """Named as Jenkins does."""

    relativePath: str  # noqa: N815  as Jenkins does


class _Branch(Frozen):
    name: str = ""


class _Revision(Frozen):
    SHA1: str
    branch: tuple[_Branch, ...] = ()


class _Action(Frozen):
    """Most actions are of no interest, and some are empty objects."""

    lastBuiltRevision: _Revision | None = None  # noqa: N815  as Jenkins does


class BuildDocument(Frozen):
    """What is read of Jenkins' answer about a build. ``timestamp`` is in milliseconds since 1970."""

    number: int
    building: bool
    timestamp: int
    artifacts: tuple[_ArchivedFile, ...]
    actions: tuple[_Action | None, ...] = ()

    @property
    def commit(self) -> str | None:
        return self._revision.SHA1 if self._revision else None

    @property
    def branch(self) -> str | None:
        """Without the names git gives to remote branches."""
        names = [branch.name for branch in self._revision.branch] if self._revision else []
        return names[0].removeprefix("refs/remotes/").removeprefix("origin/") if names else None

    @property
    def _revision(self) -> _Revision | None:
        return next((action.lastBuiltRevision for action in self.actions if action and action.lastBuiltRevision), None)


class JenkinsArtifacts:
    """Implements ArtifactSource for one job. Not for use by two threads at once."""

    def __init__(self, source: JenkinsSource, connection: Connection, limits: Limits) -> None:
        self._source = source
        self._connection = connection
        self._limits = limits
        self._server = _open_server(connection)
        self._files: dict[str, dict[str, Any]] = {}
        self.close = weakref.finalize(self, self._server.requester.session.close)

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        job = self._job_of(version)
        named = _LAST_SUCCESSFUL if isinstance(version, LatestOf) or version == LATEST else _number(version)
        found = self._build(job, named).document
        where = f"build {found.number} of the job {job}"
        if found.building:
            raise ArtifactNotFound(f"{where} is still running")
        paths = chosen([safe_path(file.relativePath) for file in found.artifacts], self._source.paths, where)
        return ResolvedVersion(
            version=str(found.number),
            files=tuple(FileOffer(path=path, locator=f"{job}{_BETWEEN}{path}") for path in paths),
            branch=found.branch,
            commit=found.commit,
            built_at=datetime.fromtimestamp(found.timestamp / 1000, UTC),
            url=f"{self._job_url(job)}/{found.number}/",
        )

    def stream(self, version: str, locator: str) -> Iterator[bytes]:
        job, _, path = locator.rpartition(_BETWEEN)
        allowance = Allowance(self._limits, path)
        with _translated(self._connection), closing(self._get(self._file_url(job, version, path))) as answer:
            self._check(answer, f"{path} of build {version} of the job {job}")
            yield from allowance.over(_body(answer, path))
            _check_length(answer, path)

    def _job_of(self, version: str | LatestOf) -> str:
        """A branch is a job of the multibranch folder, its slashes quoted in its name."""
        if not isinstance(version, LatestOf):
            return self._source.job
        if version.tags:
            raise ArtifactNotFound("builds of Jenkins have no tags; choose by branch or number")
        return self._source.job if version.branch is None else f"{self._source.job}/{quote(version.branch, safe='')}"

    def _job_url(self, job: str) -> str:
        """Composed from our own address, each name quoted once."""
        return self._connection.url.rstrip("/") + "".join(f"/job/{quote(name, safe='')}" for name in job.split("/"))

    def _build(self, job: str, named: str) -> "_Build":
        """One request; raises ArtifactNotFound naming the job, or the build."""
        url = self._job_url(job)
        with _translated(self._connection):
            try:
                return _Build(f"{url}/{named}", 0, _JobOfBuild(self._server, job), depth=0)
            except requests.HTTPError as error:
                if _status(error) != HTTPStatus.NOT_FOUND:
                    raise
                self._check(self._server.requester.get_url(f"{url}/api/json", {"tree": "name"}), f"the job {job}")
        missing = "has no successful build" if named == _LAST_SUCCESSFUL else f"has no build {named}"
        raise ArtifactNotFound(f"the job {job} at {self._connection.name} {missing}")

    def _file_url(self, job: str, version: str, path: str) -> str:
        """The address that jenkinsapi makes of the path; raises ArtifactNotFound when the build lacks the file."""
        place = f"{job}{_BETWEEN}{version}"
        if place not in self._files:
            self._files[place] = self._build(job, _number(version)).get_artifact_dict()
        found = self._files[place].get(safe_path(path))
        if found is None:
            raise ArtifactNotFound(f"build {version} of the job {job} has no file {path}")
        return str(found.url)

    def _get(self, url: str) -> requests.Response:
        # Not get_and_confirm_status: its error hides the status in a text.
        answer = self._server.requester.get_url(url, stream=True)
        assert isinstance(answer, requests.Response), "what requests returns; jenkinsapi has no types"
        return answer

    def _check(self, answer: requests.Response, what: str) -> None:
        """Raises what the status means for ``what``."""
        status = answer.status_code
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise _denied(self._connection, status)
        if status == HTTPStatus.NOT_FOUND:
            raise ArtifactNotFound(f"{self._connection.name} has no {what.removeprefix('the ')}, or does not show it")
        if status != HTTPStatus.OK:
            raise SourceUnreachable(f"{self._connection.name} answered {status} for {what}")


class _JobOfBuild:
    """As much of a job as jenkinsapi's build asks for; its own job class polls when it is made."""

    def __init__(self, jenkins: Any, name: str) -> None:
        self.jenkins = jenkins
        self.name = name

    def get_jenkins_obj(self) -> Any:
        return self.jenkins

    def get_full_name(self) -> str:
        return self.name


class _Build(Build):  # type: ignore[misc]  # jenkinsapi has no types
    """A build whose answer can be read whole."""

    @property
    def document(self) -> BuildDocument:
        """Raises SourceUnreachable when it is none."""
        try:
            return BuildDocument.model_validate(self._data)
        except ValidationError as error:
            raise SourceUnreachable(f"{self.baseurl} does not answer as Jenkins does") from error


class _OwnHostOnly(requests.Session):
    """Follows no redirect to another origin: neither the token nor the request goes there."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None and _origin(urljoin(resp.url, target)) != _origin(resp.url):
            resp.close()
            raise UnsafeArtifact(f"{urlsplit(resp.url).netloc} redirects to another host: {urlsplit(target).netloc}")
        return target


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _open_server(connection: Connection) -> Any:
    token = connection.token.get_secret_value()
    if bool(token) != bool(connection.user):
        raise SourceDenied(f"the connection {connection.name} needs both a user and a token, or neither")
    server = Jenkins(
        connection.url.rstrip("/"),
        connection.user,
        token,
        lazy=True,
        ssl_verify=connection.ca or True,
        timeout=(_CONNECT_SECONDS, _READ_SECONDS),
        max_retries=None,
    )
    session = _OwnHostOnly()
    # Neither ~/.netrc nor a proxy of the environment may see what is asked, or change who asks.
    session.trust_env = False
    # A compressed answer has the length of what came over the wire, which is what is counted; yet plain is simpler.
    session.headers["Accept-Encoding"] = "identity"
    server.requester.session.close()
    server.requester.session = session
    return server


def _number(version: str) -> str:
    if not (version.isascii() and version.isdecimal()):
        raise ArtifactNotFound(f"{version!r} is no build number of Jenkins")
    return version


def _body(answer: requests.Response, what: str) -> Iterator[bytes]:
    """Whatever has come, at once: a slow drip must not hide from the deadline behind a full chunk."""
    if "Content-Length" not in answer.headers and "chunked" not in answer.headers.get("Transfer-Encoding", ""):
        raise UnsafeArtifact(f"the server does not say how long {what} is, so a cut would go unnoticed")
    while chunk := answer.raw.read1(CHUNK, decode_content=True):
        yield chunk


def _check_length(answer: requests.Response, what: str) -> None:
    """Counted as it came over the wire, before anything was unpacked."""
    announced = answer.headers.get("Content-Length")
    if announced is not None and answer.raw.tell() != int(announced):
        raise SourceUnreachable(f"{what} was cut off after {answer.raw.tell()} of {announced} bytes")


@contextmanager
def _translated(connection: Connection) -> Iterator[None]:
    """Turn what requests and jenkinsapi raise into what our port promises."""
    try:
        yield
    except requests.HTTPError as error:
        status = _status(error)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise _denied(connection, status) from error
        raise SourceUnreachable(f"{connection.name} answered {status}") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise SourceUnreachable(f"{connection.name} does not answer: {type(error).__name__}") from error
    except JenkinsAPIException as error:
        raise SourceUnreachable(f"{connection.name} does not answer as Jenkins does; is its address right?") from error


def _status(error: requests.HTTPError) -> int:
    return error.response.status_code if error.response is not None else 0


def _denied(connection: Connection, status: int) -> SourceDenied:
    return SourceDenied(f"{connection.name} does not let {connection.user or 'anonymous'} in (status {status})")
