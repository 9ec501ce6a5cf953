"""One Temporal worker for each queue the agent may serve, added and dropped as the API says."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.worker import FixedSizeSlotSupplier, PollerBehaviorSimpleMaximum, Worker, WorkerTuner

from agent.queue_slots import QueueSlots, SlotPool

_log = structlog.get_logger("slipway.agent")
_BEATS = timedelta(seconds=1)
_DRAIN_AT_MOST = timedelta(days=30)
_OWN_DRAIN_AT_MOST = timedelta(seconds=10)
# The slots of an agent may be changed while it runs.
_MOST_SLOTS = 256

Activity = Callable[..., Awaitable[Any]]


class QueueWorkers:
    """Takes jobs from demand-set queues."""

    def __init__(self, client: Client, pool: SlotPool, hold_agent: Activity, build_id: str) -> None:
        self._client = client
        self._build_id = build_id
        self._pool = pool
        self._hold_agent = hold_agent
        self._workers: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        self._dropping: dict[str, asyncio.Task[None]] = {}
        self._is_draining = False

    def serve(self, queues: Sequence[str]) -> None:
        """Poll exactly these from now on. A queue whose worker still finishes a job is taken up again afterwards."""
        if self._is_draining:
            return
        self._forget_failed()
        for queue in queues:
            if queue not in self._workers and queue not in self._dropping:
                worker = self._worker(queue)
                self._workers[queue] = (worker, asyncio.create_task(worker.run()))
                _log.info("serving", queue=queue)
        for queue in [queue for queue in self._workers if queue not in queues]:
            self._drop(queue)

    async def drain(self) -> None:
        """Take no more jobs; return when those that are held have ended."""
        self._is_draining = True
        for queue in list(self._workers):
            self._drop(queue)
        await asyncio.gather(*self._dropping.values())

    def _forget_failed(self) -> None:
        """A worker that failed is made anew."""
        for queue, (_, running) in list(self._workers.items()):
            if running.done():
                del self._workers[queue]
                _log.error("worker failed", queue=queue, error=str(running.exception()))

    def _drop(self, queue: str) -> None:
        worker, running = self._workers.pop(queue)
        _log.info("no longer serving", queue=queue)
        dropping = self._dropping[queue] = asyncio.create_task(_stop(worker, running))
        dropping.add_done_callback(lambda _: self._dropping.pop(queue))

    def _worker(self, queue: str) -> Worker:
        one = FixedSizeSlotSupplier(1)
        return Worker(
            self._client,
            task_queue=queue,
            activities=[self._hold_agent],
            build_id=self._build_id,
            tuner=WorkerTuner.create_composite(
                workflow_supplier=one,
                activity_supplier=QueueSlots(self._pool),
                local_activity_supplier=one,
                nexus_supplier=one,
            ),
            activity_task_poller_behavior=PollerBehaviorSimpleMaximum(1),
            max_heartbeat_throttle_interval=_BEATS,
            default_heartbeat_throttle_interval=_BEATS,
            graceful_shutdown_timeout=_DRAIN_AT_MOST,
        )


def own_worker(client: Client, queue: str, activities: Sequence[Activity], build_id: str) -> Worker:
    """The worker of the queue only this agent polls; release and cancel always find room in it."""
    return Worker(
        client,
        task_queue=queue,
        activities=activities,
        build_id=build_id,
        max_concurrent_activities=_MOST_SLOTS * 2 + 4,
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(2),
        max_heartbeat_throttle_interval=_BEATS,
        default_heartbeat_throttle_interval=_BEATS,
        graceful_shutdown_timeout=_OWN_DRAIN_AT_MOST,
    )


async def _stop(worker: Worker, running: "asyncio.Task[None]") -> None:
    await worker.shutdown()
    await running
