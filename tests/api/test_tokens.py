"""Tokens over HTTP."""

from datetime import timedelta

import httpx2
import pytest
from fakes.api_world import World

from api.auth import SESSION_COOKIE

NEW = {"name": "ci", "subject": "Bot@Example.com", "role": "releaser", "days": 30}
SERVICE = {"subject": None, "service": "ci", "owner": "Rita@Example.com"}


async def test_a_token_is_shown_once(world: World, admin: httpx2.AsyncClient) -> None:
    """Its value works, and is in no later answer."""
    issued = await admin.post("/tokens", json=NEW)
    value = issued.json()["value"]
    assert (201, "bot@example.com", "releaser") == (
        issued.status_code,
        issued.json()["subject"],
        issued.json()["role"],
    )
    async with world.client({"Authorization": f"Bearer {value}"}) as bot:
        assert {"subject": "bot@example.com", "role": "releaser", "owner": None} == (await bot.get("/me")).json()
    listed = await admin.get("/tokens")
    assert issued.json()["id"] in [token["id"] for token in listed.json()]
    assert value not in listed.text


async def test_a_token_ends_by_itself(world: World, admin: httpx2.AsyncClient) -> None:
    """After the days it was given."""
    value = (await admin.post("/tokens", json=NEW | {"days": 1})).json()["value"]
    world.clock.move(timedelta(days=1))
    async with world.client({"Authorization": f"Bearer {value}"}) as bot:
        assert 401 == (await bot.get("/me")).status_code


async def test_a_revoked_token_is_refused(world: World, admin: httpx2.AsyncClient) -> None:
    """At once; revoking it again finds nothing."""
    issued = (await admin.post("/tokens", json=NEW)).json()
    revoked = await admin.delete(f"/tokens/{issued['id']}")
    again = await admin.delete(f"/tokens/{issued['id']}")
    async with world.client({"Authorization": f"Bearer {issued['value']}"}) as bot:
        assert (204, 404, 401) == (revoked.status_code, again.status_code, (await bot.get("/me")).status_code)


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "agent"},
        {"role": "root"},
        {"subject": "nobody"},
        {"subject": "service:ci"},
        {"subject": None},
        {"days": 0},
        {"days": 400},
        {"name": ""},
        {"service": "ci", "owner": "rita@example.com"},
        {"owner": "rita@example.com"},
        SERVICE | {"owner": None},
        SERVICE | {"owner": "service:other"},
        SERVICE | {"service": "ci@example.com"},
        SERVICE | {"service": ""},
    ],
    ids=str,
)
async def test_a_token_that_makes_no_sense_is_not_issued(admin: httpx2.AsyncClient, wrong: dict[str, object]) -> None:
    """Agents enrol; everything else has a person, or an owner, and an end."""
    before = (await admin.get("/tokens")).json()
    assert 422 == (await admin.post("/tokens", json=NEW | wrong)).status_code
    assert [t["id"] for t in before] == [t["id"] for t in (await admin.get("/tokens")).json()]


async def test_revoking_a_token_ends_the_browser_sessions_made_with_it(world: World, admin: httpx2.AsyncClient) -> None:
    """Who stole it is out at once; whose it was signs in again."""
    issued = (await admin.post("/tokens", json=NEW)).json()
    async with world.client({"Sec-Fetch-Site": "same-origin"}) as browser:
        await browser.post("http://slipway.test/login", data={"token": issued["value"]})
        cookie = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"}
    async with world.client(cookie) as stolen:
        before = (await stolen.get("/me")).status_code
        await admin.delete(f"/tokens/{issued['id']}")
        assert (200, 401) == (before, (await stolen.get("/me")).status_code)


async def test_a_services_token_tells_who_answers_for_it(world: World, admin: httpx2.AsyncClient) -> None:
    """In its own answer, in the list, and to the service itself."""
    new = {"name": "build server", "service": "ci", "owner": "Rita@Example.com", "role": "releaser"}
    issued = (await admin.post("/tokens", json=new)).json()
    [listed] = [token for token in (await admin.get("/tokens")).json() if token["id"] == issued["id"]]
    async with world.client({"Authorization": f"Bearer {issued['value']}"}) as service:
        me = (await service.get("/me")).json()
    assert [("service:ci", "rita@example.com")] * 3 == [(one["subject"], one["owner"]) for one in (issued, listed, me)]


async def test_a_release_managers_token_can_be_issued(admin: httpx2.AsyncClient) -> None:
    """It is a role of people like the others."""
    assert "release-manager" == (await admin.post("/tokens", json=NEW | {"role": "release-manager"})).json()["role"]
