"""Slots shared by queues."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from activities.agent_job import HoldRequest
from agent.leases import Leases
from agent.queue_slots import QueueSlots, SlotPool

Hold = Callable[..., HoldRequest]
ANY = cast("Any", None)


class Release:
    """What the SDK tells of a permit: ``slot_info`` is None for one that was never used."""

    def __init__(self, slot_info: object) -> None:
        self.slot_info = slot_info


UNUSED, USED = cast("Any", Release(None)), cast("Any", Release("a task"))


async def reserve(queue: QueueSlots) -> None:
    async with asyncio.timeout(3):
        await queue.reserve_slot(ANY)


async def is_refused(queue: QueueSlots) -> bool:
    waiting = asyncio.create_task(queue.reserve_slot(ANY))
    _, pending = await asyncio.wait([waiting], timeout=0.3)
    waiting.cancel()
    return bool(pending)


@pytest.fixture
def pool(leases: Leases) -> SlotPool:
    return SlotPool(1, leases)


async def test_every_queue_is_polled_while_a_slot_is_free(pool: SlotPool) -> None:
    """One slot, three queues: all of them poll, each once."""
    queues = [QueueSlots(pool) for _ in range(3)]
    for queue in queues:
        await reserve(queue)
    assert [True] * 3 == [await is_refused(queue) for queue in queues]


async def test_a_running_job_stops_all_polling(pool: SlotPool) -> None:
    """Until it ends; then the waiting queue is woken."""
    one, other = QueueSlots(pool), QueueSlots(pool)
    await reserve(one)
    one.mark_slot_used(ANY)
    assert await is_refused(other)
    waiting = asyncio.create_task(other.reserve_slot(ANY))
    await asyncio.sleep(0)
    one.release_slot(USED)
    async with asyncio.timeout(3):
        await waiting


async def test_a_permit_that_found_nothing_can_be_taken_again(pool: SlotPool) -> None:
    """A poll that came back empty."""
    queue = QueueSlots(pool)
    await reserve(queue)
    queue.release_slot(UNUSED)
    await reserve(queue)


async def test_a_recovered_lease_takes_a_slot(pool: SlotPool, leases: Leases, hold: Hold) -> None:
    """No worker of this process knows of it, yet the slot is taken."""
    request = hold()
    leases.add(request)
    assert await is_refused(QueueSlots(pool))
    leases.remove(request.lease_id)
    await reserve(QueueSlots(pool))


async def test_a_lease_of_a_running_job_is_not_counted_twice(leases: Leases, hold: Hold) -> None:
    """Two slots, one job: there is room for another."""
    queue = QueueSlots(SlotPool(2, leases))
    await reserve(queue)
    queue.mark_slot_used(ANY)
    leases.add(hold()).has_permit = True
    await reserve(queue)
    assert await is_refused(queue)


async def test_more_slots_are_used_at_once_and_fewer_when_jobs_end(leases: Leases) -> None:
    """Nothing that runs is ended for it."""
    pool = SlotPool(1, leases)
    queue = QueueSlots(pool)
    await reserve(queue)
    queue.mark_slot_used(ANY)
    waiting = asyncio.create_task(queue.reserve_slot(ANY))
    await asyncio.sleep(0)
    pool.resize(2)
    async with asyncio.timeout(3):
        await waiting
    queue.mark_slot_used(ANY)
    pool.resize(1)
    queue.release_slot(USED)
    assert await is_refused(queue)
    queue.release_slot(USED)
    await reserve(queue)


async def test_a_closed_pool_gives_nothing(pool: SlotPool) -> None:
    """The agent drains."""
    pool.close()
    assert await is_refused(QueueSlots(pool))
    assert pool.is_full


def test_eager_dispatch_never_applies(pool: SlotPool) -> None:
    """An agent takes no jobs by the way."""
    assert QueueSlots(pool).try_reserve_slot(ANY) is None
