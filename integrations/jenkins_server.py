"""One Jenkins as a connection names it: composed addresses, a token that stays there, and errors that say what to do.

What is deliberately not used of jenkinsapi, because each was seen to go wrong: ``api/python`` (its parser changes
names), ``Jenkins[...]`` and ``get_build`` (a request for every folder), ``Build`` (reads as long as the server likes),
``Artifact.save`` (takes a cut file for whole) and links that stand in answers (Jenkins' own idea of its address may
not be ours).
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import jenkinsapi.config
import requests
import urllib3
from jenkinsapi.custom_exceptions import JenkinsAPIException
from jenkinsapi.jenkins import Jenkins

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable, UnsafeArtifact
from domain.connection import Connection
from integrations.allowance import Allowance, Limits
from integrations.jenkins_body import body

jenkinsapi.config.JENKINS_API = "api/json"

_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_LARGEST_DOCUMENT = 64 << 20
_DEFAULT_LIMITS = Limits(seconds=300)
# The last one is an answer about a rest, too: perhaps all has come already.
_GOOD = {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}


class JenkinsServer:
    """Not for use by two threads at once."""

    def __init__(self, connection: Connection, limits: Limits = _DEFAULT_LIMITS) -> None:
        self.connection = connection
        self.jenkins = _open(connection)
        self.limits = limits

    @property
    def session(self) -> requests.Session:
        session = self.jenkins.requester.session
        assert isinstance(session, requests.Session), "ours, put there below; jenkinsapi has no types"
        return session

    def job_url(self, job: str) -> str:
        """Composed from our own address, each name quoted once; raises ArtifactNotFound for what is no path."""
        names = job.split("/")
        if not {"", ".", ".."}.isdisjoint(names):
            raise ArtifactNotFound(f"{job!r} is no path of a job; write the names of its folders and its own: team/web")
        return self.connection.url.rstrip("/") + "".join(f"/job/{quote(name, safe='')}" for name in names)

    def document(self, url: str, tree: str, what: str) -> Any:
        """The answer of ``url`` under ``/api/json``; raises what its status means for ``what``."""
        allowance = Allowance(Limits(self.limits.seconds, _LARGEST_DOCUMENT), what)
        with translated(self.connection, what), closing(self.get(f"{url}/api/json?tree={tree}")) as answer:
            self.check(answer, what)
            try:
                return json.loads(b"".join(allowance.over(body(answer, what, may_be_endless=True))))
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
            raise _denied(self.connection, status, what)
        if status == HTTPStatus.NOT_FOUND:
            raise ArtifactNotFound(
                f"{self.connection.name} has no {what.removeprefix('the ')}, or does not show it to {self.who}; "
                "was it renamed, moved or deleted?"
            )
        if status not in _GOOD:
            raise SourceUnreachable(f"{self.connection.name} answered {status} for {what}")

    @property
    def who(self) -> str:
        return self.connection.user or "anonymous"


class _OwnHostOnly(requests.Session):
    """Follows no redirect to another origin: neither the token nor the request goes there."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        here, there = urlsplit(resp.url), urlsplit(urljoin(resp.url, target))
        if (here.scheme, here.netloc) == (there.scheme, there.netloc):
            return target
        resp.close()
        if here.hostname == there.hostname and there.scheme == "https":
            raise UnsafeArtifact(f"{here.netloc} redirects to https; write that into the address of the connection")
        raise UnsafeArtifact(
            f"{here.netloc} redirects to another host: {there.netloc}; look at the address of the connection, "
            "and at its token if people sign in there"
        )


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
def translated(connection: Connection, what: str = "what was asked for") -> Iterator[None]:
    """Turn what requests and jenkinsapi raise into what our port promises."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise SourceUnreachable(
            f"{connection.name} shows a certificate that is not trusted here; give the connection the file of its "
            f"authority ({_reason(error)})"
        ) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise SourceUnreachable(f"{connection.name} does not answer for {what}: {type(error).__name__}") from error
    except OSError as error:  # what requests raises for a file of authorities that it cannot find
        raise SourceUnreachable(f"{connection.name} cannot be asked from here: {error}") from error
    except JenkinsAPIException as error:
        raise SourceUnreachable(f"{connection.name} does not answer as Jenkins does; is its address right?") from error


def _reason(error: Exception) -> str:
    """The last words of nested errors are the ones that tell."""
    return str(error).rpartition("] ")[2].rstrip("')( ")[:200]


def _denied(connection: Connection, status: int, what: str) -> SourceDenied:
    refused = f"{connection.name} does not let {connection.user or 'anonymous'} in (status {status}) for {what}"
    if not connection.user:
        return SourceDenied(f"{refused}; give the connection a user of Jenkins and an API token of that user")
    if status == HTTPStatus.UNAUTHORIZED:
        return SourceDenied(f"{refused}; the user or the API token is wrong, or the token was revoked")
    return SourceDenied(f"{refused}; give that user the permission to read it (Job/Read, and Run/Artifacts for files)")
