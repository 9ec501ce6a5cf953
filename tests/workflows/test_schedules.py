"""Temporal Schedules as the orchestrator makes them, on a real server whose schedules can be let sleep for months."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from fakes.temporal_binaries import DEV_SERVER
from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import search_attributes
from activities.notifications import TellNoRelease
from activities.triggers import Firing, Poll
from api.orchestrator import ScheduleRefused, TemporalOrchestrator
from domain.cron import what_is_wrong
from domain.ids import RELEASE_QUEUE
from domain.timetable import TimetableEntry
from workers.sandbox import shared
from workflows.no_release import NoReleaseWorkflow
from workflows.polling import PollWorkflow, ScheduledReleaseWorkflow

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Eventually = Callable[..., Awaitable[None]]


class Noted:
    """Stands for the activities, and remembers."""

    def __init__(self) -> None:
        self.firings: list[Firing] = []
        self.polls: list[Poll] = []
        self.mails: list[TellNoRelease] = []
        self.lets_go = asyncio.Event()
        self.lets_go.set()

    @activity.defn
    async def note_firing(self, firing: Firing) -> str:
        self.firings.append(firing)
        return "waiting"

    @activity.defn
    async def tell_no_release(self, told: TellNoRelease) -> None:
        self.mails.append(told)

    @activity.defn
    async def look_for_versions(self, poll: Poll) -> str:
        self.polls.append(poll)
        await self.lets_go.wait()
        return "0 new"


@pytest.fixture
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=DEV_SERVER,
        search_attributes=search_attributes.ALL,
        data_converter=pydantic_data_converter,
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
    ) as started:
        yield started


@pytest.fixture
async def noted(environment: WorkflowEnvironment) -> AsyncIterator[Noted]:
    made = Noted()
    async with Worker(
        environment.client,
        task_queue=RELEASE_QUEUE,
        workflows=[PollWorkflow, ScheduledReleaseWorkflow, NoReleaseWorkflow],
        activities=[made.note_firing, made.look_for_versions, made.tell_no_release],
        workflow_runner=shared(),
    ):
        yield made


@pytest.fixture
def orchestrator(environment: WorkflowEnvironment) -> TemporalOrchestrator:
    return TemporalOrchestrator(environment.client, "https://slipway.example.com")


def daily(cron: str, *, number: int = 0, is_paused: bool = False) -> TimetableEntry:
    """A schedule of Berlin."""
    name = f"schedule/webshop/{number}"
    return TimetableEntry(
        id=name, pipeline="webshop", is_paused=is_paused, number=number, cron=cron, timezone="Europe/Berlin"
    )


def polling(every: timedelta, *, is_paused: bool = False) -> TimetableEntry:
    return TimetableEntry(id="poll/webshop/web", pipeline="webshop", is_paused=is_paused, alias="web", every=every)


async def let_pass(environment: WorkflowEnvironment, entry: TimetableEntry, until: datetime) -> None:
    """Move the clock of this schedule alone; what comes on the way happens."""
    schedule = environment.client.get_workflow_handle(f"temporal-sys-scheduler:{entry.id}")
    await environment.fast_forward(schedule, until - datetime.now(UTC))


def change_of_clocks(*, forward: bool) -> date:
    """The next day, not tomorrow or the day after, on which Berlin's clocks are put forward or back."""
    day = datetime.now(BERLIN).date() + 3 * DAY
    while True:
        before, after = (datetime(day.year, day.month, day.day, tzinfo=BERLIN) + more for more in (0 * DAY, DAY))
        length = after.astimezone(UTC) - before.astimezone(UTC)
        if length == (23 if forward else 25) * HOUR:
            return day
        day += DAY


@pytest.mark.parametrize(("forward", "apart"), [(True, 23), (False, 25)], ids=["spring", "autumn"])
async def test_a_schedule_fires_at_the_same_hour_before_and_after_the_clocks_change(
    environment: WorkflowEnvironment,
    orchestrator: TemporalOrchestrator,
    noted: Noted,
    eventually: Eventually,
    forward: bool,  # noqa: FBT001  a parameter of a test
    apart: int,
) -> None:
    """Six o'clock of people, which are 23 or 25 hours from one to the next; months pass meanwhile."""
    change = change_of_clocks(forward=forward)
    entry = daily(f"0 6 {change.day - 1},{change.day} {change.month} *")
    await orchestrator.put_schedule(entry)
    expected = [datetime(change.year, change.month, change.day - ago, 6, tzinfo=BERLIN) for ago in (1, 0)]
    assert expected == (await orchestrator.next_runs(entry.id))[:2]
    await let_pass(environment, entry, expected[-1] + HOUR)
    await eventually(lambda: len(noted.firings) == 2)
    assert expected == [firing.at for firing in noted.firings]
    assert apart * HOUR == noted.firings[1].at - noted.firings[0].at
    assert {(6, "webshop", 0, entry.cron)} == {
        (f.at.astimezone(BERLIN).hour, f.pipeline, f.number, f.cron) for f in noted.firings
    }


async def test_an_hour_that_does_not_exist_is_left_out(
    orchestrator: TemporalOrchestrator,
) -> None:
    """Half past two is not on the clock that morning; the guide says so."""
    change = change_of_clocks(forward=True)
    entry = daily(f"30 2 {change.day - 1},{change.day} {change.month} *")
    await orchestrator.put_schedule(entry)
    runs = await orchestrator.next_runs(entry.id)
    assert [change - DAY] == [run.astimezone(BERLIN).date() for run in runs if run.year == change.year]


async def test_an_hour_that_comes_twice_counts_once(orchestrator: TemporalOrchestrator) -> None:
    """Half past two is on the clock two times that night."""
    change = change_of_clocks(forward=False)
    entry = daily(f"30 2 {change.day - 1},{change.day} {change.month} *")
    await orchestrator.put_schedule(entry)
    runs = [run for run in await orchestrator.next_runs(entry.id) if run.year == change.year]
    assert [change - DAY, change] == [run.astimezone(BERLIN).date() for run in runs]


async def test_a_schedule_is_changed_paused_and_removed(orchestrator: TemporalOrchestrator) -> None:
    """Whatever Temporal knew of it before; doing it again changes nothing."""
    for _ in range(2):
        await orchestrator.put_schedule(daily("0 6 * * *"))
    before = await orchestrator.next_runs("schedule/webshop/0")
    await orchestrator.put_schedule(daily("30 7 * * *"))
    after = await orchestrator.next_runs("schedule/webshop/0")
    await orchestrator.put_schedule(daily("30 7 * * *", is_paused=True))
    paused = await orchestrator.next_runs("schedule/webshop/0")
    for _ in range(2):
        await orchestrator.delete_schedule("schedule/webshop/0")
    assert ({(6, 0)}, {(7, 30)}) == (_local(before), _local(after))
    assert ([], []) == (paused, await orchestrator.next_runs("schedule/webshop/0"))


def _local(runs: list[datetime]) -> set[tuple[int, int]]:
    return {(run.astimezone(BERLIN).hour, run.minute) for run in runs}


async def test_what_an_operator_paused_in_temporal_stays_paused(
    orchestrator: TemporalOrchestrator, environment: WorkflowEnvironment
) -> None:
    """Told anew, or told of another time; until the operator goes on with it."""
    handle = environment.client.get_schedule_handle("schedule/webshop/0")
    await orchestrator.put_schedule(daily("0 6 * * *"))
    await handle.pause(note="we move the server")
    await orchestrator.put_schedule(daily("30 7 * * *"))
    found = (await handle.describe()).schedule.state
    await handle.unpause()
    assert (True, "we move the server") == (found.paused, found.note)
    assert {(7, 30)} == _local(await orchestrator.next_runs("schedule/webshop/0"))


async def test_all_that_happens_by_itself_is_listed(
    orchestrator: TemporalOrchestrator, environment: WorkflowEnvironment
) -> None:
    """And nothing that others made in the same namespace."""
    await orchestrator.put_schedule(daily("0 6 * * *"))
    await orchestrator.put_schedule(polling(HOUR, is_paused=True))
    await _foreign(environment.client)
    found = list[str]()
    async with asyncio.timeout(20):
        while len(found) < 2:
            found = sorted(await orchestrator.schedules())
    assert ["poll/webshop/web", "schedule/webshop/0"] == found


async def _foreign(client: Client) -> None:
    found = await client.get_schedule_handle("poll/webshop/web").describe()
    await client.create_schedule("backup", found.schedule)


async def test_a_source_is_polled_at_once_and_again(
    environment: WorkflowEnvironment, orchestrator: TemporalOrchestrator, noted: Noted, eventually: Eventually
) -> None:
    """With nobody asking, and never twice at the same time."""
    entry = polling(6 * HOUR)
    noted.lets_go.clear()
    await orchestrator.put_schedule(entry)
    await eventually(lambda: len(noted.polls) == 1)
    await let_pass(environment, entry, datetime.now(UTC) + 7 * HOUR)
    found = await environment.client.get_schedule_handle(entry.id).describe()
    assert 1 == len(noted.polls)
    assert found.info.num_actions_skipped_overlap in {1, 2}, "seven hours have one or two times of six hours"
    noted.lets_go.set()
    await environment.client.get_workflow_handle(found.info.running_actions[0].workflow_id).result()
    await let_pass(environment, entry, datetime.now(UTC) + 14 * HOUR)
    await eventually(lambda: len(noted.polls) > 1)
    assert {Poll(pipeline="webshop", alias="web")} == set(noted.polls)


async def test_a_source_is_polled_at_once_when_its_pipeline_is_resumed(
    orchestrator: TemporalOrchestrator, noted: Noted, eventually: Eventually
) -> None:
    """What comes before the next time would else be taken for what was there already."""
    await orchestrator.put_schedule(polling(6 * HOUR, is_paused=True))
    assert [] == noted.polls
    await orchestrator.put_schedule(polling(6 * HOUR))
    await eventually(lambda: len(noted.polls) == 1)
    await orchestrator.put_schedule(polling(5 * HOUR))
    await orchestrator.put_schedule(daily("0 6 * * *", is_paused=True))
    await orchestrator.put_schedule(daily("0 6 * * *"))
    assert ([], 1) == (noted.firings, len(noted.polls))


async def test_polls_of_the_same_interval_come_one_after_the_other(
    environment: WorkflowEnvironment, orchestrator: TemporalOrchestrator
) -> None:
    """So that their sources, and those who ask them, are not all busy at once."""
    entries = [
        polling(HOUR, is_paused=True).model_copy(update={"id": f"poll/shop{number}/web"}) for number in range(20)
    ]
    times = set()
    for entry in entries:
        await orchestrator.put_schedule(entry)
        found = await environment.client.get_schedule_handle(entry.id).describe()
        times.add(found.schedule.spec.intervals[0].offset)
    assert len(times) > len(entries) / 2


async def test_what_temporal_does_not_take_is_told(orchestrator: TemporalOrchestrator) -> None:
    """Such as a time zone that is newer than it: that is no reason to wait for Temporal."""
    with pytest.raises(ScheduleRefused, match="schedule/webshop/0"):
        await orchestrator.put_schedule(daily("0 6 * * *").model_copy(update={"timezone": "Mars/Olympus"}))


@pytest.mark.parametrize("cron", ["0 6 * * MON-FRI", "5,35 8-18/2 1-7 JAN,jul mon", "*/10 0 * * 7", "0 0 29 2 *"])
async def test_temporal_takes_what_is_said_to_be_right(orchestrator: TemporalOrchestrator, cron: str) -> None:
    """Ranges, steps, lists and names in either case."""
    assert "" == what_is_wrong(cron)
    await orchestrator.put_schedule(daily(cron))
    assert await orchestrator.next_runs("schedule/webshop/0")


async def test_that_there_is_no_release_is_mailed_once(
    orchestrator: TemporalOrchestrator, environment: WorkflowEnvironment, noted: Noted
) -> None:
    """However often it is handed on."""
    told = TellNoRelease(event_id="e1", pipeline="webshop", people=("ana@example.com",), what="poll", reason="why")
    await orchestrator.tell_no_release(told)
    await environment.client.get_workflow_handle("no-release/e1").result()
    await orchestrator.tell_no_release(told)
    assert [told] == noted.mails
