"""Files that steps wanted kept, downloaded."""

import httpx2
import pytest
from fakes.api_world import NOW, World

from activities.records import DeploymentFact, JobFact, StepFact
from domain.ids import DeploymentId
from domain.outputs import NotedFile
from domain.role import Role
from domain.status import RunStatus, StageStatus
from storage import step_files

TEST = DeploymentId.parse("webshop/1/test/1")
RUN = f"{TEST}/deploy/1/1"
LARGE = bytes(range(251)) * 10_000


async def _kept(world: World, *files: tuple[str, int, bytes]) -> None:
    """A step has ended and told of these names and sizes; so much of each has arrived."""
    job = {"job_id": f"{TEST}/deploy", "status": RunStatus.SUCCEEDED}
    noted = tuple(NotedFile(name=name, size=size) for name, size, _ in files)
    await world.record(
        TEST.workflow_id,
        DeploymentFact(deployment=str(TEST), status=StageStatus.SUCCEEDED, requested_by="rita", started_at=NOW),
        JobFact(**job, deployment=str(TEST), position=0, job="deploy", pool="default"),
        StepFact(**job, run_id=RUN, step=1, try_number=1, title="x", log_size=0, started_at=NOW, files=noted),
    )
    async with world.services.database.transaction() as session:
        for number, (_, _, content) in enumerate(files, start=1):
            for start in range(0, len(content), 1 << 18):
                await step_files.append(session, RUN, number, start, content[start : start + (1 << 18)])


async def test_a_file_is_downloaded_byte_for_byte(either_world: World) -> None:
    """As a file to be saved, whatever it holds; also one that is empty, and one of many pieces."""
    await _kept(either_world, ("page.html", 8, b"<script>"), ("none", 0, b""), ("large", len(LARGE), LARGE))
    async with either_world.calling(Role.VIEWER) as viewer:
        answers = [await viewer.get(f"/logs/{RUN}/files/{number}") for number in (1, 2, 3)]
    assert [b"<script>", b"", LARGE] == [answer.content for answer in answers]
    names = ("content-type", "content-disposition", "content-length", "x-content-type-options")
    assert ["application/octet-stream", "attachment; filename*=UTF-8''page.html", "8", "nosniff"] == [
        answers[0].headers[name] for name in names
    ]


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ('a"; filename="b.exe', "a%22%3B%20filename%3D%22b.exe"),
        ("gr\u00fc\u00df\r\nX-Evil: 1", "gr%C3%BC%C3%9F%0D%0AX-Evil%3A%201"),
    ],
    ids=["quotes", "line break"],
)
async def test_no_name_of_a_file_can_speak_for_the_answer(
    world: World, viewer: httpx2.AsyncClient, name: str, spelt: str
) -> None:
    """It is a name, whatever a step calls its files."""
    await _kept(world, (name, 1, b"x"))
    answer = await viewer.get(f"/logs/{RUN}/files/1")
    assert f"attachment; filename*=UTF-8''{spelt}" == answer.headers["content-disposition"]
    assert "x-evil" not in answer.headers


async def test_a_file_that_is_not_there_is_told_from_one_that_never_was(
    world: World, viewer: httpx2.AsyncClient
) -> None:
    """Half a file is none."""
    await _kept(world, ("lost", 8, b"half"))
    answers = [
        await viewer.get(f"/logs/{path}") for path in (f"{RUN}/files/1", f"{RUN}/files/2", f"{TEST}/deploy/9/1/files/1")
    ]
    assert [
        (404, "NoSuchFile", f"not all of file 1 of step run {RUN} has arrived"),
        (404, "NoSuchFile", f"step run {RUN} has kept no file 2"),
        (404, "NoSuchRun", f"there is no step run {TEST}/deploy/9/1"),
    ] == [(answer.status_code, answer.json()["error"], answer.json()["detail"]) for answer in answers]
    assert 422 == (await viewer.get(f"/logs/{RUN}/files/21")).status_code
