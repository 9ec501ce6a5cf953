"""The agent's slots, shared by all queues it polls."""

import asyncio
import threading

from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
)

from agent.leases import Leases

_STAGGER_SECONDS = 0.06


class SlotPool:
    """Counts what runs against the agent's capacity. ``close`` it to take no more jobs."""

    def __init__(self, capacity: int, leases: Leases) -> None:
        self.capacity = capacity
        self._leases = leases
        self._running = 0
        self._is_closed = False
        self._waiters: set[asyncio.Future[None]] = set()
        # Guards the counts: workers mark and release permits from threads of their own.
        self.lock = threading.Lock()
        # First come, first served: the queue that just got a job goes to the end of the line.
        self.turn = asyncio.Lock()
        self.last_grant = 0.0

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def is_full(self) -> bool:
        """Whether another job has to be refused."""
        return self._is_closed or len(self._leases) >= self.capacity

    def has_room(self, polling: int) -> bool:
        """Whether a queue that polls with so many permits may poll with one more."""
        taken = self._running + self._leases.without_permit()
        return not self._is_closed and polling + taken < self.capacity

    def count_running(self, change: int) -> None:
        self._running += change

    def resize(self, capacity: int) -> None:
        """From now on. What runs beyond it goes on."""
        if capacity != self.capacity:
            self.capacity = capacity
            self.wake()

    def close(self) -> None:
        self._is_closed = True

    def wake(self) -> None:
        """Let the queues look again. May be called from any thread."""
        for waiter in list(self._waiters):
            waiter.get_loop().call_soon_threadsafe(_resolve, waiter)

    async def wait_for_change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            # Woken, or out of patience: a change between the look and the wait must not be missed for long.
            await asyncio.wait([waiter], timeout=1.0)
        finally:
            self._waiters.discard(waiter)


class QueueSlots(CustomSlotSupplier):
    """The slot supplier of one queue.

    A permit is taken before the poll and kept through it. If every permit counted against the capacity, an agent with
    one slot would poll one of its queues at a time. So only what runs anywhere and what polls here are counted: every
    queue is polled while a slot is free, and the rare surplus job is refused as AgentBusy.
    """

    def __init__(self, pool: SlotPool) -> None:
        self._pool = pool
        self._polling = 0

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:  # noqa: ARG002  the supplier's interface
        while True:
            # Never wait for room inside the turn: the worker asks for its next permit while it still polls, and
            # would block all other queues.
            while not self._has_room():
                await self._pool.wait_for_change()
            async with self._pool.turn:
                # One queue at a time: a queue with a backlog answers within milliseconds and fills the slot before
                # the next one is polled, so few jobs have to be refused.
                now = asyncio.get_running_loop().time()
                await asyncio.sleep(max(0.0, self._pool.last_grant + _STAGGER_SECONDS - now))
                if self._taken():
                    self._pool.last_grant = asyncio.get_running_loop().time()
                    return SlotPermit()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:  # noqa: ARG002  the supplier's interface
        """Eager dispatch never applies to agents."""
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:  # noqa: ARG002  the supplier's interface
        with self._pool.lock:
            self._polling -= 1
            self._pool.count_running(1)

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        with self._pool.lock:
            if ctx.slot_info is None:
                self._polling -= 1
            else:
                self._pool.count_running(-1)
        self._pool.wake()

    def _has_room(self) -> bool:
        with self._pool.lock:
            return self._pool.has_room(self._polling)

    def _taken(self) -> bool:
        with self._pool.lock:
            has_room = self._pool.has_room(self._polling)
            self._polling += has_room
            return has_room


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
