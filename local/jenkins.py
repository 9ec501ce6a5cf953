"""A stand-in for Jenkins: jobs, builds and archived files over HTTP, with the real one's headers, errors and habits."""

import base64
import gzip
import json
import mimetypes
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from html import escape
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from local.faults import FaultyApp
from local.jenkins_documents import BadTree, Document, Documents, parse_tree, rendered
from local.jenkins_state import JenkinsState, Job, JobKind
from local.pages import page

_SERVER = "Jetty(9.4.33.v20201020)"
_VERSION = "2.263.4"
_SANDBOX = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
_API_SEGMENTS = 2

_ERROR_PAGE = """<html>
<head>
<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
<title>Error {status} {message}</title>
</head>
<body><h2>HTTP ERROR {status} {message}</h2>
<table>
<tr><th>URI:</th><td>{path}</td></tr>
<tr><th>STATUS:</th><td>{status}</td></tr>
<tr><th>MESSAGE:</th><td>{message}</td></tr>
<tr><th>SERVLET:</th><td>Stapler</td></tr>
</table>
<hr><a href="https://eclipse.org/jetty">Powered by Jetty:// 9.4.33.v20201020</a><hr/>

</body>
</html>
"""
_SIGN_IN_PAGE = """<html><head><meta http-equiv='refresh' content='1;url=/login?from={path}'/>\
<script>window.location.replace('/login?from={path}');</script></head>\
<body style='background-color:white; color:white;'>


Authentication required
<!--
You are authenticated as: anonymous
-->

</body></html>"""


def create_app(state: JenkinsState) -> ASGIApp:
    """The stand-in as an ASGI application; change ``state`` at any time."""
    stand_in = _Jenkins(state)
    route = Route("/{path:path}", stand_in.answer, methods=["GET", "HEAD", "POST"])
    return FaultyApp(Starlette(routes=[route]), state.faults)


@dataclass(frozen=True)
class _Caller:
    """Who asks: nobody (anonymous), or a user with an API token."""

    user: str | None

    @property
    def name(self) -> str:
        return self.user or "anonymous"


class _Jenkins:
    """Answers requests from the state."""

    def __init__(self, state: JenkinsState) -> None:
        self._state = state

    async def answer(self, request: Request) -> Response:
        self._state.seen.append(request.scope["raw_path"].decode())
        segments = _segments(request)
        if segments == [""]:
            return page("jenkins.html", jobs=list(_jobs_with_builds(self._state.root)))
        refused = self._refusal(request)
        if refused is not None:
            return refused
        if request.method == "POST":
            return self._post(request, segments)
        return self._get(request, segments)

    def _refusal(self, request: Request) -> Response | None:
        """The answer to a caller who may not come in, or posts without a crumb."""
        sent = _basic(request)
        if sent is not None and not self._state.knows(*sent):
            realm = {"WWW-Authenticate": 'Basic realm="Jenkins"'}
            return _error(request, 401, f"Invalid password/token for user: {sent[0]}", realm)
        if sent is None and self._state.users:
            return self._sign_in(request)
        if request.method == "POST" and sent is None and request.headers.get("Jenkins-Crumb") != self._state.crumb:
            return _error(request, 403, "No valid crumb was included in the request")
        return None

    def _sign_in(self, request: Request) -> Response:
        body = _SIGN_IN_PAGE.format(path=escape(request.url.path.replace("/", "%2F")))
        headers = {
            **self._headers(),
            "Set-Cookie": "JSESSIONID=node0stand-in; Path=/; HttpOnly",
            "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
            "Content-Type": "text/html;charset=utf-8",
            "X-Hudson": "1.395",
            "X-You-Are-Authenticated-As": "anonymous",
            "X-You-Are-In-Group-Disabled": "JENKINS-39402: use /whoAmI to diagnose",
            "X-Required-Permission": "hudson.model.Hudson.Read",
            "X-Permission-Implied-By": "hudson.security.Permission.GenericRead, hudson.model.Hudson.Administer",
        }
        del headers["X-Frame-Options"]
        return StreamingResponse(_whole(body.encode()), 403, headers)

    def _headers(self) -> dict[str, str]:
        return {
            "X-Content-Type-Options": "nosniff",
            "X-Jenkins": _VERSION,
            "X-Jenkins-Session": self._state.session,
            "X-Frame-Options": "deny",
            "Server": _SERVER,
        }

    def _get(self, request: Request, segments: list[str]) -> Response:
        documents = Documents(self._state, _base(request))
        found = self._object(request, documents, segments)
        if found is None:
            return _error(request, 404, "Not Found")
        if isinstance(found, Response):
            return found
        return self._document(request, segments[-1], found)

    def _object(
        self, request: Request, documents: Documents, segments: list[str]
    ) -> Callable[[], Document] | Response | None:
        """What stands at the address: a document, an answer of another kind, or nothing."""
        if segments == ["whoAmI", *segments[1:]] and _is_api(segments[1:]):
            return lambda: _who_am_i(request)
        if segments == ["crumbIssuer", *segments[1:]] and _is_api(segments[1:]):
            return lambda: {
                "_class": "hudson.security.csrf.DefaultCrumbIssuer",
                "crumb": self._state.crumb,
                "crumbRequestField": "Jenkins-Crumb",
            }
        if _is_api(segments):
            return documents.root
        return self._in_job(request, documents, segments)

    def _in_job(
        self, request: Request, documents: Documents, segments: list[str]
    ) -> Callable[[], Document] | Response | None:
        job, above, rest = self._descend(segments)
        if job is None or not rest:
            return None if job is None else _with_slash(request)
        if rest == [""]:
            return page("jenkins.html", jobs=list(_jobs_with_builds(Job("", JobKind.FOLDER, jobs={job.name: job}))))
        if _is_api(rest):
            return lambda: documents.job(job, above)
        build = job.build(rest[0])
        if build is not None and _is_api(rest[1:]):
            return lambda: documents.build(build, job, above)
        content = build.artifacts.get("/".join(rest[2:])) if build and rest[1:2] == ["artifact"] else None
        return None if content is None else self._file(request, rest[-1], content)

    def _descend(self, segments: list[str]) -> tuple[Job | None, tuple[str, ...], list[str]]:
        """The job that the address goes through, the folders above it, and what is left of the address."""
        job, names, rest = self._state.root, list[str](), list(segments)
        while rest[:1] == ["job"] and len(rest) > 1:
            inner = job.jobs.get(rest[1])
            if inner is None:
                return None, (), rest
            job, names, rest = inner, [*names, rest[1]], rest[2:]
        return (job if names else None), tuple(names[:-1]), rest

    def _document(self, request: Request, form: str, document: Callable[[], Document]) -> Response:
        try:
            tree = parse_tree(request.query_params["tree"]) if "tree" in request.query_params else None
        except BadTree:
            return _error(request, 500, "Server Error")
        content = rendered(document(), tree)
        if form == "python":
            # Stapler writes JSON with Python's words; a literal is the same to every reader of it.
            return self._text(request, repr(content), "text/x-python;charset=UTF-8")
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return self._text(request, text, "application/json;charset=utf-8")

    def _text(self, request: Request, text: str, content_type: str) -> Response:
        """Compressed when the client takes it, and in chunks: documents come without a length."""
        body = text.encode()
        headers = {**self._headers(), "Content-Type": content_type}
        if self._compresses(request):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        return StreamingResponse(_whole(body), 200, headers)

    def _file(self, request: Request, name: str, content: bytes) -> Response:
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": _SANDBOX,
            "X-WebKit-CSP": _SANDBOX,
            "X-Content-Security-Policy": _SANDBOX,
            "Last-Modified": "Mon, 23 Nov 2026 07:23:53 GMT",
            "Expires": "Mon, 23 Nov 2026 07:23:53 GMT",
            "Accept-Ranges": "bytes",
            "Server": _SERVER,
        }
        if self._compresses(request) and content_type.startswith(("text/", "application/json")):
            headers["Content-Encoding"] = "gzip"
            content = gzip.compress(content)
        answer = Response(content, headers=headers)
        # Set afterwards: Starlette would add a charset, which Jenkins does not.
        answer.headers["Content-Type"] = content_type
        return answer

    def _compresses(self, request: Request) -> bool:
        return self._state.compresses_always or "gzip" in request.headers.get("Accept-Encoding", "")

    def _post(self, request: Request, segments: list[str]) -> Response:
        """Only the queueing of a build; nothing is built."""
        job, _, rest = self._descend(segments)
        if job is None or rest not in (["build"], ["buildWithParameters"]):
            return _error(request, 404, "Not Found")
        self._state.queue.append("/".join(segments))
        headers = {"Location": f"{_base(request)}/queue/item/{len(self._state.queue)}/", "Server": _SERVER}
        return Response(status_code=201, headers={"X-Content-Type-Options": "nosniff", **headers})


def _with_slash(request: Request) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", "Location": f"{request.url}/", "Server": _SERVER}
    return Response(status_code=302, headers=headers)


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _segments(request: Request) -> list[str]:
    """Split before unquoting: ``%2F`` inside a name is no separator."""
    raw: bytes = request.scope["raw_path"].split(b"?")[0]
    return [unquote(segment.decode("ascii")) for segment in raw.removeprefix(b"/").split(b"/")]


def _is_api(segments: list[str]) -> bool:
    return len(segments) == _API_SEGMENTS and segments[0] == "api" and segments[1] in {"json", "python"}


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    user, _, token = base64.b64decode(value).decode(errors="replace").partition(":")
    return user, token


def _error(request: Request, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Errors are HTML, also under ``/api/json``."""
    text = _ERROR_PAGE.format(status=status, message=escape(message), path=escape(request.scope["raw_path"].decode()))
    fixed = {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "must-revalidate,no-cache,no-store",
        "Content-Type": "text/html;charset=iso-8859-1",
        "Server": _SERVER,
    }
    return Response(text.encode("latin-1", "replace"), status, {**fixed, **(headers or {})})


def _who_am_i(request: Request) -> Document:
    caller = _Caller((_basic(request) or (None,))[0])
    return {
        "_class": "hudson.security.WhoAmI",
        "anonymous": caller.user is None,
        "authenticated": True,
        "authorities": ["anonymous" if caller.user is None else "authenticated"],
        "name": caller.name,
    }


def _jobs_with_builds(folder: Job, above: str = "") -> Iterator[tuple[str, list[object]]]:
    for job in folder.jobs.values():
        path = f"{above}{job.name}"
        if job.kind.holds_jobs:
            yield from _jobs_with_builds(job, f"{path}/")
        else:
            yield path, [job.builds[number] for number in sorted(job.builds, reverse=True)]
