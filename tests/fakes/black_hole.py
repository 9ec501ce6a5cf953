"""A network that can be cut: a TCP proxy that then neither closes, nor refuses, nor answers."""

import asyncio
import threading
from contextlib import closing, suppress
from types import TracebackType
from typing import Self

_PIECE = 64 * 1024


class BlackHole:
    """``with BlackHole(port) as way``: ``way.port`` leads to the port, but for the time that it is cut.

    What is sent meanwhile is held back and comes through afterwards, as TCP sends it again; or, if the network forgot
    its connections, they stay silent for ever, and only new ones come through. ``held`` counts what met the cut.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._age = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0
        self.held = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._is_open.clear)

    def mend(self, *, is_forgetful: bool = False) -> None:
        """Let everything through again; only new connections, if the network forgot the others."""
        self._loop.call_soon_threadsafe(self._mend, is_forgetful)

    def _mend(self, is_forgetful: bool) -> None:  # noqa: FBT001  called by the loop, which names nothing
        self._age += is_forgetful
        self._is_open.set()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # what was closed is told so

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.CancelledError), closing(writer):
            await self._passing(self._age)
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            with closing(to_writer):
                await asyncio.gather(self._pump(reader, to_writer), self._pump(to_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        age = self._age
        is_over = False
        while not is_over:
            piece = await reader.read(_PIECE)
            await self._passing(age)
            is_over = not piece
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def _passing(self, age: int) -> None:
        """Wait until the network lets through what belongs to a connection of this age; perhaps for ever."""
        if self._is_open.is_set() and age == self._age:
            return
        self.held += 1
        await self._is_open.wait()
        if age != self._age:
            await asyncio.Event().wait()
