"""What an agent fetches and sends: only for the runs it holds, only while it may."""

from typing import Any

import httpx2
import pytest
from fakes.api_world import NOW, PIPELINE, World
from pydantic import SecretStr
from structlog.testing import capture_logs

from activities.records import DeploymentFact, JobFact, ReleaseFact, StepFact
from api import agent_work
from domain.artifact import FileEntry, Manifest, PinnedArtifact
from domain.connection import Connection, ConnectionKind
from domain.ids import DeploymentId
from domain.outputs import NotedFile
from domain.pipeline import DirectorySource, JenkinsSource
from domain.role import Role
from domain.status import ReleaseStatus, RunStatus, StageStatus
from storage import connections, logs, secrets, step_files
from storage.manifests import SqlManifests

TEST = DeploymentId.parse("webshop/1/test/1")
JOB = f"{TEST}/deploy"
RUN = f"{JOB}/1/1"
WORK = f"/agent/step-runs/{RUN}"


async def _deploying(world: World, agent: str = "web-1") -> None:
    """Release webshop/1 deploys to test: its first step runs on the agent."""
    await world.save()
    async with world.calling(Role.RELEASER) as rita:
        await rita.post("/releases", json={"pipeline": "webshop"})
    await world.record(
        TEST.workflow_id,
        DeploymentFact(
            deployment=str(TEST), status=StageStatus.IN_PROGRESS, requested_by="rita@example.com", started_at=NOW
        ),
        JobFact(
            job_id=JOB,
            deployment=str(TEST),
            position=0,
            job="deploy",
            status=RunStatus.RUNNING,
            pool="default",
            agent=agent,
        ),
    )
    await _step(world)


async def _step(world: World, **more: Any) -> None:
    fact = StepFact(
        run_id=RUN,
        job_id=JOB,
        step=1,
        try_number=1,
        title="./deploy.sh",
        status=RunStatus.RUNNING,
        secrets={"PASSWORD": "webshop/db"},
    )
    await world.record(TEST.workflow_id, fact.model_copy(update=more))


async def _store(world: World, **values: str) -> None:
    async with world.services.database.transaction() as session:
        for name, value in values.items():
            await secrets.put(
                session, world.services.sealing, name=f"webshop/{name}", value=value, author="adam", now=NOW
            )


async def test_a_running_step_gets_the_secrets_it_names(world: World, agent: httpx2.AsyncClient) -> None:
    """Under the names of its environment, and no others."""
    await _deploying(world)
    await _store(world, db="hunter2", other="not for this step")
    answer = await agent.get(f"{WORK}/secrets")
    assert (200, {"values": {"PASSWORD": "hunter2"}, "masks": []}) == (answer.status_code, answer.json())


@pytest.mark.parametrize("status", [RunStatus.WAITING, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.UNKNOWN])
async def test_a_step_that_does_not_run_gets_none(world: World, agent: httpx2.AsyncClient, status: RunStatus) -> None:
    """Neither before it starts nor after it ended."""
    await _deploying(world)
    await _store(world, db="hunter2")
    await _step(world, status=status)
    answer = await agent.get(f"{WORK}/secrets")
    assert (403, "NotYourRun") == (answer.status_code, answer.json()["error"])
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("what", ["secrets", "artifacts"])
async def test_another_agent_gets_nothing_and_is_noted(world: World, what: str) -> None:
    """A run that does not exist and one that is another's are refused alike."""
    await _deploying(world)
    await _store(world, db="hunter2")
    async with world.calling(Role.AGENT, "web-2") as foreign:
        with capture_logs() as lines:
            answer = await foreign.get(f"{WORK}/{what}")
            unknown = await foreign.get(f"/agent/step-runs/{JOB}/9/9/{what}")
    assert [(403, "NotYourRun")] * 2 == [(a.status_code, a.json()["error"]) for a in (answer, unknown)]
    noted = [line for line in lines if line["event"] == "agent refused"]
    assert [("web-2", RUN), ("web-2", f"{JOB}/9/9")] == [(line["agent"], line["run"]) for line in noted]


async def test_a_secret_that_nobody_stored_is_named(world: World, agent: httpx2.AsyncClient) -> None:
    """So that the step's failure says what to do."""
    await _deploying(world)
    answer = await agent.get(f"{WORK}/secrets")
    assert (404, "no secret is stored as webshop/db") == (answer.status_code, answer.json()["detail"])


async def _pinned(world: World) -> tuple[Manifest, Manifest]:
    """The release has an artifact of Jenkins and one of a directory; step 0 downloads."""
    pins, found = [], []
    for alias, source in (("web", JenkinsSource(server="ci", job="web")), ("infra", DirectorySource(path="/srv"))):
        entry = FileEntry(path="a.txt", locator="a.txt", size=1, sha256="a" * 64)
        manifest = Manifest(source=source, version="7", files=(entry,))
        manifest_id = await SqlManifests(world.services.database).keep(manifest)
        found.append(manifest)
        pins.append(
            PinnedArtifact(
                alias=alias,
                kind="x",
                version="7",
                digest=manifest.digest,
                manifest_id=manifest_id,
                file_count=1,
                size=1,
            )
        )
    await world.record(
        "release/webshop/1",
        ReleaseFact(release="webshop/1", status=ReleaseStatus.ACTIVE, digest="d" * 64, artifacts=tuple(pins)),
    )
    await world.record(
        TEST.workflow_id,
        StepFact(run_id=f"{JOB}/0/1", job_id=JOB, step=0, try_number=1, title="download", status=RunStatus.RUNNING),
    )
    return found[0], found[1]


async def test_a_download_gets_manifests_and_connections(world: World, agent: httpx2.AsyncClient) -> None:
    """With the token of each connection, which stands in no plan and no history."""
    await _deploying(world)
    jenkins, directory = await _pinned(world)
    connection = Connection(
        name="ci", kind=ConnectionKind.JENKINS, url="https://ci.example", user="bot", token=SecretStr("hunter2")
    )
    async with world.services.database.transaction() as session:
        await connections.put(session, world.services.sealing, connection, NOW)
    fetched = (await agent.get(f"/agent/step-runs/{JOB}/0/1/artifacts")).json()["artifacts"]
    assert [("web", jenkins), ("infra", directory)] == [
        (artifact["alias"], Manifest.model_validate(artifact["manifest"])) for artifact in fetched
    ]
    assert [
        {
            "name": "ci",
            "kind": "jenkins",
            "url": "https://ci.example",
            "user": "bot",
            "token": "hunter2",
            "ca": None,
        },
        None,
    ] == [artifact["connection"] for artifact in fetched]


async def test_a_connection_that_is_gone_is_named(world: World, agent: httpx2.AsyncClient) -> None:
    """Rather than failing at Jenkins without credentials."""
    await _deploying(world)
    await _pinned(world)
    answer = await agent.get(f"/agent/step-runs/{JOB}/0/1/artifacts")
    assert (404, "UnknownConnection") == (answer.status_code, answer.json()["error"])


async def test_only_a_download_gets_connections(world: World, agent: httpx2.AsyncClient) -> None:
    """A script's run does not."""
    await _deploying(world)
    await _pinned(world)
    assert 403 == (await agent.get(f"{WORK}/artifacts")).status_code


async def test_a_job_that_downloads_nothing_gets_nothing(world: World, agent: httpx2.AsyncClient) -> None:
    """Nor the credentials of what it does not use."""
    stages: Any = PIPELINE["stages"]
    job = stages[0]["jobs"][0] | {"download": "none"}
    await world.save(PIPELINE | {"stages": [stages[0] | {"jobs": [job]}]})
    async with world.calling(Role.RELEASER) as rita:
        await rita.post("/releases", json={"pipeline": "webshop"})
    await _deploying(world)
    await _pinned(world)
    assert {"artifacts": []} == (await agent.get(f"/agent/step-runs/{JOB}/0/1/artifacts")).json()


async def _building(world: World, kind: ConnectionKind = ConnectionKind.JENKINS) -> None:
    """The first step of the job is one that Jenkins runs; the second is a script."""
    stages: Any = PIPELINE["stages"]
    steps = [{"jenkins": {"server": "ci", "job": "team/tests"}}, {"run": "./deploy.sh"}]
    job = stages[0]["jobs"][0] | {"steps": steps}
    await world.save(PIPELINE | {"stages": [stages[0] | {"jobs": [job]}]})
    async with world.calling(Role.RELEASER) as rita:
        await rita.post("/releases", json={"pipeline": "webshop"})
    await _deploying(world)
    connection = Connection(name="ci", kind=kind, url="https://ci.example", user="bot", token=SecretStr("hunter2"))
    async with world.services.database.transaction() as session:
        await connections.put(session, world.services.sealing, connection, NOW)


async def test_a_step_that_jenkins_runs_gets_its_connection(world: World, agent: httpx2.AsyncClient) -> None:
    """And no other's."""
    await _building(world)
    told = (await agent.get(f"{WORK}/jenkins")).json()
    assert ("ci", "https://ci.example", "bot", "hunter2") == tuple(
        told[key] for key in ("name", "url", "user", "token")
    )
    await _step(world, run_id=f"{JOB}/2/1", step=2)
    await _step(world, run_id=f"{JOB}/0/1", step=0)
    answers = [await agent.get(f"/agent/step-runs/{JOB}/{step}/1/jenkins") for step in (2, 0)]
    assert [(403, "NotYourRun")] * 2 == [(answer.status_code, answer.json()["error"]) for answer in answers]


async def test_a_jenkins_step_that_has_ended_gets_no_connection(world: World, agent: httpx2.AsyncClient) -> None:
    """Its agent may still hold the job."""
    await _building(world)
    await _step(world, status=RunStatus.SUCCEEDED)
    assert 403 == (await agent.get(f"{WORK}/jenkins")).status_code


async def test_a_connection_to_something_else_is_not_given_as_one_to_jenkins(
    world: World, agent: httpx2.AsyncClient
) -> None:
    """Its token would go to the wrong server."""
    await _building(world, ConnectionKind.AZURE_PIPELINES)
    answer = await agent.get(f"{WORK}/jenkins")
    assert (404, "the connection ci is one to azure-pipelines, not to jenkins") == (
        answer.status_code,
        answer.json()["detail"],
    )


async def _append(agent: httpx2.AsyncClient, offset: int, data: bytes) -> httpx2.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return await agent.put(f"{WORK}/log?offset={offset}", content=data, headers=headers)


async def test_a_log_grows_by_what_is_new(world: World, agent: httpx2.AsyncClient) -> None:
    """Bytes that are sent again, whole or in part, are dropped."""
    await _deploying(world)
    sizes = [
        (await _append(agent, offset, data)).json()["size"]
        for offset, data in ((0, b"one "), (0, b"one "), (2, b"e two "), (8, b""), (8, b"three"))
    ]
    assert [4, 4, 8, 8, 13] == sizes
    async with world.services.database.reading() as session:
        assert b"one two three" == await logs.read(session, RUN)


async def test_a_gap_is_refused_with_the_size_to_go_on_from(world: World, agent: httpx2.AsyncClient) -> None:
    """The agent sends from there on."""
    await _deploying(world)
    await _append(agent, 0, b"one ")
    answer = await _append(agent, 9, b"three")
    assert (409, "LogGap", 4) == (answer.status_code, answer.json()["error"], answer.json()["size"])


async def test_late_bytes_are_taken_up_to_the_end_that_was_told(world: World, agent: httpx2.AsyncClient) -> None:
    """Not one beyond; and what has arrived may be sent again."""
    await _deploying(world)
    await _append(agent, 0, b"one ")
    await _step(world, status=RunStatus.SUCCEEDED, log_size=8)
    beyond = await _append(agent, 4, b"two three")
    late = await _append(agent, 4, b"two ")
    again = await _append(agent, 4, b"two ")
    assert (409, "LogClosed") == (beyond.status_code, beyond.json()["error"])
    assert [(200, 8)] * 2 == [(a.status_code, a.json()["size"]) for a in (late, again)]


async def test_what_an_agent_saved_of_a_lost_run_is_taken(world: World, agent: httpx2.AsyncClient) -> None:
    """Nobody saw the run end, so nobody knows how long its log is."""
    await _deploying(world)
    await _step(world, status=RunStatus.UNKNOWN, log_size=0)
    assert 200 == (await _append(agent, 0, b"the last words")).status_code


async def test_another_agents_bytes_are_refused(world: World) -> None:
    """Nobody writes into another's log."""
    await _deploying(world)
    async with world.calling(Role.AGENT, "web-2") as foreign:
        assert 403 == (await _append(foreign, 0, b"forged")).status_code


async def test_a_piece_may_have_a_mebibyte_and_no_more(world: World, agent: httpx2.AsyncClient) -> None:
    """Larger ones are sent in several pieces."""
    await _deploying(world)
    largest = await _append(agent, 0, b"x" * 1024 * 1024)
    too_large = await _append(agent, 0, b"x" * (1024 * 1024 + 1))
    assert (200, 413) == (largest.status_code, too_large.status_code)


@pytest.mark.parametrize("offset", ["", "?offset=-1", "?offset=x", "?offset=99999999999999999999"])
async def test_a_piece_without_its_place_is_refused(world: World, agent: httpx2.AsyncClient, offset: str) -> None:
    """Nothing is guessed."""
    await _deploying(world)
    assert 422 == (await agent.put(f"{WORK}/log{offset}", content=b"x")).status_code


async def test_a_log_may_grow_beyond_two_gigabytes(world: World, agent: httpx2.AsyncClient) -> None:
    """What is missing is told, as anywhere else in it."""
    await _deploying(world)
    answer = await agent.put(f"{WORK}/log?offset={2**31}", content=b"x")
    assert (409, "LogGap") == (answer.status_code, answer.json()["error"])


async def _append_file(agent: httpx2.AsyncClient, number: int, offset: int, data: bytes) -> httpx2.Response:
    return await agent.put(f"{WORK}/files/{number}?offset={offset}", content=data)


async def test_a_file_grows_by_what_is_new(world: World, agent: httpx2.AsyncClient) -> None:
    """As a log does: what is sent again is dropped, a gap is refused with the size to go on from."""
    await _deploying(world)
    pieces = ((2, 0, b""), (2, 0, b"one "), (2, 0, b"one "), (2, 2, b"e two"), (1, 0, b"other"))
    assert [0, 4, 4, 7, 5] == [(await _append_file(agent, *piece)).json()["size"] for piece in pieces]
    gap = await _append_file(agent, 2, 9, b"x")
    assert (409, "LogGap", 7) == (gap.status_code, gap.json()["error"], gap.json()["size"])
    async with world.services.database.reading() as session:
        assert [b"other", b"one two"] == [await step_files.read(session, RUN, number) for number in (1, 2)]


async def test_a_late_file_is_taken_up_to_the_size_that_was_told(world: World, agent: httpx2.AsyncClient) -> None:
    """Not one byte beyond, and no file that the run did not tell of; of a run that was lost, what there is."""
    await _deploying(world)
    await _step(world, status=RunStatus.SUCCEEDED, log_size=0, files=(NotedFile(name="a", size=4),))
    late = [await _append_file(agent, 1, 0, b"four") for _ in range(2)]
    beyond = [await _append_file(agent, 1, 4, b"!"), await _append_file(agent, 2, 0, b"x")]
    assert [(200, 4)] * 2 == [(answer.status_code, answer.json()["size"]) for answer in late]
    assert [(409, "FileClosed")] * 2 == [(answer.status_code, answer.json()["error"]) for answer in beyond]
    await _step(world, status=RunStatus.UNKNOWN, log_size=0)
    assert 200 == (await _append_file(agent, 2, 0, b"x")).status_code


async def test_files_have_limits(world: World, agent: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each, all of a run, and their number; the runner refuses before, so only a rogue agent meets them."""
    await _deploying(world)
    monkeypatch.setattr(agent_work, "FILE_BYTES", 10)
    monkeypatch.setattr(agent_work, "FILES_BYTES", 15)
    pieces = [(1, 0, b"x" * 11), (1, 0, b"x" * 10), (2, 0, b"x" * 6), (2, 0, b"x" * 5), (21, 0, b""), (0, 0, b"")]
    assert [422, 200, 422, 200, 422, 422] == [(await _append_file(agent, *piece)).status_code for piece in pieces]
    async with world.services.database.reading() as session:
        assert {1: 10, 2: 5} == await step_files.sizes(session, RUN)


async def _next_step(world: World, job: str = JOB, **more: Any) -> str:
    """Step 2 of the job runs, and names what step 1 set."""
    fact = StepFact(run_id=f"{job}/2/1", job_id=job, step=2, try_number=1, title="next", status=RunStatus.RUNNING)
    told = {"secret_outputs": {"TOKEN": f"{RUN}/TOKEN"}, **more}
    await world.record(TEST.workflow_id, fact.model_copy(update=told))
    return f"/agent/step-runs/{job}/2/1"


async def test_a_secret_that_a_step_set_reaches_the_steps_that_name_it(world: World, agent: httpx2.AsyncClient) -> None:
    """And whatever else the job's steps were given or set is there to be masked."""
    await _deploying(world)
    await _store(world, db="hunter2")
    told = {"variables": {"token": "s3cr3t-value"}, "masks": ["mask-me"]}
    assert 204 == (await agent.put(f"{WORK}/secret-outputs", json=told)).status_code
    await _step(world, status=RunStatus.SUCCEEDED)
    answer = await agent.get(f"{await _next_step(world)}/secrets")
    assert {"values": {"TOKEN": "s3cr3t-value"}, "masks": ["hunter2", "mask-me"]} == answer.json()
    nameless = await agent.get(f"{await _next_step(world, secret_outputs={})}/secrets")
    assert {"values": {}, "masks": ["hunter2", "mask-me", "s3cr3t-value"]} == nameless.json()


async def test_later_jobs_mask_what_earlier_ones_set(world: World, agent: httpx2.AsyncClient) -> None:
    """Also where no step of theirs names it: a file may carry it there."""
    await _deploying(world)
    told = {"variables": {"token": "s3cr3t-value"}, "masks": ["mask-me"]}
    assert 204 == (await agent.put(f"{WORK}/secret-outputs", json=told)).status_code
    await _step(world, status=RunStatus.SUCCEEDED)
    later = f"{TEST}/check"
    job = {"job_id": later, "deployment": str(TEST), "position": 1, "job": "check", "status": RunStatus.RUNNING}
    await world.record(TEST.workflow_id, JobFact.model_validate({**job, "pool": "default", "agent": "web-1"}))
    answer = await agent.get(f"{await _next_step(world, later, secret_outputs={})}/secrets")
    assert {"values": {}, "masks": ["mask-me", "s3cr3t-value"]} == answer.json()


async def test_a_secret_that_no_step_set_is_named(world: World, agent: httpx2.AsyncClient) -> None:
    """So that the step's failure says what to do."""
    await _deploying(world)
    answer = await agent.get(f"{await _next_step(world)}/secrets")
    assert (404, "the step that should have set TOKEN left no value for it") == (
        answer.status_code,
        answer.json()["detail"],
    )


async def test_secrets_are_kept_only_for_a_run_that_is_held_and_runs(world: World, agent: httpx2.AsyncClient) -> None:
    """Not for another agent's, and not for one that has ended."""
    await _deploying(world)
    told = {"variables": {"TOKEN": "s3cr3t-value"}}
    async with world.calling(Role.AGENT, "web-2") as foreign:
        stolen = await foreign.put(f"{WORK}/secret-outputs", json=told)
    await _step(world, status=RunStatus.SUCCEEDED)
    late = await agent.put(f"{WORK}/secret-outputs", json=told)
    assert [(403, "NotYourRun")] * 2 == [(a.status_code, a.json()["error"]) for a in (stolen, late)]


@pytest.mark.parametrize(
    "told",
    [
        {"variables": {"9": "s3cr3t-value"}},
        {"variables": {"A": ["s3cr3t-value"]}},
        {"variables": {f"A{number}": "s3cr3t-value" for number in range(201)}},
        {"masks": "s3cr3t-value"},
        {"secrets": ["s3cr3t-value"]},
    ],
    ids=["name", "value", "number", "masks", "key"],
)
async def test_what_is_no_set_of_secrets_is_refused_without_showing_it(
    world: World, agent: httpx2.AsyncClient, told: dict[str, Any]
) -> None:
    """An answer is logged more easily than a request."""
    await _deploying(world)
    with capture_logs() as lines:
        answer = await agent.put(f"{WORK}/secret-outputs", json=told)
    assert 422 == answer.status_code
    assert "s3cr3t" not in answer.text + repr(lines)
