"""Heartbeats beside a long activity."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio import activity


@asynccontextmanager
async def heartbeating(every_seconds: float = 2.0) -> AsyncIterator[None]:
    """Heartbeat until the block ends. The server learns within its heartbeat timeout that this process died."""
    beat = asyncio.create_task(_beat(every_seconds))
    try:
        yield
    finally:
        beat.cancel()
        with suppress(asyncio.CancelledError):
            await beat


async def _beat(every_seconds: float) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(every_seconds)
