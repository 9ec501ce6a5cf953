"""Why a build has to end before its time: somebody asked for it, its time is up, or its agent was cut off."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.agent_job import StepOutcome
from agent.leases import Lease
from agent.process_tree import since_boot
from agent.run_folder import RunFolder

_LOOK_SECONDS = 0.5


class StopAsked(Exception):  # noqa: N818  reads as what happened
    """The build is to end as ``outcome``."""

    def __init__(self, outcome: StepOutcome, reason: str = "") -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class StopWatch:
    """Looks for a reason to stop, until it is set aside."""

    def __init__(self, folder: RunFolder, lease: Lease) -> None:
        self._folder = folder
        self._lease = lease
        self._ends_at = math.inf
        self._timeout = timedelta(0)
        self._is_asked = asyncio.Event()
        self._is_aside = False

    def time_out(self, timeout: timedelta, began_at: datetime) -> None:
        """The time that the step has, and when it began; no clock that was set makes it longer."""
        gone = max(timedelta(0), datetime.now(UTC) - began_at)
        self._timeout = timeout
        self._ends_at = time.monotonic() + max(timedelta(0), timeout - gone).total_seconds()

    def ask(self) -> None:
        """Somebody asked for it."""
        self._is_asked.set()

    async def unless(self, work: "asyncio.Future[Any]") -> None:
        """Wait for the work. Raises StopAsked when a reason to stop comes before its end."""
        asked = asyncio.create_task(self._is_asked.wait())
        try:
            while not work.done():
                if (stop := self._why()) is not None:
                    raise stop
                waited: set[asyncio.Future[Any]] = (
                    {work} if self._is_aside or self._is_asked.is_set() else {work, asked}
                )
                await asyncio.wait(waited, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            if not work.done():
                work.cancel()

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """While what has to be stopped is being stopped."""
        before, self._is_aside = self._is_aside, True
        try:
            yield
        finally:
            self._is_aside = before

    def _why(self) -> StopAsked | None:
        if self._is_aside:
            return None
        if self._is_asked.is_set() or self._folder.is_canceled:
            return StopAsked(StepOutcome.CANCELED)
        if time.monotonic() >= self._ends_at:
            return StopAsked(StepOutcome.TIMED_OUT, f"timed out after {self._timeout}")
        if (silence := self._silence()) > self._lease.cut_off_after:
            why = f"this agent was cut off from Temporal for {silence:.0f} s, and its job may be given to another"
            return StopAsked(StepOutcome.CUT_OFF, why)
        return None

    def _silence(self) -> float:
        """Seconds since the server last knew that this agent has the job."""
        with suppress(OSError, ValueError):
            return since_boot() - float(self._lease.heard.read_text())
        return 0.0
