"""All processes of a local installation: started in order as each becomes ready, stopped in the opposite order."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

from local.api_client import ApiClient, Visitor
from local.child import Child, Program, Say
from local.programs import Programs, url
from local.state_folder import Memory
from local.trouble import Trouble

_READY_WITHIN_SECONDS = 90.0
_MAY_DIE_AT_START = 2
_LOOK_EVERY_SECONDS = 0.1
_STOP_ORDER = ("agent", "worker", "api", "stand-ins", "temporal")

IsReady = Callable[[], Awaitable[bool]]


class Installation:
    """The running processes. ``start`` may be cut short by ``stop`` at any point."""

    def __init__(self, logs: Path, memory: Memory, programs: Programs, say: Say) -> None:
        self._logs = logs
        self._memory = memory
        self._programs = programs
        self._say = say
        self._children: list[Child] = []

    async def start(self) -> None:
        """Start everything, what can wait for the rest at once with it; raises Trouble for a part that fails to."""
        async with Visitor() as visitor:
            await _together(
                self._temporal_and_worker(visitor),
                self._run(self._programs.stand_ins(), lambda: self._stand_ins_answer(visitor)),
                self._run(self._programs.api(), lambda: visitor.is_well(f"{self._memory.api_url}/readyz")),
            )
        async with ApiClient(self._memory.api_url, self._memory.admin_token) as api:
            enrolment = await api.post("/agents/enrolment-tokens", {"pool": "default"})
            await self._run(self._programs.agent(enrolment["token"]), lambda: _has_agent(api))

    async def _temporal_and_worker(self, visitor: Visitor) -> None:
        # The UI's proxy answers for the namespace only when the server behind it does.
        namespace = f"{url(self._memory.ports['ui'])}/api/v1/namespaces/default"
        await self._run(self._programs.temporal(), lambda: visitor.is_well(namespace))
        await self._run(self._programs.worker(), lambda: _is_polled(visitor, f"{namespace}/task-queues/releases"))

    async def _run(self, program: Program, is_ready: IsReady) -> None:
        began = time.monotonic()
        child = Child(program, self._logs, self._say)
        self._children.append(child)
        await child.start()
        while not await is_ready():
            if child.deaths > _MAY_DIE_AT_START or time.monotonic() - began > _READY_WITHIN_SECONDS:
                raise Trouble(f"{program.name} does not get ready", f"its log: {child.log}")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        self._say(f"{program.name:<10} ready after {time.monotonic() - began:.1f} s")

    async def _stand_ins_answer(self, visitor: Visitor) -> bool:
        places = (f"{url(self._memory.ports[name])}/" for name in ("jenkins", "azure", "sendgrid"))
        return all([await visitor.is_well(place) for place in places])

    async def stop(self) -> None:
        """Stop agent, worker, API, stand-ins and Temporal, in this order."""
        for child in sorted(self._children, key=lambda child: _STOP_ORDER.index(child.program.name)):
            await child.stop()

    def kill(self) -> None:
        """End everything at once."""
        for child in self._children:
            child.kill()


async def _together(*starts: Coroutine[None, None, None]) -> None:
    """All at once; the first Trouble ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for start in starts:
                group.create_task(start)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed


async def _is_polled(visitor: Visitor, task_queue: str) -> bool:
    return bool((await visitor.json_at(task_queue)).get("pollers"))


async def _has_agent(api: ApiClient) -> bool:
    return any(agent["is_online"] for agent in await api.get("/agents"))
