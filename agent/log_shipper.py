"""Carry a growing log file to the API: no byte lost, none doubled, whatever fails on the way."""

import asyncio
from pathlib import Path
from typing import Protocol

import structlog

from agent.api_client import ApiRefused, ApiUnreachable, LogGap

_log = structlog.get_logger("slipway.agent")
_PIECE = 256 * 1024
_LOOK_SECONDS = 0.1
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0


class LogSink(Protocol):
    """Where log bytes go."""

    async def append_log(self, run_id: str, offset: int, piece: bytes) -> int:
        """Returns the size there; raises LogGap, ApiUnreachable, ApiRefused."""
        ...


class LogShipper:
    """Ships any number of logs; the server's size is the only memory of how far one came."""

    def __init__(self, sink: LogSink, longest_wait: float = _LONGEST_WAIT) -> None:
        self._sink = sink
        self._longest_wait = longest_wait

    async def ship(self, run_id: str, log: Path, ended: asyncio.Event) -> None:
        """Follow the file until ``ended`` is set, and return when the server has all of it."""
        offset = await self._send(run_id, 0, b"")
        while offset is not None:
            # Asked before the read, so that what was written before the end is seen by that read.
            is_complete = ended.is_set()
            piece = await asyncio.to_thread(_read, log, offset)
            if piece:
                offset = await self._send(run_id, offset, piece)
            elif is_complete:
                return
            else:
                await _either(ended, _LOOK_SECONDS)

    async def _send(self, run_id: str, offset: int, piece: bytes) -> int | None:
        """Where to go on, by the server's word; None when it closed the log, since it knows the run's end.

        Tries for ever otherwise: a run has not ended before its log is there.
        """
        wait = _FIRST_WAIT
        while True:
            try:
                return await self._sink.append_log(run_id, offset, piece)
            except LogGap as gap:
                return gap.size
            except (ApiUnreachable, ApiRefused) as trouble:
                if isinstance(trouble, ApiRefused) and trouble.error == "LogClosed":
                    return None
                _log.warning("log not sent", run=run_id, offset=offset, trouble=str(trouble), again_in=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, self._longest_wait)


def _read(log: Path, offset: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(offset)
            return file.read(_PIECE)
    except FileNotFoundError:
        return b""


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
