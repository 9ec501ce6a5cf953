"""Requests to the Jenkins stand-in, and answers with the real one's headers, pages and habits."""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import escape
from typing import Protocol
from urllib.parse import unquote

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local.jenkins_state import JenkinsState, Job
from local.jenkins_tree import BadTree, parse_tree, rendered

SERVER = "Jetty(9.4.33.v20201020)"
ANONYMOUS = "anonymous"
_VERSION = "2.263.4"
_API_SEGMENTS = 2
_BUFFER = 32_768  # what fits in it goes out with a length, the rest in chunks

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
Groups that you are in:
\x20\x20
Permission you need to have (but didn't): hudson.model.Hudson.Read
 ... which is implied by: hudson.security.Permission.GenericRead
 ... which is implied by: hudson.model.Hudson.Administer
-->

</body></html>"""
_POST_PAGE = """<html><head><title>POST required</title></head><body>
POST is required for {method}<br>
<form method='POST'><input type='submit' value='Try POSTing'></form>
</body></html>
"""


@dataclass(frozen=True)
class Place:
    """The job that an address goes through, the names of the folders over it, and what is left of the address."""

    job: Job | None
    above: tuple[str, ...]
    rest: list[str]

    @property
    def path(self) -> str:
        return "/".join((*self.above, self.job.name)) if self.job else ""


class Call:
    """One request; ``parameters`` are those of the address and of a form."""

    def __init__(self, state: JenkinsState, request: Request, form: bytes = b"") -> None:
        self.state = state
        self.request = request
        self.parameters = QueryParams([*request.query_params.multi_items(), *QueryParams(form).multi_items()])
        # Split before unquoting: ``%2F`` inside a name is no separator.
        self.segments = [unquote(segment) for segment in self.path.removeprefix("/").split("/")]

    @property
    def is_post(self) -> bool:
        return self.request.method == "POST"

    @property
    def base(self) -> str:
        return f"{self.request.url.scheme}://{self.request.url.netloc}"

    @property
    def path(self) -> str:
        """As it came, quoted."""
        raw: bytes = self.request.scope["raw_path"]
        return raw.split(b"?")[0].decode("ascii")

    def above(self, levels: int) -> str:
        """The address without its last names."""
        return f"{self.base}{self.path.rsplit('/', levels)[0]}/"

    @property
    def credentials(self) -> tuple[str, str] | None:
        scheme, _, value = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        user, _, token = base64.b64decode(value).decode(errors="replace").partition(":")
        return user, token

    @property
    def user(self) -> str:
        return self.credentials[0] if self.credentials else ANONYMOUS

    def place(self) -> Place:
        """Where the address leads; a job that the user may not see is not there."""
        job, names, rest = self.state.root, list[str](), list(self.segments)
        while rest[:1] == ["job"] and len(rest) > 1:
            inner = job.jobs.get(rest[1])
            if inner is None or self.user in inner.hidden_from:
                return Place(None, (), rest)
            job, names, rest = inner, [*names, rest[1]], rest[2:]
        return Place(job if names else None, tuple(names[:-1]), rest)

    def compresses(self) -> bool:
        return self.state.compresses_always or "gzip" in self.request.headers.get("Accept-Encoding", "")


class Part(Protocol):
    """Answers some of the addresses, before the rest is asked; None when the address is none of its own."""

    def answer(self, call: Call) -> Response | None: ...


def is_api(segments: list[str]) -> bool:
    """Whether that is ``api/json`` or ``api/python``."""
    return len(segments) == _API_SEGMENTS and segments[0] == "api" and segments[1] in {"json", "python"}


def document(call: Call, content: object) -> Response:
    """What stands under ``api``, in the form that the address ends with."""
    if "jsonp" in call.parameters:
        return error(call, 403, "jsonp forbidden; implement jenkins.security.SecureRequester")
    try:
        tree = parse_tree(call.parameters["tree"]) if "tree" in call.parameters else None
    except BadTree:
        return oops(call, 500, "A problem occurred while processing the request.", "deny, sameorigin")
    shown = rendered(content, tree, int(call.parameters.get("depth", "0")))
    if call.segments[-1] == "python":
        # Stapler writes JSON with Python's words; a literal is the same to every reader of it.
        return text(call, repr(shown), "text/x-python;charset=UTF-8")
    if "pretty" in call.parameters:
        return text(call, json.dumps(shown, ensure_ascii=False, indent=2), "application/json;charset=utf-8")
    compact = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    return text(call, compact, "application/json;charset=utf-8")


def text(call: Call, content: str, content_type: str) -> Response:
    """Compressed when the client takes it, and in chunks: documents come without a length."""
    body = content.encode()
    headers = {**_of_jenkins(call), "X-Frame-Options": "deny", "Content-Type": content_type}
    if call.compresses():
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body)
    return StreamingResponse(_whole(body), 200, headers)


def binary(content: bytes, content_type: str) -> Response:
    """With a length only when it is known before the first byte must go."""
    headers = {**_PLAIN, "Content-Type": content_type}
    if len(content) > _BUFFER:
        return StreamingResponse(_whole(content), 200, headers)
    return Response(content, 200, headers)


def empty(status: int, location: str | None = None) -> Response:
    """Nothing but a status, and where to look."""
    return Response(status_code=status, headers={**_PLAIN, **({"Location": location} if location else {})})


def with_slash(call: Call) -> Response:
    """Jobs and builds are folders."""
    return empty(302, f"{call.base}{call.path}/")


def error(call: Call, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Errors are HTML, also under ``/api/json``."""
    page = _ERROR_PAGE.format(status=status, message=escape(message), path=escape(call.path))
    fixed = {
        **_PLAIN,
        "Cache-Control": "must-revalidate,no-cache,no-store",
        "Content-Type": "text/html;charset=iso-8859-1",
    }
    return Response(page.encode("latin-1", "replace"), status, {**fixed, **(headers or {})})


def oops(call: Call, status: int, message: str, frames: str = "sameorigin") -> Response:
    """A page in the usual dress of Jenkins."""
    headers = {
        **_of_jenkins(call),
        "X-Frame-Options": frames,
        "Content-Type": "text/html;charset=utf-8",
        "Expires": "0",
        "Cache-Control": "no-cache,no-store,must-revalidate",
        "X-Hudson-Theme": "default",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Hudson": "1.395",
        "X-Instance-Identity": "stand-in",
    }
    body = f"<!DOCTYPE html><html><head><title>Jenkins</title></head><body>{escape(message)}</body></html>".encode()
    if call.compresses():
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body)
    return Response(body, status, headers)


def post_required(method: str) -> Response:
    """What GET gets where only POST changes something; ``method`` is the one in Java."""
    headers = {**_PLAIN, "Allow": "POST", "Content-Type": "text/html;charset=utf-8"}
    return Response(_POST_PAGE.format(method=escape(method)).encode(), 405, headers)


def denied(call: Call, permission: str) -> Response:
    """Who is known is told what is missing; anonymous is sent to a page to sign in."""
    if call.credentials is not None:
        return oops(call, 403, f"Access Denied: {call.user} is missing the {permission} permission")
    page = _SIGN_IN_PAGE.format(path=escape(call.request.url.path.replace("/", "%2F")))
    headers = {
        **_of_jenkins(call),
        "Set-Cookie": "JSESSIONID=node0stand-in; Path=/; HttpOnly",
        "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
        "Content-Type": "text/html;charset=utf-8",
        "X-Hudson": "1.395",
        "X-You-Are-Authenticated-As": ANONYMOUS,
        "X-You-Are-In-Group-Disabled": "JENKINS-39402: use /whoAmI to diagnose",
        "X-Required-Permission": "hudson.model.Hudson.Read",
        "X-Permission-Implied-By": "hudson.security.Permission.GenericRead, hudson.model.Hudson.Administer",
    }
    return StreamingResponse(_whole(page.encode()), 403, headers)


_PLAIN = {"X-Content-Type-Options": "nosniff", "Server": SERVER}


def _of_jenkins(call: Call) -> dict[str, str]:
    return {**_PLAIN, "X-Jenkins": _VERSION, "X-Jenkins-Session": call.state.session}


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body
