"""Work that a signal ends in order: Ctrl-C, SIGTERM, a closed terminal. A second signal does not wait."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Protocol

_SAME_KEY_SECONDS = 0.5
_CODES = {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGHUP: 0}


class Stoppable(Protocol):
    """What runs while the work does."""

    async def stop(self) -> None: ...

    def kill(self) -> None: ...


async def until_signal(running: Stoppable, work: Coroutine[None, None, int]) -> int:
    """Do the work; afterwards, or at a signal, stop what runs. Returns the exit code."""
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in _CODES:
        loop.add_signal_handler(number, signals.put_nowait, number)
    working = asyncio.create_task(work)
    first = asyncio.create_task(signals.get())
    try:
        await asyncio.wait({working, first}, return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            return await working
        return _CODES[first.result()]
    finally:
        first.cancel()
        working.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await working
        await _stop(running, signals)


async def _stop(running: Stoppable, signals: "asyncio.Queue[signal.Signals]") -> None:
    print("stopping", file=sys.stderr, flush=True)
    stopping = asyncio.create_task(running.stop())
    impatient = asyncio.create_task(_another(signals))
    await asyncio.wait({stopping, impatient}, return_when=asyncio.FIRST_COMPLETED)
    if impatient.done():
        running.kill()
    impatient.cancel()
    await stopping


async def _another(signals: "asyncio.Queue[signal.Signals]") -> None:
    """Wait for the signal of a person without patience; the echo of one Ctrl-C, which ``uv run`` passes on, is none."""
    await asyncio.sleep(_SAME_KEY_SECONDS)
    while not signals.empty():
        signals.get_nowait()
    await signals.get()
