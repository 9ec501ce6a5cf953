"""A Jenkins that is asked in threads of its own: its outages are waited out, and no stop waits for its answers."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from activities.artifact_source import SourceUnreachable
from activities.jenkins_builds import BuildServer
from agent.build_memory import BuildLog
from agent.build_stop import StopWatch
from domain.refusal import Refusal

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """In seconds: between two looks, for a build that may have begun, with a Jenkins that refuses, for the end."""

    first_look: float = 0.5
    longest_look: float = 5.0
    search: float = 15.0
    refusal: float = 60.0
    stop: float = 30.0


class PatientServer:
    """``forgives`` says whether a refusal may pass, too: not before there is a build to wait for."""

    def __init__(  # noqa: PLR0913  what it works with; all named
        self,
        *,
        name: str,
        open_server: Callable[[], BuildServer],
        threads: Executor,
        log: BuildLog,
        stop: StopWatch,
        patience: Patience,
        forgives: Callable[[], bool],
    ) -> None:
        self._name = name
        self._open_server = open_server
        self._threads = threads
        self._log = log
        self._stop = stop
        self._patience = patience
        self._forgives = forgives
        self._server: BuildServer | None = None

    async def ask(self, call: Callable[[BuildServer], T]) -> T:
        """Wait until it answers. Raises StopAsked, and refusals."""
        away_since, refused_since, look = 0.0, 0.0, self._patience.first_look
        while True:
            try:
                result = await self._once(call)
            except (SourceUnreachable, Refusal) as trouble:
                if not isinstance(trouble, SourceUnreachable):
                    refused_since = refused_since or time.monotonic()
                    if not self._forgives() or time.monotonic() - refused_since >= self._patience.refusal:
                        raise
                if not away_since:
                    away_since = time.monotonic()
                    self._log.line(f"{trouble}. Waiting for it.")
                await self.pause(look)
                look = min(look * 1.5, self._patience.longest_look)
            else:
                if away_since:
                    self._log.line(f"{self._name} answers again, after {time.monotonic() - away_since:.0f} s.")
                return result

    async def ask_to_the_end(self, call: Callable[[BuildServer], T]) -> T:
        """Once, and not to be given up half-way."""
        return await self._begin(call)

    async def pause(self, seconds: float) -> None:
        """Raises StopAsked."""
        await self._stop.unless(asyncio.create_task(asyncio.sleep(seconds)))

    def give_up(self) -> None:
        """What is being asked now is not waited for: its thread may write no more, and the next asks anew."""
        self._log.send_readers_away()
        self._server = None

    async def _once(self, call: Callable[[BuildServer], T]) -> T:
        calling = self._begin(call)
        try:
            await self._stop.unless(calling)
        except BaseException:
            self.give_up()
            calling.add_done_callback(_forget)
            raise
        return calling.result()

    def _begin(self, call: Callable[[BuildServer], T]) -> "asyncio.Future[T]":
        self._server = self._server or self._open_server()
        return asyncio.get_running_loop().run_in_executor(self._threads, call, self._server)


def _forget(calling: "asyncio.Future[Any]") -> None:
    """Nobody wants to know any more how it ended."""
    if not calling.cancelled():
        calling.exception()
