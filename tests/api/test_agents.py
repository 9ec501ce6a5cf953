"""Agents over HTTP: enrolling, heartbeats, removal."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fakes.api_world import World

from domain.matching import DemandSet
from domain.role import Role
from storage.agents import SqlAgentDirectory

WHO: dict[str, Any] = {"instance_id": "instance-1", "capabilities": {"docker": "27", "os": "linux"}, "slots": 2}
PULSE = WHO | {"busy": 1, "version": "0.1.0"}


async def _token(admin: httpx2.AsyncClient, pool: str = "default") -> str:
    return str((await admin.post("/agents/enrolment-tokens", json={"pool": pool})).json()["token"])


async def _enrol(world: World, token: str, name: str = "web-1", **more: Any) -> httpx2.Response:
    async with world.calling() as nobody:
        return await nobody.post("/agents/enrol", json=WHO | {"token": token, "name": name} | more)


async def test_an_agent_enrols_with_a_one_time_token(world: World, admin: httpx2.AsyncClient) -> None:
    """Its credential is good for heartbeats, and the agent is then online in the token's pool."""
    answer = await _enrol(world, await _token(admin, "web"))
    assert (201, "web-1", "web") == (answer.status_code, answer.json()["name"], answer.json()["pool"])
    async with world.client({"Authorization": f"Bearer {answer.json()['credential']}"}) as agent:
        pulse = (await agent.post("/agent/heartbeat", json=PULSE)).json()
    assert ("web", [], "2026-03-01T12:00:00Z") == (pulse["pool"], pulse["queues"], pulse["server_time"])
    listed = (await admin.get("/agents")).json()
    assert [("web-1", True, 1, 2, "0.1.0")] == [
        (a["name"], a["is_online"], a["busy"], a["slots"], a["version"]) for a in listed
    ]


async def test_of_ten_that_use_one_token_one_gets_in(world: World, admin: httpx2.AsyncClient) -> None:
    """A copied token is worth nothing once it was used."""
    token = await _token(admin)
    answers = await asyncio.gather(*(_enrol(world, token, f"web-{number}") for number in range(10)))
    assert [201] + [403] * 9 == sorted(answer.status_code for answer in answers)
    assert {"EnrolmentRefused"} == {answer.json()["error"] for answer in answers if answer.status_code == 403}
    assert 1 == len((await admin.get("/agents")).json())


async def test_bad_enrolment_tokens_are_refused_alike(world: World, admin: httpx2.AsyncClient) -> None:
    """Forged, used or expired: the answer does not say which."""
    used, expired = await _token(admin), await _token(admin)
    await _enrol(world, used)
    world.clock.move(timedelta(hours=25))
    answers = [await _enrol(world, token, "web-2") for token in ("slw_enrol_forged", used, expired)]
    assert 1 == len({(answer.status_code, answer.json()["error"], answer.json()["detail"]) for answer in answers})
    assert 403 == answers[0].status_code


async def test_enrolling_again_revokes_the_old_credential(world: World, admin: httpx2.AsyncClient) -> None:
    """A name has one credential."""
    old = (await _enrol(world, await _token(admin))).json()["credential"]
    new = (await _enrol(world, await _token(admin), instance_id="instance-2")).json()["credential"]
    statuses = []
    for value in (old, new):
        async with world.client({"Authorization": f"Bearer {value}"}) as agent:
            answer = await agent.post("/agent/heartbeat", json=PULSE | {"instance_id": "instance-2"})
            statuses.append(answer.status_code)
    assert [401, 200] == statuses


async def test_a_name_that_is_alive_elsewhere_is_taken(world: World, admin: httpx2.AsyncClient) -> None:
    """Two machines never work under one name; and the token is not used up by the refusal."""
    credential = (await _enrol(world, await _token(admin))).json()["credential"]
    async with world.client({"Authorization": f"Bearer {credential}"}) as agent:
        await agent.post("/agent/heartbeat", json=PULSE)
        stolen = await agent.post("/agent/heartbeat", json=PULSE | {"instance_id": "instance-2"})
    token = await _token(admin)
    refused = await _enrol(world, token, instance_id="instance-2")
    assert [(409, "NameTaken")] * 2 == [(a.status_code, a.json()["error"]) for a in (stolen, refused)]
    assert 201 == (await _enrol(world, token, "web-2")).status_code


async def test_a_heartbeat_tells_the_queues_to_poll(world: World, admin: httpx2.AsyncClient) -> None:
    """Those of the demand sets that the agent satisfies."""
    directory = SqlAgentDirectory(world.services.database, world.clock)
    for demands in (["docker"], ["gpu"], []):
        await directory.want(DemandSet.of("default", demands))
    credential = (await _enrol(world, await _token(admin))).json()["credential"]
    async with world.client({"Authorization": f"Bearer {credential}"}) as agent:
        pulse = (await agent.post("/agent/heartbeat", json=PULSE)).json()
    assert ["agents/default/any", "agents/default/docker"] == pulse["queues"]


async def test_a_removed_agent_is_refused(world: World, admin: httpx2.AsyncClient) -> None:
    """Its credential ends with it."""
    credential = (await _enrol(world, await _token(admin))).json()["credential"]
    removed = await admin.delete("/agents/web-1")
    again = await admin.delete("/agents/web-1")
    async with world.client({"Authorization": f"Bearer {credential}"}) as agent:
        answer = await agent.post("/agent/heartbeat", json=PULSE)
    assert (204, 404, 401) == (removed.status_code, again.status_code, answer.status_code)


@pytest.mark.parametrize(
    "wrong", [{"slots": 0}, {"slots": 257}, {"name": "a/b"}, {"instance_id": "x"}, {"capabilities": {"": "x"}}]
)
async def test_an_enrolment_that_makes_no_sense_keeps_its_token(
    world: World, admin: httpx2.AsyncClient, wrong: dict[str, Any]
) -> None:
    """A typing error costs nothing."""
    token = await _token(admin)
    assert 422 == (await _enrol(world, token, **wrong)).status_code
    assert 201 == (await _enrol(world, token)).status_code


async def test_an_agent_does_nothing_else(agent: httpx2.AsyncClient) -> None:
    """Its role includes no other."""
    answers = [
        await agent.get(path) for path in ("/me", "/releases", "/agents", "/secrets", "/logs/a/1/b/1/c/1/1/text")
    ]
    assert [403] * 5 == [answer.status_code for answer in answers]


async def test_roles_of_people_do_not_include_an_agents(admin: httpx2.AsyncClient) -> None:
    """Not even an admin reads a step's secrets."""
    answers = [
        await admin.get("/agent/step-runs/webshop/1/test/1/deploy/1/1/secrets"),
        await admin.post("/agent/heartbeat", json=PULSE),
    ]
    assert [403, 403] == [answer.status_code for answer in answers]
    assert Role.AGENT in answers[0].json()["detail"]
