"""What was to start releases is written down once for each key, and decided once."""

import asyncio
from datetime import datetime, timedelta

import pytest

from activities.triggers import PollPosition
from domain.pipeline import Pipeline
from domain.release import ReleasePlan, ReleaseRequest
from domain.trigger import NewVersion, TriggerEvent, TriggerKind, TriggerOutcome
from storage import pipelines, releases, triggers
from storage.database import Database

EVENT = TriggerEvent(
    pipeline="webshop",
    key="k" * 64,
    kind=TriggerKind.JENKINS,
    via="ci",
    alias="app",
    new=NewVersion(version="142", branch="main", people=("ana",)),
    request=ReleaseRequest(versions={"app": "142"}),
)
REFUSED = EVENT.model_copy(update={"outcome": TriggerOutcome.IGNORED, "reason": "branch main is excluded"})


async def note(database: Database, event: TriggerEvent, now: datetime) -> tuple[str, str]:
    """Its id, and what became of it."""
    async with database.transaction() as session:
        row = await triggers.note(session, event, now)
    return row.id, row.outcome


async def decide(database: Database, event: str, outcome: TriggerOutcome, now: datetime) -> bool:
    async with database.transaction() as session:
        return await triggers.decide(session, event, outcome=outcome, now=now, reason="why")


async def test_what_is_told_at_once_and_again_is_one_row(database: Database, now: datetime) -> None:
    """Five deliveries that race."""
    noted = await asyncio.gather(*(note(database, EVENT, now) for _ in range(5)))
    assert 1 == len(set(noted))
    async with database.reading() as session:
        [row] = await triggers.waiting(session)
    assert (noted[0][0], "142", ["ana"], EVENT.request.model_dump(mode="json")) == (
        row.id,
        row.version,
        row.people,
        row.request,
    )


async def test_keys_are_of_one_pipeline(database: Database, now: datetime) -> None:
    """One build may make a release of several."""
    other = EVENT.model_copy(update={"pipeline": "infra"})
    assert 2 == len({await note(database, event, now) for event in (EVENT, other)})


async def test_one_of_many_decides(database: Database, now: datetime) -> None:
    """Whoever else wanted to make a release of it learns that it is too late."""
    event, _ = await note(database, EVENT, now)
    decided = await asyncio.gather(*(decide(database, event, TriggerOutcome.MADE, now) for _ in range(4)))
    assert [False, False, False, True] == sorted(decided)


@pytest.mark.parametrize(
    ("before", "again", "expected"),
    [
        (TriggerOutcome.IGNORED, EVENT, "waiting"),
        (TriggerOutcome.FAILED, EVENT, "waiting"),
        (TriggerOutcome.MADE, EVENT, "made"),
        (TriggerOutcome.MADE, REFUSED, "made"),
        (TriggerOutcome.FAILED, REFUSED, "failed"),
    ],
)
async def test_what_came_to_nothing_may_be_told_again(
    database: Database, now: datetime, before: TriggerOutcome, again: TriggerEvent, expected: str
) -> None:
    """After a filter was changed, or what was missing is there; what made a release stays as it is."""
    event, _ = await note(database, EVENT, now)
    await decide(database, event, before, now)
    assert (event, expected) == await note(database, again, now + timedelta(hours=1))


async def test_a_page_begins_with_the_newest(database: Database, now: datetime) -> None:
    """And goes on where the page before ended."""
    for minute in range(3):
        event = EVENT.model_copy(update={"key": str(minute), "new": NewVersion(version=str(minute))})
        await note(database, event, now + timedelta(minutes=minute))
    async with database.reading() as session:
        first = await triggers.page(session, "webshop", limit=2)
        rest = await triggers.page(session, "webshop", before=triggers.cursor_of(first[-1]))
    assert (["2", "1"], ["0"]) == ([row.version for row in first], [row.version for row in rest])


async def test_a_pause_is_kept_and_forgets_how_far_was_polled(
    database: Database, now: datetime, pipeline: Pipeline
) -> None:
    """So that what came meanwhile makes no release."""
    store = triggers.SqlTriggers(database, lambda: now)
    async with database.transaction() as session:
        await pipelines.save_revision(session, pipeline, "text", "adam@example.com", now)
        await triggers.pause(session, "webshop", "ana@example.com", "the fair", now)
        await triggers.pause(session, "webshop", "bo@example.com", "the other fair", now)
    await store.stand("webshop", "app", PollPosition(source="s", seen=("2", "1")))
    paused = await store.pipeline("webshop")
    async with database.transaction() as session:
        told = (await triggers.pauses(session))["webshop"]
        resumed = [await triggers.resume(session, "webshop") for _ in range(2)]
    resumed_pipeline = await store.pipeline("webshop")
    assert paused is not None
    assert resumed_pipeline is not None
    assert ("bo@example.com", "the other fair") == (told.by, told.reason)
    assert (True, False, [True, False]) == (paused.is_paused, resumed_pipeline.is_paused, resumed)
    assert await store.position("webshop", "app") is None


async def test_a_position_is_kept(database: Database, now: datetime) -> None:
    """With what the source said."""
    store = triggers.SqlTriggers(database, lambda: now)
    positions = [
        PollPosition(source="s", seen=("2", "1")),
        PollPosition(source="s", seen=("3",), error="it is away", failing_since=now),
    ]
    for position in positions:
        await store.stand("webshop", "app", position)
        assert position == await store.position("webshop", "app")


async def test_the_versions_of_the_latest_release_are_known(
    database: Database, now: datetime, pipeline: Pipeline, plan: ReleasePlan
) -> None:
    """Those that were pinned; while there are none, those that were asked for."""
    store = triggers.SqlTriggers(database, lambda: now)
    assert await store.last_versions("webshop") is None
    async with database.transaction() as session:
        await pipelines.save_revision(session, pipeline, "text", "adam@example.com", now)
        await releases.add(session, plan.model_copy(update={"versions": {"app": "7"}}), now)
    assert (plan.name, {"app": "7"}) == await store.last_versions("webshop")
