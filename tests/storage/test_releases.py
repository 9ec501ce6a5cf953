"""Releases: their numbers, pages, starts, and the keys of repeated requests."""

import asyncio
from datetime import timedelta

import pytest

from domain.ids import ReleaseId
from domain.refusal import NotFound
from domain.release import ReleasePlan
from domain.status import ReleaseStatus
from storage import pipelines, releases
from storage.cursor import BadCursor


@pytest.fixture
async def saved(database, pipeline, now):
    async with database.transaction() as session:
        await pipelines.save_revision(session, pipeline, "text", "ann@example.com", now)


async def _add(database, plan, count, started_at):
    """Releases 1 to ``count``; every third shares its moment with the one before."""
    async with database.transaction() as session:
        for number in range(1, count + 1):
            at = started_at + timedelta(seconds=number - (number % 3 == 0))
            numbered = plan.model_copy(update={"id": ReleaseId(pipeline="webshop", number=number)})
            await releases.add(session, numbered, at)


async def _pages(database, **filters):
    numbers, cursor = [], None
    while True:
        async with database.reading() as session:
            page = await releases.page(session, limit=4, before=cursor, **filters)
        if not page:
            return numbers
        numbers += [row.number for row in page]
        cursor = releases.cursor_of(page[-1])


@pytest.mark.usefixtures("saved")
async def test_twenty_requests_at_once_get_twenty_numbers(database):
    """No number is given twice, and none is left out."""

    async def take() -> int:
        async with database.transaction() as session:
            number = await releases.next_number(session, "webshop")
            await asyncio.sleep(0)
            return number

    numbers = await asyncio.gather(*(take() for _ in range(20)))
    assert list(range(1, 21)) == sorted(numbers)


@pytest.mark.usefixtures("saved")
async def test_the_number_of_a_request_that_failed_is_given_again(database):
    """Numbers are taken in the transaction that keeps the release, so they leave no gaps."""

    async def fail() -> None:
        async with database.transaction() as session:
            await releases.next_number(session, "webshop")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with database.transaction() as session:
        assert await releases.next_number(session, "webshop") == 1


async def test_a_pipeline_that_does_not_exist_has_no_next_number(database):
    """The refusal names it."""
    async with database.transaction() as session:
        with pytest.raises(NotFound, match="nowhere"):
            await releases.next_number(session, "nowhere")


async def test_a_new_release_reads_back_with_its_plan_and_stages(database, plan, now):
    """What was frozen is what is stored, to the last field."""
    async with database.transaction() as session:
        await releases.add(session, plan, now)
    async with database.reading() as session:
        row = await releases.get(session, plan.id)
        stages = await releases.stages(session, plan.id)
        assert await releases.deployments(session, plan.id) == []
        assert await releases.events(session, plan.id) == []
        assert await releases.names_of(session, [str(plan.id), "webshop/99"]) == {"webshop/41": plan.name}
    assert row is not None
    assert ("webshop/41", ReleaseStatus.REQUESTED, now, None) == (row.id, row.status, row.created_at, row.started_at)
    assert plan == ReleasePlan.model_validate(row.plan)
    assert plan.digest == ReleasePlan.model_validate(row.plan).digest
    assert [("prod", "not started", 0), ("test", "not started", 0)] == [(s.stage, s.status, s.attempt) for s in stages]


async def test_pages_are_complete_and_repeat_nothing(database, plan, now):
    """Newest first, also where releases share a moment."""
    await _add(database, plan, 22, now)
    numbers = await _pages(database)
    assert set(range(1, 23)) == set(numbers)
    assert len(numbers) == 22
    assert (22, 1) == (numbers[0], numbers[-1])


async def test_what_arrives_between_two_pages_moves_nothing(database, plan, now):
    """A release made while somebody turns the page neither repeats nor hides another."""
    await _add(database, plan, 6, now)
    async with database.reading() as session:
        first = await releases.page(session, limit=3)
    async with database.transaction() as session:
        newer = plan.model_copy(update={"id": ReleaseId(pipeline="webshop", number=7)})
        await releases.add(session, newer, now + timedelta(hours=1))
    async with database.reading() as session:
        second = await releases.page(session, limit=3, before=releases.cursor_of(first[-1]))
    assert {1, 2, 3, 4, 5, 6} == {row.number for row in (*first, *second)}


async def test_pages_can_be_narrowed(database, plan, now):
    """To a pipeline and to a status."""
    await _add(database, plan, 5, now)
    assert len(await _pages(database, pipeline="webshop", status=ReleaseStatus.REQUESTED)) == 5
    assert await _pages(database, pipeline="other") == []
    assert await _pages(database, status=ReleaseStatus.FAILED) == []


@pytest.mark.parametrize("cursor", ["", "x", "=", "ä", "MjAyNg", "fHw", "\0", "A" * 4000])
async def test_an_invented_cursor_is_refused(database, cursor):
    """It is an error of the caller, not of ours."""
    async with database.reading() as session:
        with pytest.raises(BadCursor):
            await releases.page(session, before=cursor)


async def test_releases_that_nobody_has_seen_start_are_found(database, plan, now):
    """Those that are older than the limit, until they are marked as started; the first mark stays."""
    await _add(database, plan, 2, now)
    limit = now + timedelta(seconds=2)
    async with database.transaction() as session:
        assert [1] == [row.number for row in await releases.unstarted(session, limit)]
        first = ReleaseId(pipeline="webshop", number=1)
        await releases.mark_started(session, first, "run-1", limit)
        await releases.mark_started(session, first, "run-2", limit + timedelta(days=1))
    async with database.reading() as session:
        assert await releases.unstarted(session, limit) == []
        row = await releases.get(session, first)
    assert row is not None
    assert ("run-1", limit) == (row.run_id, row.started_at)


async def test_one_of_many_requests_with_the_same_key_wins(database, now):
    """Whoever loses the race finds the winner's release."""

    async def post(number: int) -> int | None:
        async with database.transaction() as session:
            release = ReleaseId(pipeline="webshop", number=number)
            won = await releases.remember(session, "ann@example.com", "key", "hash", release, now)
        return number if won else None

    winners = [number for number in await asyncio.gather(*(post(n) for n in range(1, 21))) if number]
    assert len(winners) == 1
    async with database.reading() as session:
        row = await releases.remembered(session, "ann@example.com", "key")
        assert await releases.remembered(session, "bob@example.com", "key") is None
    assert row is not None
    assert f"webshop/{winners[0]}" == row.release


async def test_keys_are_kept_for_a_day(database, plan, now):
    """A key may be used for another request once 24 hours have gone."""
    async with database.transaction() as session:
        assert await releases.remember(session, "ann", "key", "a", plan.id, now) is True
    async with database.transaction() as session:
        assert await releases.remember(session, "ann", "key", "b", plan.id, now + timedelta(hours=24)) is False
    async with database.transaction() as session:
        later = now + timedelta(hours=24, seconds=1)
        assert await releases.remember(session, "ann", "key", "b", plan.id, later) is True


async def test_for_whom_releases_were_requested_is_found_for_several_at_once(database, plan, now):
    """Only where a service asked for somebody; a plan of an earlier version says nothing of it."""
    people = {1: "dev@example.com", 2: "", 3: "dev@example.com"}
    async with database.transaction() as session:
        for number, person in people.items():
            numbered = {"id": ReleaseId(pipeline="webshop", number=number), "requested_for": person}
            await releases.add(session, plan.model_copy(update=numbered), now)
        row = await releases.get(session, ReleaseId(pipeline="webshop", number=3))
        row.plan = {name: value for name, value in row.plan.items() if name != "requested_for"}
    async with database.reading() as session:
        found = await releases.requested_for(session, [f"webshop/{number}" for number in people])
    assert {"webshop/1": "dev@example.com"} == found
