"""Agents over HTTP: enrolling, heartbeats, removal."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fakes.api_world import World

from domain.matching import DemandSet, explain_absence
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


async def _enrolled(world: World, admin: httpx2.AsyncClient, name: str = "web-1", **token: Any) -> dict[str, str]:
    """The headers of a new agent."""
    value = (await admin.post("/agents/enrolment-tokens", json=token)).json()["token"]
    return {"Authorization": f"Bearer {(await _enrol(world, value, name)).json()['credential']}"}


async def _pulse(world: World, headers: dict[str, str], **more: Any) -> dict[str, Any]:
    async with world.client(headers) as agent:
        answer = await agent.post("/agent/heartbeat", json=PULSE | more)
    assert 200 == answer.status_code
    return dict(answer.json())


async def _listed(admin: httpx2.AsyncClient) -> dict[str, Any]:
    return dict((await admin.get("/agents")).json()[0])


async def test_labels_go_before_what_an_agent_says_and_outlive_its_enrolment(
    world: World, admin: httpx2.AsyncClient
) -> None:
    """They bring it jobs that it would not get otherwise."""
    directory = SqlAgentDirectory(world.services.database, world.clock)
    for demands in (["gpu"], ["docker=24"], ["!docker=24"]):
        await directory.want(DemandSet.of("default", demands))
    headers = await _enrolled(world, admin)
    assert ["agents/default/not~docker=24"] == (await _pulse(world, headers))["queues"]
    labels = {"GPU": "", "Docker": "24"}
    told = (await admin.put("/agents/web-1/labels", json={"labels": labels})).json()
    assert ({"gpu": "", "docker": "24"}, "24", "linux") == (
        told["labels"],
        told["capabilities"]["docker"],
        told["capabilities"]["os"],
    )
    world.clock.move(timedelta(minutes=1))
    anew = await _enrolled(world, admin)
    assert ["agents/default/docker=24", "agents/default/gpu"] == (await _pulse(world, anew))["queues"]


@pytest.mark.parametrize(
    "labels",
    [{"": "x"}, {"a b": "x"}, {"a=b": ""}, {"!a": ""}, {"a": "x" * 201}, {"gpu": "1", "GPU": "2"}, {"a": None}],
)
async def test_labels_that_no_demand_could_name_are_refused(
    world: World, admin: httpx2.AsyncClient, labels: dict[str, Any]
) -> None:
    """And those that would be told apart by their case alone."""
    await _enrolled(world, admin)
    assert 422 == (await admin.put("/agents/web-1/labels", json={"labels": labels})).status_code


async def test_an_agent_under_maintenance_takes_no_new_jobs(world: World, admin: httpx2.AsyncClient) -> None:
    """It is online, and whoever waits for it is told why."""
    directory = SqlAgentDirectory(world.services.database, world.clock)
    wanted = DemandSet.of("default", ["docker"])
    await directory.want(wanted)
    headers = await _enrolled(world, admin)
    told = (await admin.put("/agents/web-1/maintenance", json={"on": True, "reason": "disk swap"})).json()
    assert (True, "is under maintenance: disk swap") == (told["in_maintenance"], told["closed_because"])
    assert [] == (await _pulse(world, headers))["queues"]
    assert (
        "no agent of pool default that has docker takes jobs now; "
        "web-1 would do, but is under maintenance: disk swap"
        == explain_absence(await directory.offers("default"), wanted)
    )
    assert (await admin.put("/agents/web-1/maintenance", json={"on": False})).json()["takes_jobs"]
    assert ["agents/default/docker"] == (await _pulse(world, headers))["queues"]


async def test_slots_that_an_admin_sets_are_told_with_the_heartbeat(world: World, admin: httpx2.AsyncClient) -> None:
    """Until they are taken back; then the agent's own setting counts."""
    headers = await _enrolled(world, admin)
    told = [(await _pulse(world, headers))["slots"]]
    for slots in (5, None):
        await admin.put("/agents/web-1/slots", json={"slots": slots})
        told.append((await _pulse(world, headers))["slots"])
    assert [2, 5, 2] == told
    assert [422, 422] == [(await admin.put("/agents/web-1/slots", json={"slots": n})).status_code for n in (0, 257)]


async def test_an_agent_that_needs_approval_takes_no_jobs_before_it(world: World, admin: httpx2.AsyncClient) -> None:
    """Its token said so; an admin lets it in."""
    await SqlAgentDirectory(world.services.database, world.clock).want(DemandSet.of("default", []))
    headers = await _enrolled(world, admin, needs_approval=True)
    assert [] == (await _pulse(world, headers))["queues"]
    assert "waits for an admin's approval" == (await _listed(admin))["closed_because"]
    assert (await admin.post("/agents/web-1/approval")).json()["takes_jobs"]
    assert ["agents/default/any"] == (await _pulse(world, headers))["queues"]


async def test_a_draining_agent_is_told_apart_until_it_is_gone(world: World, admin: httpx2.AsyncClient) -> None:
    """Then it is offline; back again, it takes jobs."""
    headers = await _enrolled(world, admin)
    await _pulse(world, headers, is_draining=True)
    draining = await _listed(admin)
    world.clock.move(timedelta(minutes=1))
    gone = await _listed(admin)
    await _pulse(world, headers)
    assert (True, "is draining", False) == (draining["is_draining"], draining["closed_because"], draining["takes_jobs"])
    assert (False, "", False) == (gone["is_draining"], gone["closed_because"], gone["is_online"])
    assert (await _listed(admin))["takes_jobs"]


@pytest.mark.parametrize(
    ("skew", "expected"),
    [
        (timedelta(minutes=3), "its clock is 3 min ahead"),
        (timedelta(days=-1), "its clock is 1 day behind"),
        (timedelta(days=1), "its clock is 1 day ahead"),
        (timedelta(days=300_000), "its clock is 300000 days ahead"),
        (timedelta(seconds=1), ""),
    ],
)
async def test_a_wrong_clock_is_shown_and_decides_nothing(
    world: World, admin: httpx2.AsyncClient, skew: timedelta, expected: str
) -> None:
    """The agent is as online as ever, by the clock of the server."""
    headers = await _enrolled(world, admin)
    await _pulse(world, headers, sent_at=(world.clock() + skew).isoformat())
    told = await _listed(admin)
    assert (expected, skew.total_seconds(), True) == (told["clock_warning"], told["clock_ahead"], told["is_online"])
    world.clock.move(timedelta(seconds=16))
    assert not (await _listed(admin))["is_online"]


async def test_an_agent_that_says_more_than_we_know_is_heard(world: World, admin: httpx2.AsyncClient) -> None:
    """Agents may be upgraded before the server."""
    assert "default" == (await _pulse(world, await _enrolled(world, admin), mood="good"))["pool"]


async def test_what_is_said_of_an_agent_that_is_not_there_is_refused(admin: httpx2.AsyncClient) -> None:
    """By its name."""
    answers = [
        await admin.put("/agents/web-9/labels", json={"labels": {}}),
        await admin.put("/agents/web-9/maintenance", json={"on": True}),
        await admin.put("/agents/web-9/slots", json={"slots": 1}),
        await admin.post("/agents/web-9/approval"),
    ]
    assert [(404, "there is no agent web-9")] * 4 == [(a.status_code, a.json()["detail"]) for a in answers]
