"""The runs under way in this process, so that every attempt that asks for one joins the same."""

import asyncio
from collections.abc import Callable, Coroutine

from activities.agent_job import StepEnd


class RunTable:
    """One task for each run id."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[StepEnd]] = {}

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._tasks

    def get(self, run_id: str) -> asyncio.Task[StepEnd] | None:
        """The run under way, if it is."""
        return self._tasks.get(run_id)

    def task(self, run_id: str, run: Callable[[], Coroutine[None, None, StepEnd]]) -> asyncio.Task[StepEnd]:
        """The run under way, or else the one started now."""
        task = self._tasks.get(run_id)
        if task is None:
            task = self._tasks[run_id] = asyncio.create_task(run())
            task.add_done_callback(lambda done: self._forget(run_id, done))
        return task

    async def join(self, run_id: str, run: Callable[[], Coroutine[None, None, StepEnd]]) -> StepEnd:
        """The run's end. Who is canceled while waiting leaves the run going on."""
        return await asyncio.shield(self.task(run_id, run))

    def _forget(self, run_id: str, done: asyncio.Task[StepEnd]) -> None:
        self._tasks.pop(run_id, None)
        if not done.cancelled():
            done.exception()  # who waited got it; when nobody did, the next attempt meets the same trouble
