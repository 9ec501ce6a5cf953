"""Where jobs take a slot of this agent and give it back, and where leases that nobody came back for are ended."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count

import structlog

from activities.agent_job import AgentBusy, HoldRequest, LeaseGone
from agent.leases import Lease, Leases
from agent.process_tree import since_boot
from agent.queue_slots import SlotPool
from agent.runner import put_whole
from domain.ids import agent_queue

_log = structlog.get_logger("slipway.agent")
_LOOK_SECONDS = 0.5
_END_AGAIN_SECONDS = 60.0


class Desk:
    """Implements ``LeaseDesk``. ``end_runs`` kills everything that runs under a lease."""

    def __init__(
        self,
        agent: str,
        leases: Leases,
        pool: SlotPool,
        end_runs: Callable[[str], Awaitable[None]],
        end_again_seconds: float = _END_AGAIN_SECONDS,
    ) -> None:
        self._agent = agent
        self._own_queue = agent_queue(agent)
        self._leases = leases
        self._pool = pool
        self._end_runs = end_runs
        self._end_again_seconds = end_again_seconds
        self._numbers = count(1)
        self._holds: dict[str, tuple[int, asyncio.Future[str]]] = {}
        self._give_up_at: dict[str, float] = {}
        self._endings: dict[str, asyncio.Task[None]] = {}

    def recover(self) -> None:
        """Take over the leases of the agent that ran here before; each waits for its hold as long as it says."""
        for lease in self._leases.recover():
            self._await_next_hold(lease)
            _log.info("lease recovered", lease=lease.request.lease_id)

    def take(self, request: HoldRequest, queue: str) -> int:
        lease = self._leases.get(request.lease_id)
        if lease is not None and lease.is_ending:
            raise AgentBusy(f"lease {request.lease_id} is just being ended here")
        if lease is None:
            lease = self._new_lease(request, queue)
        self._resolve(request.lease_id, "another hold took the lease over")
        lease.has_permit = queue != self._own_queue
        self._give_up_at.pop(request.lease_id, None)
        number = next(self._numbers)
        self._holds[request.lease_id] = (number, asyncio.get_running_loop().create_future())
        self.heard(request.lease_id, self.clock())
        return number

    def heard(self, lease_id: str, at: float) -> None:
        lease = self._leases.get(lease_id)
        if lease is not None and not lease.is_ending:
            put_whole(lease.heard, repr(at))

    def clock(self) -> float:
        return since_boot()

    async def ended(self, lease_id: str, hold: int) -> str:
        number, end = self._holds.get(lease_id, (0, None))
        if end is None or number != hold:
            return "the lease has ended"
        return await asyncio.shield(end)

    def let_go(self, lease_id: str, hold: int) -> None:
        number, _ = self._holds.get(lease_id, (0, None))
        lease = self._leases.get(lease_id)
        if lease is None or number != hold:
            return
        del self._holds[lease_id]
        self._await_next_hold(lease)
        _log.warning("lease not held", lease=lease_id, given_up_in=str(lease.request.rejoin))

    async def give_back(self, lease_id: str, why: str) -> None:
        lease = self._leases.get(lease_id)
        if lease is None:
            return
        if lease_id not in self._endings:
            lease.is_ending = True
            self._endings[lease_id] = asyncio.create_task(self._end(lease_id, why))
        await asyncio.shield(self._endings[lease_id])

    async def end_abandoned(self) -> None:
        """End every lease whose hold did not come back in time. Never returns."""
        while True:
            now = time.monotonic()
            for lease_id in [lease_id for lease_id, due in self._give_up_at.items() if now >= due]:
                await self._give_up(lease_id)
            await asyncio.sleep(_LOOK_SECONDS)

    async def until_idle(self) -> None:
        """Wait until no lease is left."""
        while len(self._leases):
            await self._pool.wait_for_change()

    def _new_lease(self, request: HoldRequest, queue: str) -> Lease:
        if queue == self._own_queue:
            # Who comes back for a lease expects its workspace and its runs, and they are gone.
            raise LeaseGone(f"agent {self._agent} gave {request.lease_id} up")
        if self._pool.is_full:
            raise AgentBusy("all slots of this agent are taken")
        _log.info("lease taken", lease=request.lease_id)
        return self._leases.add(request)

    def _await_next_hold(self, lease: Lease) -> None:
        lease.has_permit = False
        self._give_up_at[lease.request.lease_id] = time.monotonic() + lease.request.rejoin.total_seconds()

    async def _give_up(self, lease_id: str) -> None:
        try:
            await self.give_back(lease_id, "nobody came back to hold it")
        except Exception:  # noqa: BLE001  it is logged, and tried again
            _log.exception("lease could not be ended", lease=lease_id)

    async def _end(self, lease_id: str, why: str) -> None:
        # Should this fail, it is tried again until the slot is free.
        self._give_up_at[lease_id] = time.monotonic() + self._end_again_seconds
        try:
            await self._end_runs(lease_id)
            self._leases.remove(lease_id)
        finally:
            del self._endings[lease_id]
        _log.info("lease ended", lease=lease_id, why=why)
        self._resolve(lease_id, why)
        self._holds.pop(lease_id, None)
        self._give_up_at.pop(lease_id, None)
        self._pool.wake()

    def _resolve(self, lease_id: str, why: str) -> None:
        _, end = self._holds.get(lease_id, (0, None))
        if end is not None and not end.done():
            end.set_result(why)
