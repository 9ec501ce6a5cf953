"""Heartbeats beside a long activity."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from temporalio import activity


@asynccontextmanager
async def heartbeating(every_seconds: float = 2.0, *, progress: Callable[[], str] | None = None) -> AsyncIterator[None]:
    """Heartbeat until the block ends. The server learns within its heartbeat timeout that this process died.

    What ``progress`` says stands beside the activity in Temporal Web UI.
    """
    beat = asyncio.create_task(_beat(every_seconds, progress))
    try:
        yield
    finally:
        beat.cancel()
        with suppress(asyncio.CancelledError):
            await beat


async def _beat(every_seconds: float, progress: Callable[[], str] | None) -> None:
    while True:
        activity.heartbeat(*([progress()] if progress else []))
        await asyncio.sleep(every_seconds)
