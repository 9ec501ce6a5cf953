"""One Jenkins as a connection names it: composed addresses, a token that stays there, and errors that say what to do.

What is deliberately not used of jenkinsapi, because each was seen to go wrong: ``api/python`` (its parser changes
names), ``Jenkins[...]`` and ``get_build`` (a request for every folder), ``Artifact.save`` (takes a cut file for whole)
and links that stand in answers (Jenkins' own idea of its address may not be ours).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import jenkinsapi.config
import requests
import urllib3
from jenkinsapi.build import Build
from jenkinsapi.custom_exceptions import JenkinsAPIException
from jenkinsapi.jenkins import Jenkins

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable, UnsafeArtifact
from domain.connection import Connection

jenkinsapi.config.JENKINS_API = "api/json"

_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_GOOD = {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}


class JenkinsServer:
    """Not for use by two threads at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.jenkins = _open(connection)

    @property
    def session(self) -> requests.Session:
        session = self.jenkins.requester.session
        assert isinstance(session, requests.Session), "ours, put there below; jenkinsapi has no types"
        return session

    def job_url(self, job: str) -> str:
        """Composed from our own address, each name quoted once."""
        return self.connection.url.rstrip("/") + "".join(f"/job/{quote(name, safe='')}" for name in job.split("/"))

    def build(self, job: str, named: str, tree: str) -> dict[str, Any]:
        """What Jenkins says of a build; one request. Raises ArtifactNotFound when there is no such build, or job."""
        with translated(self.connection):
            try:
                return _Build(f"{self.job_url(job)}/{named}", _JobOfBuild(self.jenkins, job), tree).answer
            except requests.HTTPError as error:
                if _status(error) != HTTPStatus.NOT_FOUND:
                    raise
        raise ArtifactNotFound(f"the job {job} at {self.connection.name} has no build {named}")

    def document(self, url: str, tree: str, what: str) -> Any:
        """The answer of ``url`` under ``/api/json``; raises what its status means for ``what``."""
        with translated(self.connection):
            answer = self.jenkins.requester.get_url(f"{url}/api/json", {"tree": tree})
            self.check(answer, what)
            try:
                return answer.json()
            except ValueError as error:
                raise SourceUnreachable(f"{url} does not answer as Jenkins does; is its address right?") from error

    def get(self, url: str, start: int = 0) -> requests.Response:
        """The answer to GET, its status not checked and its body not read yet; asks for the bytes from ``start`` on."""
        # Not get_and_confirm_status: its error hides the status in a text.
        headers = {"Range": f"bytes={start}-"} if start else None
        answer = self.jenkins.requester.get_url(url, headers=headers, stream=True)
        assert isinstance(answer, requests.Response), "what requests returns; jenkinsapi has no types"
        return answer

    def check(self, answer: requests.Response, what: str) -> None:
        """Raises what the status means for ``what``."""
        status = answer.status_code
        if status in _DENIED:
            raise _denied(self.connection, status)
        if status == HTTPStatus.NOT_FOUND:
            raise ArtifactNotFound(f"{self.connection.name} has no {what.removeprefix('the ')}, or does not show it")
        if status not in _GOOD:
            raise SourceUnreachable(f"{self.connection.name} answered {status} for {what}")


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
    """A build of which only what we read is asked, and whose answer can be read whole."""

    def __init__(self, url: str, job: _JobOfBuild, tree: str) -> None:
        self._tree = tree
        super().__init__(url, 0, job, depth=0)

    def _poll(self, tree: str | None = None) -> Any:
        return self.get_data(self.python_api_url(self.baseurl), tree=tree or self._tree)

    @property
    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = self._data
        return found


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


def _open(connection: Connection) -> Any:
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


@contextmanager
def translated(connection: Connection) -> Iterator[None]:
    """Turn what requests and jenkinsapi raise into what our port promises."""
    try:
        yield
    except requests.HTTPError as error:
        status = _status(error)
        if status in _DENIED:
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
