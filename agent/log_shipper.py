"""Carry a growing log file, and files to be kept, to the API: no byte lost or doubled, whatever fails on the way."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from agent.api_client import ApiRefused, ApiUnreachable, LogGap

_log = structlog.get_logger("slipway.agent")
_PIECE = 256 * 1024
_LOOK_SECONDS = 0.1
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
_MAY_BE_ALLOWED_LATER = frozenset({401, 403})


class LogSink(Protocol):
    """Where bytes of logs and files go."""

    async def append_log(self, run_id: str, offset: int, piece: bytes) -> int:
        """Returns the size there; raises LogGap, ApiUnreachable, ApiRefused."""
        ...

    async def append_file(self, run_id: str, number: int, offset: int, piece: bytes) -> int:
        """Returns the size there; raises LogGap, ApiUnreachable, ApiRefused."""
        ...


@dataclass(frozen=True)
class _Way:
    """How pieces of one log or file get to the server, and which of its refusals are its last word."""

    name: str
    append: Callable[[int, bytes], Awaitable[int]]
    is_final: Callable[[ApiRefused], bool]


class LogShipper:
    """Ships any number of logs and files; the server's size is the only memory of how far one came."""

    def __init__(self, sink: LogSink, longest_wait: float = _LONGEST_WAIT) -> None:
        self._sink = sink
        self._longest_wait = longest_wait

    async def ship(self, run_id: str, log: Path, ended: asyncio.Event) -> None:
        """Follow the file until ``ended`` is set, and return when the server has all of it."""
        way = _Way(f"the log of {run_id}", partial(self._sink.append_log, run_id), _is_closed)
        offset = await self._send(way, 0, b"")
        while offset is not None:
            # Asked before the read, so that what was written before the end is seen by that read.
            is_complete = ended.is_set()
            piece = await asyncio.to_thread(_read, log, offset)
            if piece:
                offset = await self._send(way, offset, piece)
            elif is_complete:
                return
            else:
                await _either(ended, _LOOK_SECONDS)

    async def ship_files(self, run_id: str, folder: Path, count: int) -> None:
        """Send the files ``1`` to ``count``; return when the server has them, or does not want them."""
        for number in range(1, count + 1):
            append = partial(self._sink.append_file, run_id, number)
            way = _Way(f"file {number} of {run_id}", append, _is_not_wanted)
            try:
                await self._ship_file(way, folder / str(number))
            except OSError as trouble:
                _log.warning("file not read", what=way.name, trouble=str(trouble))

    async def _ship_file(self, way: _Way, file: Path) -> None:
        offset = await self._send(way, 0, b"")
        while offset is not None and (piece := await asyncio.to_thread(_read, file, offset)):
            offset = await self._send(way, offset, piece)

    async def _send(self, way: _Way, offset: int, piece: bytes) -> int | None:
        """Where to go on, by the server's word; None when it takes no more.

        Tries for ever otherwise: a run has not ended before its log and its files are there.
        """
        wait = _FIRST_WAIT
        while True:
            try:
                return await way.append(offset, piece)
            except LogGap as gap:
                return gap.size
            except (ApiUnreachable, ApiRefused) as trouble:
                if isinstance(trouble, ApiRefused) and way.is_final(trouble):
                    _log.warning("not taken by the API", what=way.name, offset=offset, trouble=str(trouble))
                    return None
                _log.warning("not sent", what=way.name, offset=offset, trouble=str(trouble), again_in=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, self._longest_wait)


def _is_closed(refused: ApiRefused) -> bool:
    """The server knows the run's end, and so that of its log."""
    return refused.error == "LogClosed"


def _is_not_wanted(refused: ApiRefused) -> bool:
    """A file that the server does not take must not keep the run from ending."""
    return refused.status not in _MAY_BE_ALLOWED_LATER


def _read(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(_PIECE)
    except FileNotFoundError:
        return b""


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
