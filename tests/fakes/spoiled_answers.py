"""What servers do to files on their way, as ASGI middleware: cut, dripped, of another length, other bytes."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HTTP_ERROR = 400


class ConnectionCut(Exception):  # noqa: N818  reads as what happened
    """Raised inside the server so that it drops the connection."""


@dataclass
class Spoilt:
    """How an answer is sent instead: pieces, of which the last may be followed by a cut, under another length."""

    pieces: list[bytes]
    claims: int
    is_cut: bool = False


def _cut(body: bytes, rng: random.Random) -> Spoilt:
    return Spoilt([body[: rng.randrange(len(body))]], len(body), is_cut=True)


def _cut_at_once(body: bytes, _: random.Random) -> Spoilt:
    return Spoilt([], len(body), is_cut=True)


def _drip(body: bytes, rng: random.Random) -> Spoilt:
    size = max(1, len(body) // 20)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return Spoilt(pieces, len(body)) if rng.random() < 0.5 else Spoilt(pieces[:-1], len(body), is_cut=True)


def _too_long(body: bytes, rng: random.Random) -> Spoilt:
    return Spoilt([body + rng.randbytes(10)], len(body) + 10)


def _claims_more(body: bytes, rng: random.Random) -> Spoilt:
    return Spoilt([body], len(body) + rng.randrange(1, 1000), is_cut=True)


def _claims_less(body: bytes, rng: random.Random) -> Spoilt:
    kept = body[: rng.randrange(len(body))]
    return Spoilt([kept], len(kept))


def _other_bytes(body: bytes, rng: random.Random) -> Spoilt:
    changed, place = bytearray(body), rng.randrange(len(body))
    changed[place] ^= rng.randrange(1, 256)
    return Spoilt([bytes(changed)], len(body))


SPOILING: dict[str, Callable[[bytes, random.Random], Spoilt]] = {
    "cut": _cut,
    "cut at once": _cut_at_once,
    "drip": _drip,
    "too long": _too_long,
    "claims more": _claims_more,
    "claims less": _claims_less,
    "other bytes": _other_bytes,
}
RANGES_IGNORED = "ranges ignored"
BUSY = "busy"


@dataclass
class Spoiler:
    """Names what goes wrong with the next answers of a file, first to last; ``always`` goes on after them."""

    next: deque[str]
    always: str = ""

    def take(self) -> str:
        return self.next.popleft() if self.next else self.always


@dataclass
class SpoiledAnswers:
    """Spoils the files among the answers of all applications it is put around, and counts what it did.

    ``name_of`` finds in the path and query of a request which of the ``spoilers`` is meant.
    """

    name_of: Callable[[str], str | None]
    rng: random.Random
    spoilers: dict[str, Spoiler] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)

    def around(self, app: ASGIApp) -> ASGIApp:
        async def spoiled(scope: Scope, receive: Receive, send: Send) -> None:
            spoiler = self.spoilers.get(self.name_of(f"{scope['path']}?{scope['query_string'].decode()}") or "")
            if spoiler is None:
                await app(scope, receive, send)
                return
            await self._answer(app, spoiler, (scope, receive, send))

        return spoiled

    async def _answer(self, app: ASGIApp, spoiler: Spoiler, call: tuple[Scope, Receive, Send]) -> None:
        scope, receive, send = call
        asks_for_a_part = any(name == b"range" for name, _ in scope["headers"])
        if asks_for_a_part and spoiler.next and spoiler.next[0] == RANGES_IGNORED:
            self.fired[spoiler.take()] += 1
            kept = [(name, value) for name, value in scope["headers"] if name not in {b"range", b"if-range"}]
            scope = {**scope, "headers": kept}
        heard: list[Message] = []

        async def hear(message: Message) -> None:
            heard.append(message)

        await app(scope, receive, hear)
        await self._send(heard, spoiler, send)

    async def _send(self, heard: list[Message], spoiler: Spoiler, send: Send) -> None:
        start, body = heard[0], b"".join(message.get("body", b"") for message in heard[1:])
        kind = dict(start["headers"]).get(b"content-type", b"")
        is_file = body and start["status"] < _HTTP_ERROR and b"json" not in kind
        fault = spoiler.take() if is_file else ""
        if fault == BUSY:
            self.fired[BUSY] += 1
            start, body = {**start, "status": 503}, b""
        elif fault in SPOILING:
            self.fired[fault] += 1
        spoilt = SPOILING.get(fault, lambda body, _: Spoilt([body], len(body)))(body, self.rng)
        headers = [pair for pair in start["headers"] if pair[0] not in {b"content-length", b"transfer-encoding"}]
        await send({**start, "headers": [*headers, (b"content-length", str(spoilt.claims).encode())]})
        for piece in spoilt.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0.001 if len(spoilt.pieces) > 1 else 0)
        if spoilt.is_cut:
            raise ConnectionCut(fault)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
