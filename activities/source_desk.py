"""Asking a source something that people wait for: within a deadline, and in a thread of its own.

A source blocks as long as it likes. Whoever asked goes on when time is up; the thread is left behind, and ends when
the source does.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from activities.artifact_source import ArtifactSource, SourceOpener, SourceUnreachable, UnknownConnection
from activities.pinning import Connections, connection_name
from domain.pipeline import (
    AzurePipelinesSource,
    DirectorySource,
    GithubSource,
    JenkinsSource,
    Source,
    StorageSource,
)
from domain.refusal import Kind, Refusal

_T = TypeVar("_T")
_MOST_AT_ONCE = 64


class SourceSilent(Refusal):
    """The source did not answer in time, or not to the end."""

    kind = Kind.UNAVAILABLE


class SourceDesk:
    """Opens sources and asks them. However many of them hang, only so many threads are left behind."""

    def __init__(self, open_source: SourceOpener, connections: Connections, *, seconds: float) -> None:
        self._open_source = open_source
        self._connections = connections
        self._seconds = seconds
        self._asking = 0

    async def ask(
        self, source: Source, question: Callable[[ArtifactSource], _T], *, seconds: float | None = None
    ) -> _T:
        """Raises SourceSilent, UnknownConnection, and what the source refuses."""
        name = connection_name(source)
        connection = await self._connections.connection(name) if name else None
        if name and connection is None:
            raise UnknownConnection(f"there is no connection {name}; an admin can add it")
        if self._asking >= _MOST_AT_ONCE:
            raise SourceSilent(f"{spoken(source)} was not asked, because too many questions wait for answers already")
        answer = self._in_a_thread(lambda: question(self._open_source(source, connection)))
        try:
            async with asyncio.timeout(seconds or self._seconds):
                return await answer
        except (TimeoutError, SourceUnreachable) as error:
            raise SourceSilent(f"{spoken(source)} did not answer") from error

    def _in_a_thread(self, work: Callable[[], _T]) -> "asyncio.Future[_T]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()

        def end(tell: Callable[[], None]) -> None:
            self._asking -= 1
            if not answer.done():
                tell()

        def run() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001  it is raised where somebody waits for it
                told = error
                _call(loop, lambda: end(lambda: answer.set_exception(told)))
            else:
                _call(loop, lambda: end(lambda: answer.set_result(result)))

        threading.Thread(target=run, name="source", daemon=True).start()
        self._asking += 1
        return answer


def spoken(source: Source) -> str:
    """``Jenkins ci``: the server that is asked, in words."""
    match source:
        case JenkinsSource():
            return f"Jenkins {source.server}"
        case AzurePipelinesSource():
            return f"Azure Pipelines {source.connection}"
        case StorageSource():
            return f"The store {source.connection}"
        case GithubSource():
            return f"GitHub {source.repository}"
        case DirectorySource():
            return f"The directory {source.path}"
    return f"The server of {source.href}"


def _call(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    """In the loop, unless that has ended meanwhile."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(work)
