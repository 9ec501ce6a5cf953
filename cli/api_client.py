"""The HTTP client of the command line: one call, one answer, and every failure as one sentence with its exit code."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from cli.configuration import Access, is_this_machine
from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.lazy_import import lazy
from cli.safe_text import one_line, plain

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazy("httpx2")

_UNAUTHENTICATED = 401
_FORBIDDEN = 403
_SERVER_ERROR = 500
_PREFIX = "/api/v1"

# An answer of the API as JSON; callers cast it to the shape they read (cli.answers).
Answer = Any


class ApiClient:
    """Calls below ``/api/v1`` with the caller's token. Raises Failure for everything but success."""

    def __init__(self, access: Access, *, timeout_seconds: float = 30.0) -> None:
        self.access = access
        headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
        self._timeout = timeout_seconds
        self._client = httpx2.Client(
            base_url=access.url,
            headers={"User-Agent": "slipway", **headers},
            timeout=timeout_seconds,
            trust_env=not is_this_machine(access.url),
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def get(self, path: str, **query: str | int | None) -> Answer:
        return self.call("GET", path, query=query)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str | int | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The JSON of the answer; None for an empty one."""
        content = json.dumps(body).encode() if body is not None else None
        kind = {"Content-Type": "application/json"} if body is not None else {}
        response = self.send(method, _PREFIX + path, content=content, query=query, headers={**kind, **(headers or {})})
        return parsed(response)

    def send(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        query: Mapping[str, str | int | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "httpx2.Response":
        """One request with a path from the root; the raw answer, which is a success."""
        response = self.probe(method, path, content=content, query=query, headers=headers)
        raise_for_refusal(response, self.access)
        return response

    def probe(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        query: Mapping[str, str | int | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "httpx2.Response":
        """One request, and its answer whatever it is. Raises Failure only when there is none."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        with self._reaching():
            return self._client.request(
                method, quote(path, safe="/-._~"), content=content, params=params, headers=dict(headers or {})
            )

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> Iterator["httpx2.Response"]:
        """An answer that is read while it grows."""
        timeout = httpx2.Timeout(self._timeout, read=60.0)
        target = quote(_PREFIX + path, safe="/-._~")
        with (
            self._reaching(),
            self._client.stream("GET", target, headers=dict(headers or {}), timeout=timeout) as response,
        ):
            if not response.is_success:
                response.read()
            raise_for_refusal(response, self.access)
            yield response

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            reason = one_line(str(error)) or type(error).__name__
            raise Failure(
                ExitCode.CANNOT_REACH,
                f"cannot reach Slipway at {self.access.url}: {reason}",
                "is it running? `slipway up` starts one here; --api or SLIPWAY_API_URL names another",
            ) from error


def parsed(response: "httpx2.Response") -> Answer:
    """The JSON of a successful answer; raises Failure when it is none, as from a web page."""
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        text = f"{response.request.url} does not answer like Slipway"
        raise Failure(ExitCode.CANNOT_REACH, text, "check the address given by --api or SLIPWAY_API_URL") from error


def raise_for_refusal(response: "httpx2.Response", access: Access) -> None:
    """Turn an unsuccessful answer into its Failure."""
    if response.is_success:
        return
    if response.status_code == _UNAUTHENTICATED:
        text = "the token is not valid (any more)" if access.token else "this needs a token"
        hint = f"`slipway login {access.url}` keeps one; or set SLIPWAY_TOKEN"
        raise Failure(ExitCode.NOT_ALLOWED, f"{text} at {access.url}", hint)
    problem = _problem(response)
    message = _message(problem) or f"{access.url} answered {response.status_code}"
    if response.status_code == _FORBIDDEN:
        raise Failure(ExitCode.NOT_ALLOWED, message)
    if response.status_code >= _SERVER_ERROR:
        raise Failure(ExitCode.CANNOT_REACH, message, "`slipway doctor` says which part is in trouble")
    if not response.has_redirect_location:
        raise Failure(ExitCode.MISUSE, message)
    raise Failure(ExitCode.CANNOT_REACH, f"{access.url} points elsewhere", "give the address of the API itself")


def _problem(response: "httpx2.Response") -> dict[str, object]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return cast("dict[str, object]", content) if isinstance(content, dict) else {}


def _message(problem: Mapping[str, object]) -> str:
    """The sentence of a problem+json answer, with its single errors below."""
    head = one_line(str(problem.get("detail") or problem.get("title") or ""))
    errors = problem.get("errors")
    details = [_detail(error) for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    news = [detail for detail in details if detail not in head]
    return "\n".join([head, *(f"  {detail}" for detail in news)]).strip("\n")


def _detail(error: Mapping[str, object]) -> str:
    place = [str(error[key]) for key in ("file", "line", "column") if error.get(key)]
    path = str(error.get("path") or error.get("pointer") or "")
    where = " ".join(part for part in (":".join(place), path) if part)
    suggestion = f" (did you mean {error['suggestion']}?)" if error.get("suggestion") else ""
    text = f"{error.get('message') or error.get('detail') or ''}{suggestion}"
    return plain(f"{where}: {text}" if where else text)
