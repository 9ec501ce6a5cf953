"""Triggers of a pipeline over HTTP: what they did, pause and resume, and what Temporal is told of them."""

from datetime import timedelta

import httpx2
import pytest
from fakes.api_world import PIPELINE, World

from api.orchestrator import TemporalUnavailable
from api.schedules import Timekeeper, tell_now
from api.triggering import make_waiting, take, tell_failed
from domain.release import ReleaseRequest
from domain.role import Role
from domain.timetable import TimetableEntry
from domain.trigger import NewVersion, TriggerEvent, TriggerKind
from storage import triggers

JENKINS = {"jenkins": {"server": "ci", "job": "team/webshop"}}
WEBSHOP = PIPELINE | {
    "artifacts": {"web": JENKINS | {"trigger": {"branches": ["main"], "poll": "5m"}}},
    "schedules": [{"cron": "0 6 * * MON-FRI", "timezone": "Europe/Berlin", "only_if_changed": True}],
}
EVENT = TriggerEvent(
    pipeline="webshop",
    key="k" * 64,
    kind=TriggerKind.POLL,
    via="web",
    alias="web",
    new=NewVersion(version="main#142", label="#142", branch="main"),
    request=ReleaseRequest(versions={"web": "main#142"}),
)
PATH = "/pipelines/webshop/triggers"


async def note(world: World, event: TriggerEvent = EVENT) -> None:
    """As a worker does, who makes no releases."""
    async with world.services.database.transaction() as session:
        await triggers.note(session, event, world.clock())


async def test_what_a_worker_noted_becomes_a_release(world: World) -> None:
    """Found by the sweep, once however often it comes by."""
    await world.save(WEBSHOP)
    await note(world)
    for _ in range(2):
        await make_waiting(world.services)
    [plan] = world.orchestrator.started
    assert ("trigger:poll", {"web": "main#142"}) == (plan.requested_by, plan.versions)


async def test_an_event_outlives_an_api_that_died(world: World) -> None:
    """Days later it is still one release: its row says what became of it, and the key of no request is needed."""
    await world.save(WEBSHOP)
    await note(world)
    world.clock.move(timedelta(days=3))
    await make_waiting(world.services)
    await note(world)
    world.clock.move(timedelta(days=3))
    await make_waiting(world.services)
    assert 1 == len(world.orchestrator.started)


async def test_that_temporal_is_away_keeps_no_event_waiting(world: World) -> None:
    """The release is kept and started later, as every other."""
    await world.save(WEBSHOP)
    world.orchestrator.is_reachable = False
    [row] = await take(world.services, [EVENT])
    assert ("made", "webshop/1") == (row.outcome, row.release)


async def test_one_event_that_cannot_be_dealt_with_keeps_no_other_waiting(world: World) -> None:
    """A pipeline that is gone, a variable that is not settable: each says why, and the rest goes on."""
    await world.save(WEBSHOP)
    await note(world, EVENT.model_copy(update={"pipeline": "gone"}))
    await note(world, EVENT.model_copy(update={"key": "1", "request": ReleaseRequest(variables={"X": "1"})}))
    await note(world)
    await make_waiting(world.services)
    assert 1 == len(world.orchestrator.started)
    async with world.calling(Role.VIEWER) as viewer:
        shown = (await viewer.get(PATH)).json()["events"]
    assert {("made", ""), ("failed", "variable X may not be set for a release of webshop")} == {
        (event["outcome"], event["reason"]) for event in shown
    }


async def test_triggers_are_shown_with_what_comes_next(world: World, viewer: httpx2.AsyncClient) -> None:
    """Schedules with their next runs, artifacts with how often they are asked, and what happened, newest first."""
    async with world.calling(Role.ADMIN) as admin:
        await admin.post("/pipelines", content=str(WEBSHOP).replace("'", '"').replace("True", "true"))
    await take(world.services, [EVENT])
    shown = (await viewer.get(PATH)).json()
    [schedule], [artifact], [event] = shown["schedules"], shown["artifacts"], shown["events"]
    assert ("0 6 * * MON-FRI", "Europe/Berlin", True, 1) == (
        schedule["cron"],
        schedule["timezone"],
        schedule["only_if_changed"],
        len(schedule["next_runs"]),
    )
    assert ("web", ["main"], "5m") == (artifact["alias"], artifact["branches"], artifact["every"])
    assert ("webshop/1", "made", "poll") == (event["release"], event["outcome"], event["kind"])
    world.orchestrator.is_reachable = False
    assert [] == (await viewer.get(PATH)).json()["schedules"][0]["next_runs"]


async def test_events_are_shown_page_by_page(world: World, viewer: httpx2.AsyncClient) -> None:
    """Each once."""
    await world.save(WEBSHOP)
    for number in range(3):
        await note(world, EVENT.model_copy(update={"key": str(number), "new": NewVersion(version=str(number))}))
        world.clock.move(timedelta(minutes=1))
    first = (await viewer.get(PATH, params={"limit": 2})).json()
    rest = (await viewer.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert ["2", "1", "0"] == [event["version"] for event in first["events"] + rest["events"]]
    assert rest["next_cursor"] is None


async def test_a_paused_pipeline_makes_no_releases_by_itself(world: World, releaser: httpx2.AsyncClient) -> None:
    """What it is told is written down with the reason; people go on; after it is resumed, so does all that comes."""
    await world.save(WEBSHOP)
    paused = await releaser.post("/pipelines/webshop/pause", json={"reason": "the fair"})
    assert ("rita@example.com", "the fair") == (paused.json()["paused"]["by"], paused.json()["paused"]["reason"])
    [row] = await take(world.services, [EVENT])
    assert ("ignored", "webshop was paused by rita@example.com: the fair") == (row.outcome, row.reason)
    assert 201 == (await releaser.post("/releases", json={"pipeline": "webshop"})).status_code
    resumed = [await releaser.post("/pipelines/webshop/resume") for _ in range(2)]
    assert [200, 409] == [answer.status_code for answer in resumed]
    [row] = await take(world.services, [EVENT])
    assert ("made", "webshop/2") == (row.outcome, row.release)


@pytest.mark.parametrize("path", ["pause", "resume"])
async def test_a_pipeline_that_does_not_exist_is_neither_paused_nor_resumed(
    world: World, releaser: httpx2.AsyncClient, viewer: httpx2.AsyncClient, path: str
) -> None:
    """Nor shown."""
    assert 404 == (await releaser.post(f"/pipelines/none/{path}", json={})).status_code
    assert 404 == (await viewer.get("/pipelines/none/triggers")).status_code
    assert [] == world.orchestrator.told


def timetable(world: World) -> dict[str, bool]:
    """What happens by itself, and whether it is paused."""
    return {one: entry.is_paused for one, entry in world.orchestrator.timetable.items()}


async def test_temporal_is_told_at_once(world: World, admin: httpx2.AsyncClient) -> None:
    """Of a new revision, of a pause, and of its end."""
    content = str(WEBSHOP).replace("'", '"').replace("True", "true")
    assert 201 == (await admin.post("/pipelines", content=content)).status_code
    assert {"schedule/webshop/0": False, "poll/webshop/web": False} == timetable(world)
    await admin.post("/pipelines/webshop/pause", json={})
    assert {"schedule/webshop/0": True, "poll/webshop/web": True} == timetable(world)
    await admin.post("/pipelines/webshop/resume")
    assert {"schedule/webshop/0": False, "poll/webshop/web": False} == timetable(world)


async def test_what_temporal_was_not_told_it_is_told_later(world: World) -> None:
    """By a process that knows nothing of the one that died, and once: what is as it should be is left alone."""
    await world.save(WEBSHOP)
    world.orchestrator.timetable["schedule/gone/0"] = TimetableEntry(id="x", pipeline="gone", is_paused=False)
    keeper = Timekeeper(world.services)
    for _ in range(3):
        await keeper.keep()
    assert {"schedule/webshop/0": False, "poll/webshop/web": False} == timetable(world)
    assert ["schedule/webshop/0", "poll/webshop/web"] == world.orchestrator.told
    await world.save(PIPELINE)
    await keeper.keep()
    assert {} == timetable(world)


async def test_what_temporal_forgot_it_is_told_anew(world: World) -> None:
    """Now and then all is gone through."""
    await world.save(WEBSHOP)
    keeper = Timekeeper(world.services)
    await keeper.keep()
    world.orchestrator.timetable.clear()
    keeper.forget()
    await keeper.keep()
    assert 2 == len(world.orchestrator.timetable)


async def test_a_schedule_that_temporal_refuses_keeps_no_other_from_it(world: World) -> None:
    """Neither a later one, nor the pipeline from being saved."""
    world.orchestrator.refused.add("schedule/webshop/0")
    await world.save(WEBSHOP)
    await tell_now(world.services, "webshop")
    assert {"poll/webshop/web": False} == timetable(world)
    world.orchestrator.timetable.clear()
    await Timekeeper(world.services).keep()
    assert {"poll/webshop/web": False} == timetable(world)


async def test_a_pipeline_is_saved_though_temporal_is_away(world: World, admin: httpx2.AsyncClient) -> None:
    """The sweep makes it good."""
    world.orchestrator.is_reachable = False
    content = str(WEBSHOP).replace("'", '"').replace("True", "true")
    assert 201 == (await admin.post("/pipelines", content=content)).status_code
    world.orchestrator.is_reachable = True
    await Timekeeper(world.services).keep()
    assert 2 == len(world.orchestrator.timetable)


async def test_who_stored_the_pipeline_is_told_that_there_is_no_release(world: World) -> None:
    """Once for each event, though it fails again, and though Temporal was away at first; of those made nobody is."""
    await world.save(WEBSHOP)
    wrong = EVENT.model_copy(update={"key": "1", "request": ReleaseRequest(variables={"X": "1"})})
    await take(world.services, [EVENT, wrong])
    world.orchestrator.is_reachable = False
    with pytest.raises(TemporalUnavailable):
        await tell_failed(world.services)
    world.orchestrator.is_reachable = True
    for _ in range(2):
        await tell_failed(world.services)
        await take(world.services, [wrong])
    [told] = world.orchestrator.no_releases
    assert (("adam@example.com",), "poll web: web #142", "variable X may not be set for a release of webshop") == (
        told.people,
        told.what,
        told.reason,
    )


async def test_a_pipeline_that_a_service_stored_has_nobody_to_tell(world: World) -> None:
    """The page tells, and the log; nothing is tried again and again."""
    async with world.calling(Role.ADMIN, "service:setup", owner="otto@example.com") as service:
        await service.post("/pipelines", content=str(WEBSHOP).replace("'", '"').replace("True", "true"))
    await take(world.services, [EVENT.model_copy(update={"request": ReleaseRequest(variables={"X": "1"})})])
    await tell_failed(world.services)
    async with world.services.database.reading() as session:
        assert [] == list(await triggers.untold(session))
    assert [] == world.orchestrator.no_releases
