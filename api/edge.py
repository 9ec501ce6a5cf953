"""The outermost layer of the application: a trace id, security headers, a size limit, one log line a request.

Bugs end here as a 500 that tells nothing but the trace id.
"""

import re
import time
from uuid import uuid4

import structlog
from fastapi import HTTPException, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem

LARGEST_BODY = 1024 * 1024

_CONTENT_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LINK = re.compile(r"(?<=approve)[^a-z].*", re.DOTALL | re.IGNORECASE)  # also below a prefix, or spelt wrongly
_SERVER_ERROR = 500
_MOST_DIGITS = 20
_log = structlog.get_logger("slipway.access")


class Edge:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["trace_id"] = uuid4().hex
        exchange = _Exchange(scope, receive, send)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(trace_id=scope["trace_id"]):
            try:
                await exchange.serve(self._app)
            finally:
                exchange.log(time.perf_counter() - started)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._received = 0
        self._status: int | None = None

    async def serve(self, app: ASGIApp) -> None:
        try:
            if self._announced() > LARGEST_BODY:
                await self._answer(413, _TOO_LARGE, "TooLarge")
            elif "\0" in self._scope["path"] or b"%00" in self._scope["query_string"]:
                # No name, number or word of ours has one, and PostgreSQL stumbles over it.
                await self._answer(400, "an address must not contain the NUL character", "BadRequest")
            else:
                await app(self._scope, self._receive_some, self._send_with_headers)
        except Exception:
            _log.exception("request failed")
            if self._status is not None:
                raise  # the answer has begun; cutting the connection is all that is left
            text = f"something went wrong here; its log has the trace id {self._scope['trace_id']}"
            await self._answer(_SERVER_ERROR, text, "InternalError")

    def log(self, seconds: float) -> None:
        """One line; neither query nor the token of a mailed link is in it."""
        path = _LINK.sub("/***", self._scope["path"])
        _log.info(
            "request", method=self._scope["method"], path=path, status=self._status, milliseconds=round(seconds * 1000)
        )

    def _announced(self) -> int:
        for name, value in self._scope["headers"]:
            if name == b"content-length":
                # Of longer ones the length alone tells enough.
                return int(value[:_MOST_DIGITS]) if value.isdigit() else 0
        return 0

    async def _receive_some(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > LARGEST_BODY:
            raise HTTPException(413, _TOO_LARGE)
        return message

    async def _answer(self, status: int, text: str, error: str) -> None:
        response = problem(Request(self._scope), status, text, error=error)
        await response(self._scope, self._receive, self._send_with_headers)

    async def _send_with_headers(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
            headers["X-Trace-Id"] = self._scope["trace_id"]
        await self._send(message)


_TOO_LARGE = f"the body is larger than {LARGEST_BODY} bytes"
