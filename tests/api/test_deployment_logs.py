"""All logs of a deployment at once: searched, and as a ZIP file."""

import io
import itertools
import tracemalloc
from zipfile import ZipFile

import httpx2
import pytest
from fakes.api_world import NOW, World
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from activities.records import DeploymentFact, JobFact, StepFact
from api import log_search
from api.deployment_logs import search
from api.log_archive import archive, entries
from api.log_search import Place, Search, pattern_of
from domain.ids import DeploymentId
from domain.outputs import NotedFile
from domain.role import Role
from domain.status import RunStatus, StageStatus
from storage import deployments, logs, step_files
from storage.tables import LogChunkRow

TEST = DeploymentId.parse("webshop/1/test/1")
_TITLES = ("Download", "Run migrations: \u00fcber ../../etc", "Smoke test")


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a log of ordinary length has many."""
    monkeypatch.setattr(log_search, "_PIECE", 256 * 1024)


async def _deploy(world: World, *written: bytes) -> list[str]:
    """A deployment whose steps have written this; the last one runs still."""
    runs = [f"{TEST}/deploy/{step}/1" for step in range(len(written))]
    job = {"job_id": f"{TEST}/deploy", "deployment": str(TEST), "position": 0, "job": "deploy", "pool": "default"}
    await world.record(
        TEST.workflow_id,
        DeploymentFact(
            deployment=str(TEST), status=StageStatus.IN_PROGRESS, requested_by="rita@example.com", started_at=NOW
        ),
        JobFact(**job, status=RunStatus.RUNNING),
        *(
            StepFact(
                run_id=run,
                job_id=f"{TEST}/deploy",
                step=step,
                try_number=1,
                title=_TITLES[step % 3],
                status=RunStatus.RUNNING,
                started_at=NOW,
            )
            for step, run in enumerate(runs)
        ),
    )
    async with world.services.database.transaction() as session:
        for run, data in zip(runs, written, strict=True):
            for start in range(0, len(data), 1 << 20):
                await logs.append(session, run, start, data[start : start + (1 << 20)])
    return runs


async def _found(client: httpx2.AsyncClient, **query: str | int) -> list[tuple[str, int, int]]:
    """Step run, line and offset of all hits, read to the last page."""
    found, cursor = [], {}
    while True:
        answer = await client.get(f"/deployments/{TEST}/logs/search", params={**query, **cursor})
        assert 200 == answer.status_code, answer.text
        found += [(hit["run_id"], hit["line"], hit["offset"]) for hit in answer.json()["hits"]]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json()["next_cursor"]}


async def test_text_is_found_in_all_logs(either_world: World) -> None:
    """In either case, once a line, with the place of the line; page by page as at once."""
    runs = await _deploy(either_world, b"no\nError: error\r\n\nx ERROR\n", b"fine\n", b"first\nlast terror")
    expected = [(runs[0], 2, 3), (runs[0], 4, 20), (runs[2], 2, 12)]
    async with either_world.calling(Role.VIEWER) as viewer:
        assert expected == await _found(viewer, q="error")
        assert expected == await _found(viewer, q="ERRor", limit=1)
        assert [] == await _found(viewer, q="e.r")
        hits = (await viewer.get(f"/deployments/{TEST}/logs/search", params={"q": "error"})).json()["hits"]
    assert ("deploy", 0, 1, "Download", "Error: error") == tuple(
        hits[0][name] for name in ("job", "step", "try_number", "title", "text")
    )


@pytest.mark.parametrize(
    "query", ["gr\u00fc\u00df", "GR\u00dc", "\u2603", "50% (of"], ids=["lower", "upper", "sign", "no pattern"]
)
async def test_text_beyond_ascii_is_found_in_either_case(world: World, viewer: httpx2.AsyncClient, query: str) -> None:
    """The text is text, never a pattern."""
    runs = await _deploy(world, "\u00e4\nGr\u00dc\u00dfe \u2603 50% (of it\n".encode())
    assert [(runs[0], 2)] == [found[:2] for found in await _found(viewer, q=query)]


async def test_matches_at_the_borders_of_pieces_are_found(world: World) -> None:
    """Wherever the text stands in a long log, also in a line that is longer than a piece."""
    for line_length in (100, 300_000):
        filler = (b"-" * (line_length - 1) + b"\n") * (600_000 // line_length)
        for border in range(262_140 - 10, 262_148, 3):
            text = bytearray(filler)
            text[border : border + 6] = b"needle"
            runs = await _deploy(world, bytes(text))
            hits = await search(world.services, TEST, "NEEDLE", 50, None)
            assert [(runs[0], text[:border].count(b"\n") + 1, border)] == [
                (h.run_id, h.line, h.offset) for h in hits.hits
            ]
            async with world.services.database.transaction() as session:
                await _forget(session, runs[0])


async def _forget(session: AsyncSession, run_id: str) -> None:
    await session.execute(delete(LogChunkRow).where(LogChunkRow.run_id == run_id))


async def test_a_search_stops_when_its_time_is_over_and_goes_on(world: World) -> None:
    """Nothing is lost or found twice in between."""
    text = b"".join(b"%07d %s\n" % (number, b"hit" if number % 9000 == 0 else b"---") for number in range(100_000))
    [run] = await _deploy(world, text)
    found, start, rounds = [], Place(run), 0
    while start is not None:
        async with world.services.database.reading() as session:
            looking = Search(session, pattern_of("hit"), 50, clock=itertools.count(0, 3).__next__)
            start = await looking.look([run], start)
        found += [hit.line for hit in looking.hits]
        rounds += 1
    assert [number + 1 for number in range(0, 100_000, 9000)] == found
    assert 4 < rounds < 8


@pytest.mark.parametrize(
    "query",
    [{}, {"q": ""}, {"q": "a\nb"}, {"q": "x" * 201}, {"q": "a", "cursor": "nonsense"}, {"q": "a", "cursor": "MHx4"}],
    ids=["none", "empty", "two lines", "long", "no cursor", "other cursor"],
)
async def test_a_search_that_makes_no_sense_is_refused(
    world: World, viewer: httpx2.AsyncClient, query: dict[str, str]
) -> None:
    """With 422; a deployment that is not there with 404."""
    await _deploy(world, b"a")
    assert 422 == (await viewer.get(f"/deployments/{TEST}/logs/search", params=query)).status_code
    assert 404 == (await viewer.get("/deployments/webshop/1/prod/7/logs/search?q=a")).status_code


async def test_all_logs_come_as_one_zip(either_world: World) -> None:
    """Named after jobs and steps, byte for byte; what a running step has written so far is there."""
    written = [b"got\n", bytes(range(256)) * 5000, b""]
    await _deploy(either_world, *written)
    async with either_world.calling(Role.VIEWER) as viewer:
        of_deployment = await viewer.get(f"/deployments/{TEST}/logs.zip")
        missing = await viewer.get("/deployments/webshop/1/prod/7/logs.zip")
    assert 'attachment; filename="webshop-1-test-1-logs.zip"' == of_deployment.headers["content-disposition"]
    with ZipFile(io.BytesIO(of_deployment.content)) as zipped:
        assert zipped.testzip() is None
        names = ["00-download", "01-run-migrations-ber-etc", "02-smoke-test"]
        assert [f"01-deploy/{name}-try-1.log" for name in names] == zipped.namelist()
        assert written == [zipped.read(name) for name in zipped.namelist()]
    assert 404 == missing.status_code


async def test_kept_files_stand_beside_the_logs_in_the_zip(either_world: World) -> None:
    """Under names that every system takes; what has not arrived whole is left out."""
    [run] = await _deploy(either_world, b"got\n")
    noted = [("../rep ort:\u00fc.html", b"<p>"), ("lost", b""), ("x" * 300 + ".txt", bytes(range(256))), ("empty", b"")]
    files = [NotedFile(name=name, size=len(content) + (name == "lost")) for name, content in noted]
    job = {"run_id": run, "job_id": f"{TEST}/deploy", "step": 0, "try_number": 1, "title": _TITLES[0]}
    ended = StepFact(**job, status=RunStatus.SUCCEEDED, started_at=NOW, log_size=4, files=tuple(files))
    await either_world.record(TEST.workflow_id, ended)
    async with either_world.services.database.transaction() as session:
        for number, (_, content) in enumerate(noted, start=1):
            await step_files.append(session, run, number, 0, content)
    async with either_world.calling(Role.VIEWER) as viewer:
        answer = await viewer.get(f"/deployments/{TEST}/logs.zip")
    folder = "01-deploy/00-download-try-1"
    with ZipFile(io.BytesIO(answer.content)) as zipped:
        assert zipped.testzip() is None
        assert {
            f"{folder}.log": b"got\n",
            f"{folder}-files/01-..-rep-ort-\u00fc.html": b"<p>",
            f"{folder}-files/03-{'x' * 56}.txt": bytes(range(256)),
            f"{folder}-files/04-empty": b"",
        } == {name: zipped.read(name) for name in zipped.namelist()}


async def test_all_logs_of_a_release_come_as_one_zip(world: World, releaser: httpx2.AsyncClient) -> None:
    """With a folder for each deployment."""
    await world.save()
    await releaser.post("/releases", json={"pipeline": "webshop"})
    await _deploy(world, b"got\n")
    answer = await releaser.get("/releases/webshop/1/logs.zip")
    with ZipFile(io.BytesIO(answer.content)) as zipped:
        assert ["test-1/01-deploy/00-download-try-1.log"] == zipped.namelist()
    assert 404 == (await releaser.get("/releases/webshop/9/logs.zip")).status_code


async def test_a_zip_of_a_large_log_is_made_in_pieces(world: World) -> None:
    """Memory does not grow with the log."""
    noise = bytes(index * index * 31 % 251 for index in range(1 << 20))
    await _deploy(world, noise * 24)
    async with world.services.database.reading() as session:
        jobs, runs = await deployments.jobs(session, TEST), await deployments.step_runs(session, TEST)
    tracemalloc.start()
    sent = 0
    async for piece in archive(world.services.database, entries(jobs, runs)):
        sent += len(piece)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20
    assert sent > 0
