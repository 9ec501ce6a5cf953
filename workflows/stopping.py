"""Stopping a workflow on request: by our own cancel signal, or by the cancel button of Temporal Web UI.

The SDK can lose a cancellation that arrives together with the end of a child, so every wait also looks at
``workflow.cancellation_reason()``, which keeps it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

from domain.frozen import Frozen


class CancelRequest(Frozen):
    """Who wants the end, and why."""

    by: str
    reason: str = ""

    def __str__(self) -> str:
        return f"canceled by {self.by}" + (f": {self.reason}" if self.reason else "")


class Stop:
    """Remembers the first request to stop, and waits for conditions with an ear open for one."""

    def __init__(self) -> None:
        self._request: CancelRequest | None = None

    def ask(self, request: CancelRequest) -> None:
        self._request = self._request or request

    @property
    def request(self) -> CancelRequest | None:
        if self._request is None and workflow.cancellation_reason() is not None:
            self._request = CancelRequest(by="an operator in Temporal")
        return self._request

    @property
    def is_asked(self) -> bool:
        return self.request is not None

    async def wait(
        self, condition: Callable[[], bool], *, within: timedelta | None = None, summary: str | None = None
    ) -> None:
        """Return when the condition holds or a stop is asked; raises TimeoutError."""
        with suppress(asyncio.CancelledError):
            await workflow.wait_condition(lambda: condition() or self.is_asked, timeout=within, timeout_summary=summary)

    async def wait_regardless(
        self, condition: Callable[[], bool], *, within: timedelta, summary: str | None = None
    ) -> bool:
        """Wait while stopping; says whether the condition came to hold in time."""
        try:
            await workflow.wait_condition(condition, timeout=within, timeout_summary=summary)
        except asyncio.CancelledError:
            await workflow.wait_condition(condition, timeout=within, timeout_summary=summary)
        except TimeoutError:
            return False
        return True
