"""What can go wrong between a server and a client, to be switched on in a stand-in: errors, cuts, drips, lies."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ConnectionCut(Exception):  # noqa: N818  reads as what happened
    """Raised inside the server so that it drops the connection."""


@dataclass
class Fault:
    """One thing going wrong for requests whose path contains ``path``; ``times`` None means always.

    ``cut_at`` drops the connection after so many bytes of the body; ``drip`` sends pieces of so many bytes, a pause
    (seconds) after each; ``claims`` announces another length, and a shorter one cuts the body to match;
    ``redirect_to`` answers 302; ``status`` answers it with an empty HTML page; ``delay`` (seconds) comes before all.
    ``reset`` resets the connection: before the request is handled, or after it was, so that its answer is lost.
    """

    path: str = ""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    drip: tuple[int, float] | None = None
    claims: int | None = None
    redirect_to: str | None = None
    delay: float = 0
    reset: Literal["before", "after"] | None = None
    times: int | None = None
    fired: int = 0

    @property
    def is_spent(self) -> bool:
        return self.times is not None and self.fired >= self.times


class Faults:
    """The faults switched on at a stand-in. A test asserts ``fired``: a fault that never happened proves nothing."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        self._faults.clear()

    def take(self, path: str) -> Fault | None:
        """The first fault that fits, counted as fired."""
        for fault in self._faults:
            if fault.path in path and not fault.is_spent:
                fault.fired += 1
                return fault
        return None


class FaultyApp:
    """ASGI middleware that lets a stand-in's faults happen."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._faults.take(scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(fault.delay)
        if fault.reset == "before":
            await _reset(send)
        elif fault.status is not None or fault.redirect_to is not None:
            await _answer(fault, send)
        elif fault.reset == "after":
            await self._app(scope, receive, _unheard)
            await _reset(send)
        else:
            await self._app(scope, receive, _FaultySend(fault, send))


async def _unheard(_: Message) -> None:
    """Where an answer goes that nobody is to get."""


async def _reset(send: Send) -> None:
    """ASGI has no word for it, so we reach through to the server's connection."""
    exchange = send.__self__  # type: ignore[attr-defined]  # uvicorn's, to which ``send`` is bound
    exchange.transport.abort()
    while not exchange.disconnected:  # noqa: ASYNC110  uvicorn tells nobody
        await asyncio.sleep(0)


async def _answer(fault: Fault, send: Send) -> None:
    headers = {"content-type": "text/html", "content-length": "0", **fault.headers}
    if fault.redirect_to is not None:
        headers["location"] = fault.redirect_to
    status = fault.status or 302
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": b""})


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


class _FaultySend:
    """Sends a good answer badly."""

    def __init__(self, fault: Fault, send: Send) -> None:
        self._fault = fault
        self._send = send
        self._sent = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": self._headers(message["headers"])}
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        for piece in self._pieces(message.get("body", b"")):
            await self._send_piece(piece)
        await self._send({"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)})

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        if self._fault.claims is None:
            return headers
        kept = [(name, value) for name, value in headers if name != b"content-length"]
        return [*kept, (b"content-length", str(self._fault.claims).encode())]

    def _pieces(self, body: bytes) -> Iterator[bytes]:
        size = self._fault.drip[0] if self._fault.drip else len(body) or 1
        yield from (body[start : start + size] for start in range(0, len(body), size))

    async def _send_piece(self, piece: bytes) -> None:
        allowed = self._within(piece, self._fault.cut_at)
        fitting = self._within(allowed, self._fault.claims)
        await self._send({"type": "http.response.body", "body": fitting, "more_body": True})
        self._sent += len(fitting)
        if len(allowed) < len(piece):
            raise ConnectionCut(f"after {self._sent} bytes, as asked")
        if self._fault.drip:
            await asyncio.sleep(self._fault.drip[1])

    def _within(self, piece: bytes, limit: int | None) -> bytes:
        return piece if limit is None else piece[: max(0, limit - self._sent)]
