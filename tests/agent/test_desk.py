"""Slots taken, kept through absences, and given back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from activities.agent_job import AgentBusy, HoldRequest, LeaseGone
from agent.desk import Desk
from agent.leases import Leases
from agent.queue_slots import SlotPool
from agent.state_folder import StateFolder

QUEUE = "agents/default/any"
Hold = Callable[..., HoldRequest]
Eventually = Callable[..., Awaitable[None]]


class Office:
    """A desk with two slots that notes which leases' runs were ended."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.ended: list[str] = []
        self.trouble: list[Exception] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.pool = SlotPool(2, leases)
        self.desk = Desk("web-1", leases, self.pool, self._end_runs, end_again_seconds=0.1)

    async def _end_runs(self, lease_id: str) -> None:
        await self.may_end.wait()
        if self.trouble:
            raise self.trouble.pop()
        self.ended.append(lease_id)


@pytest.fixture
def office(leases: Leases) -> Office:
    return Office(leases)


async def test_no_more_jobs_than_slots(office: Office, hold: Hold) -> None:
    """The surplus one is refused, not lost: another agent takes it, or this one later."""
    for lease in ("a", "b"):
        office.desk.take(hold(lease_id=lease), QUEUE)
    with pytest.raises(AgentBusy):
        office.desk.take(hold(lease_id="c"), QUEUE)
    await office.desk.give_back("a", "done")
    office.desk.take(hold(lease_id="c"), QUEUE)


async def test_a_draining_agent_takes_no_jobs_but_keeps_its_own(office: Office, hold: Hold) -> None:
    """A lease that is held already may be taken again."""
    office.desk.take(hold(lease_id="a"), QUEUE)
    office.pool.close()
    with pytest.raises(AgentBusy):
        office.desk.take(hold(lease_id="b"), QUEUE)
    office.desk.take(hold(lease_id="a"), "agent/web-1")


async def test_the_same_lease_is_the_same_slot_and_workspace(office: Office, hold: Hold) -> None:
    """The earlier hold is told that it was taken over, and cannot let go what is no longer its own."""
    request = hold()
    first = office.desk.take(request, QUEUE)
    waiting = asyncio.create_task(office.desk.ended(request.lease_id, first))
    await asyncio.sleep(0)
    workspace = office.leases.usable(request.lease_id).workspace
    second = office.desk.take(request, "agent/web-1")
    assert "another hold took the lease over" == await waiting
    office.desk.let_go(request.lease_id, first)
    assert workspace == office.leases.usable(request.lease_id).workspace
    assert (1, {}) == (len(office.leases), office.desk._give_up_at)
    assert "the lease has ended" == await office.desk.ended(request.lease_id, first)
    assert second > first


async def test_giving_back_ends_the_runs_and_tells_the_hold(office: Office, hold: Hold) -> None:
    """Twice is once; afterwards nothing is left of the lease."""
    request = hold()
    number = office.desk.take(request, QUEUE)
    waiting = asyncio.create_task(office.desk.ended(request.lease_id, number))
    await asyncio.gather(*(office.desk.give_back(request.lease_id, "done") for _ in range(3)))
    await office.desk.give_back(request.lease_id, "again")
    assert ("done", [request.lease_id], 0) == (await waiting, office.ended, len(office.leases))


async def test_a_lease_that_is_being_ended_cannot_be_taken(office: Office, hold: Hold) -> None:
    """It can again once it has ended, with a new workspace."""
    request = hold()
    office.desk.take(request, QUEUE)
    office.may_end.clear()
    ending = asyncio.create_task(office.desk.give_back(request.lease_id, "done"))
    await asyncio.sleep(0)
    with pytest.raises(AgentBusy):
        office.desk.take(request, QUEUE)
    office.may_end.set()
    await ending
    office.desk.take(request, QUEUE)


async def test_a_lease_that_was_given_up_is_not_made_anew_for_who_comes_back(office: Office, hold: Hold) -> None:
    """Its workspace and its runs are gone: a step that was started in it must not be started again."""
    request = hold()
    office.desk.take(request, QUEUE)
    await office.desk.give_back(request.lease_id, "nobody came back to hold it")
    with pytest.raises(LeaseGone):
        office.desk.take(request, "agent/web-1")
    assert 0 == len(office.leases)


async def test_a_lease_nobody_comes_back_for_is_given_up(office: Office, hold: Hold, eventually: Eventually) -> None:
    """After its rejoin window, not before; a lease that is held is left alone."""
    lost, kept = hold(lease_id="lost", rejoin=timedelta(seconds=0.2)), hold(lease_id="kept", rejoin=timedelta(0))
    number = office.desk.take(lost, QUEUE)
    office.desk.take(kept, QUEUE)
    watching = asyncio.create_task(office.desk.end_abandoned())
    office.desk.let_go("lost", number)
    assert "lost" in office.leases
    await eventually(lambda: office.ended == ["lost"])
    assert "kept" in office.leases
    watching.cancel()


async def test_coming_back_in_time_keeps_the_lease(office: Office, hold: Hold) -> None:
    """The window is for this absence only."""
    request = hold()
    office.desk.let_go(request.lease_id, office.desk.take(request, QUEUE))
    assert request.lease_id in office.desk._give_up_at
    office.desk.take(request, "agent/web-1")
    assert {} == office.desk._give_up_at


async def test_recovered_leases_count_and_wait_for_their_holds(
    office: Office, state: StateFolder, hold: Hold, eventually: Eventually
) -> None:
    """A restarted agent is as full as it was, until somebody comes back or the window is over."""
    office.desk.take(hold(lease_id="a", rejoin=timedelta(seconds=0.1)), QUEUE)
    office.desk.take(hold(lease_id="b", rejoin=timedelta(hours=1)), QUEUE)
    after = Office(Leases(state))
    after.desk.recover()
    with pytest.raises(AgentBusy):
        after.desk.take(hold(lease_id="c"), QUEUE)
    watching = asyncio.create_task(after.desk.end_abandoned())
    await eventually(lambda: after.ended == ["a"])
    assert ["b"] == [lease for lease in ("a", "b") if lease in after.leases]
    watching.cancel()


async def test_idle_means_no_lease_is_left(office: Office, hold: Hold) -> None:
    """What a draining agent waits for."""
    request = hold()
    office.desk.take(request, QUEUE)
    idle = asyncio.create_task(office.desk.until_idle())
    await asyncio.sleep(0)
    assert not idle.done()
    await office.desk.give_back(request.lease_id, "done")
    async with asyncio.timeout(3):
        await idle


async def test_an_ending_that_failed_is_tried_again(office: Office, hold: Hold, eventually: Eventually) -> None:
    """A full disk, say, must not cost the slot for ever."""
    request = hold()
    office.desk.take(request, QUEUE)
    office.trouble = [OSError("disk full")]
    with pytest.raises(OSError, match="disk full"):
        await office.desk.give_back(request.lease_id, "done")
    watching = asyncio.create_task(office.desk.end_abandoned())
    await eventually(lambda: request.lease_id not in office.leases)
    watching.cancel()
