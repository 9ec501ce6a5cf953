"""Making releases: once per key, however concurrently, and started even if that took two tries."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx2
import pytest
from fakes.api_world import World
from httpx2 import Response
from sqlalchemy import update

from api.auth import SESSION_COOKIE
from api.release_start import Order, start_unstarted
from domain.person import Person, Requester
from domain.release import ReleaseRequest
from domain.role import Role
from storage import people
from storage.tables import ReleaseRow

NEW = {"pipeline": "webshop"}


def _key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


async def _ids(client: httpx2.AsyncClient) -> list[str]:
    return [item["id"] for item in (await client.get("/releases")).json()["items"]]


async def test_the_same_key_and_body_give_the_same_release(world: World, releaser: httpx2.AsyncClient) -> None:
    """A caller who lost the answer asks again and gets it."""
    await world.save()
    first = await releaser.post("/releases", json=NEW, headers=_key("k"))
    second = await releaser.post("/releases", json=NEW, headers=_key("k"))
    assert (201, 201) == (first.status_code, second.status_code)
    assert first.json() == second.json()
    assert ("true", None) == (
        second.headers["idempotent-replayed"],
        first.headers.get("idempotent-replayed"),
    )
    assert ["webshop/1"] == await _ids(releaser)


async def test_the_same_key_with_another_body_is_refused(world: World, releaser: httpx2.AsyncClient) -> None:
    """A key belongs to one request."""
    await world.save()
    await releaser.post("/releases", json=NEW, headers=_key("k"))
    answer = await releaser.post("/releases", json=NEW | {"description": "other"}, headers=_key("k"))
    assert (422, "KeyReused") == (answer.status_code, answer.json()["error"])
    assert ["webshop/1"] == await _ids(releaser)


async def test_keys_of_different_callers_are_different_keys(world: World, releaser: httpx2.AsyncClient) -> None:
    """Nobody learns of, or blocks, another's release by guessing a key."""
    await world.save()
    await releaser.post("/releases", json=NEW, headers=_key("k"))
    async with world.calling(Role.RELEASER, "other@example.com") as other:
        answer = await other.post("/releases", json=NEW, headers=_key("k"))
    assert "webshop/2" == answer.json()["id"]


async def test_twenty_requests_at_once_with_one_key_make_one_release(
    world: World, releaser: httpx2.AsyncClient
) -> None:
    """Whoever comes first makes it; all get it."""
    await world.save()
    answers: list[Response] = await asyncio.gather(
        *(releaser.post("/releases", json=NEW, headers=_key("race")) for _ in range(20))
    )
    assert {(201, "webshop/1")} == {(answer.status_code, answer.json()["id"]) for answer in answers}
    assert ["webshop/1"] == [str(plan.id) for plan in world.orchestrator.started]


async def test_requests_at_once_without_a_key_make_a_release_each(world: World, releaser: httpx2.AsyncClient) -> None:
    """No number is given twice, none is left out."""
    await world.save()
    answers = await asyncio.gather(*(releaser.post("/releases", json=NEW) for _ in range(10)))
    assert [f"webshop/{number}" for number in range(1, 11)] == sorted(
        (answer.json()["id"] for answer in answers), key=lambda release: int(release.split("/")[1])
    )


async def test_a_release_that_did_not_start_is_started_by_the_sweep(world: World, releaser: httpx2.AsyncClient) -> None:
    """The caller hears 201 all the same: the release exists and will run."""
    await world.save()
    world.orchestrator.is_reachable = False
    answer = await releaser.post("/releases", json=NEW)
    assert (201, "requested") == (answer.status_code, answer.json()["status"])
    world.orchestrator.is_reachable = True
    await start_unstarted(world.services)
    assert [] == world.orchestrator.started, "it is given some seconds to start by itself"
    world.clock.move(timedelta(seconds=6))
    await start_unstarted(world.services)
    await start_unstarted(world.services)
    assert ["webshop/1"] == [str(plan.id) for plan in world.orchestrator.started]
    assert "/run-of-1/history" in (await releaser.get("/releases/webshop/1")).json()["temporal_url"]


async def test_the_sweep_goes_on_past_a_release_it_cannot_start(world: World, releaser: httpx2.AsyncClient) -> None:
    """Temporal being down is recorded, not raised."""
    await world.save()
    world.orchestrator.is_reachable = False
    await releaser.post("/releases", json=NEW)
    world.clock.move(timedelta(seconds=6))
    await start_unstarted(world.services)
    assert [] == world.orchestrator.started


async def test_the_sweep_runs_beside_the_application(
    world: World, releaser: httpx2.AsyncClient, eventually: Callable[..., Awaitable[None]]
) -> None:
    """Nobody has to call it."""
    await world.save()
    world.orchestrator.is_reachable = False
    await releaser.post("/releases", json=NEW)
    world.orchestrator.is_reachable = True
    world.clock.move(timedelta(seconds=6))
    async with world.app.router.lifespan_context(world.app):
        await eventually(lambda: world.orchestrator.started)


@pytest.mark.parametrize("key", ["", "with blank", "x" * 256, "ä"])
async def test_a_key_that_cannot_be_kept_is_refused(world: World, releaser: httpx2.AsyncClient, key: str) -> None:
    """Silently ignoring it would make two releases of a repeated request."""
    await world.save()
    answer = await releaser.post("/releases", json=NEW, headers=[(b"Idempotency-Key", key.encode())])
    assert (422, []) == (answer.status_code, await _ids(releaser))


async def test_a_release_that_cannot_be_read_keeps_no_other_waiting(world: World, releaser: httpx2.AsyncClient) -> None:
    """Its plan may be of a newer version; the sweep starts what it can."""
    await world.save()
    world.orchestrator.is_reachable = False
    for _ in range(2):
        await releaser.post("/releases", json=NEW)
    async with world.services.database.transaction() as session:
        await session.execute(update(ReleaseRow).where(ReleaseRow.number == 1).values(plan={"from": "the future"}))
    world.orchestrator.is_reachable = True
    world.clock.move(timedelta(minutes=1))
    await start_unstarted(world.services)
    assert ["webshop/2"] == [str(plan.id) for plan in world.orchestrator.started]


async def _enter(world: World, address: str, *aliases: str) -> None:
    async with world.services.database.transaction() as session:
        await people.put(session, Person(address=address, also=aliases), world.clock())


def _approved_by(*approvers: str) -> dict[str, object]:
    """A pipeline whose one stage asks these."""
    job = {"job": "deploy", "steps": [{"run": "true"}]}
    before = {"approval": {"approvers": list(approvers)}}
    return {"pipeline": "webshop", "stages": [{"stage": "prod", "before": before, "jobs": [job]}]}


async def test_a_release_asks_people_whichever_of_their_addresses_is_named(
    world: World, releaser: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    """In a group and in the pipeline alike; as things are when it is made."""
    await _enter(world, "ana@example.com", "ana@old.example.com", "ana@private.example")
    await world.save(_approved_by("ana@old.example.com", "group:ops"))
    await admin.put("/groups/ops", json={"members": ["Ana@Private.example", "ana@example.com", "bo@example.com"]})
    await releaser.post("/releases", json=NEW)
    await _enter(world, "ana@example.com")
    [plan] = world.orchestrator.started
    approval = plan.pipeline.stages[0].before.approval
    assert approval is not None
    assert [("ana@example.com",), ("ana@example.com", "bo@example.com")] == [
        asked.members for asked in plan.asked(approval.approvers)
    ]


async def test_everybody_behind_a_release_is_its_requester(world: World) -> None:
    """The service's name is shown; its owner, and the person it acts for, are kept with all their addresses."""
    await world.save()
    await _enter(world, "rita@example.com", "rita@home.example")
    await _enter(world, "bo@example.com", "bo@old.example.com")
    value = await world.token(Role.RELEASER, "service:ci", owner="rita@home.example")
    async with world.client({"Authorization": f"Bearer {value}"}) as service:
        made = await service.post("/releases", json=NEW | {"requested_for": "BO@old.example.com"})
    [plan] = world.orchestrator.started
    assert ("service:ci", "service:ci") == (made.json()["requested_by"], plan.requested_by)
    expected = ("rita@example.com", "rita@home.example", "bo@example.com", "bo@old.example.com")
    assert expected == plan.requester_addresses


async def test_a_release_made_in_the_console_knows_all_addresses_too(world: World) -> None:
    """There is one way to make a release, whichever way it is asked for."""
    await world.save()
    await _enter(world, "rita@example.com", "rita@home.example")
    async with world.client({"Sec-Fetch-Site": "same-origin"}) as browser:
        await browser.post("http://slipway.test/login", data={"token": await world.token(Role.RELEASER)})
        cookie = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}", "Sec-Fetch-Site": "same-origin"}
    async with world.client(cookie) as browser:
        page = await browser.get("http://slipway.test/pipelines/webshop")
        csrf = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        made = await browser.post("http://slipway.test/pipelines/webshop/releases", data={"csrf": csrf, "key": "k"})
    assert 303 == made.status_code
    assert [("rita@example.com", "rita@home.example")] == [p.requester_addresses for p in world.orchestrator.started]


async def test_the_person_a_release_is_for_is_part_of_the_request(world: World, releaser: httpx2.AsyncClient) -> None:
    """The same key for somebody else is another request; for nobody it is the request that it always was."""
    await world.save()
    request = ReleaseRequest()
    before = hashlib.sha256(b"webshop\0" + request.model_dump_json(exclude={"requested_for"}).encode()).hexdigest()
    order = Order(pipeline="webshop", request=request, requester=Requester(name="rita@example.com"), key="k")
    assert before == order.hash
    await releaser.post("/releases", json=NEW, headers=_key("k"))
    answer = await releaser.post("/releases", json=NEW | {"requested_for": "bo@example.com"}, headers=_key("k"))
    assert (422, "KeyReused") == (answer.status_code, answer.json()["error"])
