"""Stopping a workflow on request: by our own cancel signal, or by the cancel button of Temporal Web UI.

A cancellation through Temporal interrupts whatever is being waited for, a record half written included, and the SDK
can lose one that arrives together with the end of a child. So a workflow does its work where no cancellation reaches
(``to_the_end``), and every wait looks at ``workflow.cancellation_reason()``, which keeps it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow

from domain.frozen import Frozen

_T = TypeVar("_T")


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Do the whole work of a workflow though it may be canceled meanwhile; the work itself looks for a stop."""
    working = asyncio.create_task(work)
    while not working.done():
        with suppress(asyncio.CancelledError):
            await workflow.wait_condition(working.done)
    return working.result()


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
        self, condition: Callable[[], bool], *, within: timedelta | None = None, summary: str | None = None
    ) -> bool:
        """Wait while stopping; says whether the condition came to hold in time."""
        until = None if within is None else workflow.now() + within
        while not condition() and (until is None or workflow.now() < until):
            left = None if until is None else until - workflow.now()
            with suppress(asyncio.CancelledError, TimeoutError):
                await workflow.wait_condition(condition, timeout=left, timeout_summary=summary)
        return condition()
