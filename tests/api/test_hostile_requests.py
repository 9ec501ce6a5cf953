"""Whatever is sent to whichever route, on either database: an answer that is no fault of ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlencode

import pytest
from fakes.api_world import BOOTSTRAP, World
from fakes.seed import Seeder
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from api.rights import rights_of

_SERVER_ERROR = 500
_FITTING = {
    "{run_id:path}": "webshop/41/test/1/deploy/1/1",
    "{name:path}": "webshop/db",
    "{pipeline}": "webshop",
    "{number}": "41",
    "{stage}": "prod-eu",
    "{attempt}": "1",
    "{moment}": "before",
    "{name}": "webshop",
    "{revision}": "1",
    "{mail_id}": "1",
    "{token_id}": "0" * 32,
    "{token}": "t" * 43,
}
_ODD = [
    *("", ".", "../..", "//", "//[", "http://[", "[", "\\", "%2f", "a\r\nX: y", "<script>", "{}", "null", "true"),
    *("\0", "a\0b", "\ud800", "\N{RIGHT-TO-LEFT OVERRIDE}", "é", "\N{ARABIC-INDIC DIGIT THREE}", "a" * 400),
    *("0", "-1", "1", "007", "1e3", "NaN", str(2**31), str(2**53), str(2**63), "9" * 400, "9" * 5000),
    *("webshop", "ana@example.com", "group:ops", "approve", "bearer", "MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMHx4"),
]
_TEXTS = st.sampled_from(_ODD) | st.text(max_size=12)
_VALUES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | _TEXTS
_JSON = st.recursive(
    _VALUES, lambda part: st.lists(part, max_size=3) | st.dictionaries(_TEXTS, part, max_size=3), max_leaves=6
)
_HEADERS = ("origin", "host", "accept", "cookie", "last-event-id", "idempotency-key", "sec-fetch-site")
_KINDS = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b; charset=unicode_escape",
    "application/octet-stream",
)


@dataclass(frozen=True)
class _Sent:
    """One request, as it would come off the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@pytest.fixture
async def lived_in(either_world: World) -> World:
    """A world with releases, approvals and logs in it, and the token of an agent."""
    await Seeder(either_world.services.database, either_world.clock()).write()
    return either_world


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_request_is_answered_with_a_fault_of_ours(lived_in: World, data: st.DataObject) -> None:
    """Paths, queries, headers and bodies that nobody meant are refused, not stumbled over."""
    sent = data.draw(_requests(lived_in.app), label="request")
    assert await _status(lived_in.app, sent) < _SERVER_ERROR


@lru_cache(maxsize=1)
def _requests(app: FastAPI) -> st.SearchStrategy[_Sent]:
    """Requests that reach deep: mostly fitting, with something odd in them."""
    # Following a log has no end; it reads its input as reading one does.
    operations = [(m, right.path) for right in rights_of(app) for m in right.methods if "/follow" not in right.path]
    schema = app.openapi()
    models = schema["components"]["schemas"].values()
    fields = sorted({name for model in models for name in model.get("properties", ())})
    queries = sorted(
        {
            parameter["name"]
            for path in schema["paths"].values()
            for operation in path.values()
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        }
        | {"next", "everybody", "before"}
    )

    @st.composite
    def request(draw: st.DrawFn) -> _Sent:
        method, path = draw(st.sampled_from(operations))
        for part, fitting in _FITTING.items():
            if part in path:
                path = path.replace(part, draw(st.sampled_from([fitting] * 3) | _TEXTS))
        kind = draw(st.sampled_from(_KINDS))
        body = draw(st.dictionaries(st.sampled_from(fields) | _TEXTS, _JSON, max_size=6) | _JSON)
        headers = draw(st.dictionaries(st.sampled_from(_HEADERS), _TEXTS | st.just("text/html"), max_size=2))
        return _Sent(
            method=method,
            path=path,
            query=draw(st.dictionaries(st.sampled_from(queries), _TEXTS, max_size=3)),
            headers={"content-type": kind, "authorization": f"Bearer {BOOTSTRAP}", **headers},
            body=_written(body, kind),
        )

    return request()


def _written(body: object, kind: str) -> bytes:
    """As a client of that kind would send it."""
    fields = body if isinstance(body, dict) else {"choice": body}
    if kind == "application/x-www-form-urlencoded":
        return urlencode({str(name): str(value) for name, value in fields.items()}, errors="replace").encode()
    if kind.startswith("multipart"):
        head = 'Content-Disposition: form-data; name="{}"'
        parts = [f"--b\r\n{head.format(name)}\r\n\r\n{value}\r\n" for name, value in fields.items()]
        return "".join([*parts, "--b--\r\n"]).encode("utf-8", "backslashreplace")
    return json.dumps(body).encode()


async def _status(app: FastAPI, sent: _Sent) -> int:
    """Spoken to the application itself: clients would not send half of this."""
    statuses: list[int] = []
    query = {name: value.encode("utf-8", "surrogatepass") for name, value in sent.query.items()}
    headers = {name: value.encode("utf-8", "replace") for name, value in sent.headers.items()}
    raw_path = quote(sent.path.encode("utf-8", "surrogatepass"), safe="/%")
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": sent.method,
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "root_path": "",
        "query_string": urlencode(query).encode(),
        "headers": [(name.encode(), value) for name, value in {"host": b"slipway.test", **headers}.items()],
        "server": ("slipway.test", 80),
        "client": ("127.0.0.1", 5000),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": sent.body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]
