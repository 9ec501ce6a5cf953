"""An agent that asks for what is not its own: refused, whatever it sends, and noted."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fakes.api_world import NOW, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from activities.records import DeploymentFact, JobFact, StepFact
from api.rights import rights_of
from domain.ids import DeploymentId
from domain.role import Role
from domain.status import RunStatus, StageStatus
from storage import logs, secret_outputs, secrets, step_files

TEST = DeploymentId.parse("webshop/1/test/1")
JOB = f"{TEST}/deploy"
RUN = f"{JOB}/1/1"
SECRET = "hunter2-of-web-1"
WHO: dict[str, Any] = {"instance_id": "instance-1", "capabilities": {}, "slots": 1}
ITS_OWN = {
    "POST /api/v1/agent/heartbeat",
    "GET /api/v1/agent/upcoming-artifacts",
    "GET /api/v1/agent/step-runs/{run_id:path}/secrets",
    "PUT /api/v1/agent/step-runs/{run_id:path}/secret-outputs",
    "GET /api/v1/agent/step-runs/{run_id:path}/artifacts",
    "GET /api/v1/agent/step-runs/{run_id:path}/jenkins",
    "PUT /api/v1/agent/step-runs/{run_id:path}/log",
    "PUT /api/v1/agent/step-runs/{run_id:path}/files/{number}",
}


@pytest.fixture
async def deploying(world: World) -> World:
    """A step runs on agent web-1, and has a secret and a log."""
    await world.save()
    async with world.calling(Role.RELEASER) as rita:
        await rita.post("/releases", json={"pipeline": "webshop"})
    running = {"status": RunStatus.RUNNING, "started_at": NOW}
    await world.record(
        TEST.workflow_id,
        DeploymentFact(deployment=str(TEST), status=StageStatus.IN_PROGRESS, requested_by="rita", started_at=NOW),
        JobFact(job_id=JOB, deployment=str(TEST), position=0, job="deploy", pool="default", agent="web-1", **running),
        StepFact(
            run_id=RUN, job_id=JOB, step=1, try_number=1, title="x", secrets={"PASSWORD": "webshop/db"}, **running
        ),
    )
    async with world.services.database.transaction() as session:
        await secrets.put(session, world.services.sealing, name="webshop/db", value=SECRET, author="adam", now=NOW)
        await logs.append(session, RUN, 0, b"of web-1\n")
    return world


async def _enrolled(world: World, name: str, pool: str = "default", **more: Any) -> dict[str, str]:
    """The headers of a new agent, which was heard once."""
    async with world.calling(Role.ADMIN) as admin:
        token = (await admin.post("/agents/enrolment-tokens", json={"pool": pool, **more})).json()["token"]
    async with world.calling() as nobody:
        answer = await nobody.post("/agents/enrol", json=WHO | {"token": token, "name": name})
    headers = {"Authorization": f"Bearer {answer.json()['credential']}"}
    async with world.client(headers) as agent:
        assert 200 == (await agent.post("/agent/heartbeat", json=WHO)).status_code
    return headers


async def _calls(client: httpx2.AsyncClient, run: str = RUN) -> list[httpx2.Response]:
    """Everything that an agent may ask about a step run."""
    return [
        await client.get(f"/agent/step-runs/{run}/secrets"),
        await client.get(f"/agent/step-runs/{run}/artifacts"),
        await client.get(f"/agent/step-runs/{run}/jenkins"),
        await client.put(f"/agent/step-runs/{run}/secret-outputs", json={"variables": {"A": "forged"}}),
        await client.put(f"/agent/step-runs/{run}/log?offset=9", content=b"forged"),
        await client.put(f"/agent/step-runs/{run}/files/1?offset=0", content=b"forged"),
    ]


async def _nothing_happened(world: World) -> bool:
    async with world.services.database.reading() as session:
        log = await logs.read(session, RUN)
        kept = await secret_outputs.of_deployment(session, world.services.sealing, str(TEST))
        files = await step_files.sizes(session, RUN)
    return (log, list(kept), files) == (b"of web-1\n", [], {})


def test_an_agents_calls_are_the_known_few(world: World) -> None:
    """A new one is noticed here."""
    found = {
        f"{'/'.join(right.methods)} {right.path}" for right in rights_of(world.app) if right.needed == (Role.AGENT,)
    }
    assert ITS_OWN == found


@pytest.mark.parametrize("run", [RUN, f"{JOB}/2/1", "webshop/9/prod/1/deploy/1/1"])
async def test_another_agents_run_is_refused_and_noted(deploying: World, run: str) -> None:
    """Its secrets, its artifacts, its outputs, its log, its files; and alike, one that does not exist."""
    async with deploying.client(await _enrolled(deploying, "web-2")) as rogue:
        with capture_logs() as lines:
            answers = await _calls(rogue, run)
    assert [(403, "NotYourRun")] * 6 == [(answer.status_code, answer.json()["error"]) for answer in answers]
    assert [("web-2", run)] * 6 == [(line["agent"], line["run"]) for line in lines if line["event"] == "agent refused"]
    assert await _nothing_happened(deploying)


@pytest.mark.parametrize("token", [{"pool": "other"}, {"needs_approval": True}], ids=["pool", "approval"])
async def test_a_job_that_an_agent_had_no_right_to_take_gives_it_nothing(
    deploying: World, token: dict[str, Any]
) -> None:
    """Temporal gives jobs to whoever polls a queue: the API looks again."""
    headers = await _enrolled(deploying, "web-1", **token)
    async with deploying.client(headers) as rogue:
        answers = await _calls(rogue)
    assert [403] * 6 == [answer.status_code for answer in answers]
    assert all("web-1 may do no jobs of pool default" in answer.json()["detail"] for answer in answers)
    assert await _nothing_happened(deploying)


async def test_the_agent_itself_is_given_what_is_its_own(deploying: World) -> None:
    """The refusals here are no refusals of everybody."""
    async with deploying.client(await _enrolled(deploying, "web-1")) as agent:
        answers = await _calls(agent)
    assert {"PASSWORD": SECRET} == answers[0].json()["values"]
    assert [200, 403, 403, 204, 200, 200] == [answer.status_code for answer in answers]  # no download, no build


@pytest.mark.parametrize("how", ["removed", "enrolled anew", "expired"])
async def test_an_old_token_is_refused_everywhere_at_once(deploying: World, how: str) -> None:
    """Every call, also those that were just answered."""
    headers = await _enrolled(deploying, "web-1")
    async with deploying.client(headers) as old:
        assert 200 == (await _calls(old))[0].status_code
        if how == "removed":
            async with deploying.calling(Role.ADMIN) as admin:
                await admin.delete("/agents/web-1")
        elif how == "enrolled anew":
            deploying.clock.move(timedelta(minutes=1))
            await _enrolled(deploying, "web-1")
        else:
            deploying.clock.move(timedelta(days=366))
        answers = [*await _calls(old), await old.post("/agent/heartbeat", json=WHO)]
    assert [401] * 7 == [answer.status_code for answer in answers]


@pytest.fixture
async def rogue(deploying: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with deploying.client(await _enrolled(deploying, "web-2")) as client:
        yield client


_PARTS = st.sampled_from(["webshop", "1", "test", "deploy", "2", "0", "..", ".", "%2e%2e", "%2f", "", "web-1", "%00"])
_RUNS = st.just(RUN) | st.lists(_PARTS, min_size=1, max_size=9).map("/".join)
_BODIES = st.sampled_from(
    [
        WHO,
        WHO | {"name": "web-1"},
        WHO | {"slots": -1},
        {"variables": {"A": "x"}, "masks": ["x"]},
        {"outcome": "exited", "exit_code": 0},
        {"status": "succeeded", "agent": "web-1"},
        [],
        None,
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_whatever_a_rogue_agent_sends_brings_it_nothing(
    deploying: World, rogue: httpx2.AsyncClient, data: st.DataObject
) -> None:
    """No answer holds the secret, none that succeeds brings anything, and none is a fault of ours."""
    method = data.draw(st.sampled_from(["GET", "PUT", "POST", "DELETE"]))
    what = data.draw(
        st.sampled_from(
            ["secrets", "artifacts", "jenkins", "log", "files/1", "secret-outputs", "result", "end", "lease"]
        )
    )
    paths = (
        st.just("/agent/heartbeat")
        | st.just("/agent/upcoming-artifacts")
        | _RUNS.map(lambda run: f"/agent/step-runs/{run}/{what}")
    )
    path = data.draw(paths)
    query = data.draw(st.sampled_from(["", "?offset=9", "?offset=0&agent=web-1", "?run_id=" + RUN]))
    headers = data.draw(st.sampled_from([{}, {"X-Agent": "web-1"}, {"X-Forwarded-User": "web-1"}]))
    answer = await rogue.request(method, path + query, json=data.draw(_BODIES), headers=headers)
    assert answer.status_code < 500
    assert SECRET not in answer.text
    assert not answer.is_success or path == "/agent/heartbeat" or answer.json() == {"artifacts": []}
    assert await _nothing_happened(deploying)
