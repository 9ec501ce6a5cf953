"""Logs over HTTP: read from an offset, and followed live without losing or doubling a byte."""

import asyncio
import json
from dataclasses import dataclass

import httpx2
import pytest
from fakes.api_world import NOW, World
from starlette.types import Message, Scope

from activities.records import DeploymentFact, JobFact, StepFact
from api.logs import Follower
from domain.ids import DeploymentId
from domain.status import RunStatus, StageStatus
from storage import logs

TEST = DeploymentId.parse("webshop/1/test/1")
RUN = f"{TEST}/deploy/1/1"
TEXT = "".join(f"{number:05} grüße ☃ \U0001f680 \r\n\u2028 data: x\n\n" for number in range(6000))


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    name: str
    data: object
    id: str


async def _run(world: World, status: RunStatus = RunStatus.RUNNING, log_size: int | None = None) -> None:
    await world.record(
        TEST.workflow_id,
        DeploymentFact(
            deployment=str(TEST), status=StageStatus.IN_PROGRESS, requested_by="rita@example.com", started_at=NOW
        ),
        JobFact(job_id=f"{TEST}/deploy", deployment=str(TEST), position=0, job="deploy", status=status, pool="default"),
        StepFact(
            run_id=RUN, job_id=f"{TEST}/deploy", step=1, try_number=1, title="x", status=status, log_size=log_size
        ),
    )


async def _write(world: World, data: bytes) -> None:
    async with world.services.database.transaction() as session:
        await logs.append(session, RUN, await logs.size(session, RUN), data)


def _events(answer: httpx2.Response) -> list[Event]:
    """Read the stream as a browser does."""
    events = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            events.append(Event(fields.get("event", "message"), json.loads(fields["data"]), fields["id"]))
    return events


def _text(events: list[Event]) -> str:
    return "".join(str(event.data) for event in events if event.name == "message")


async def test_a_log_is_read_byte_for_byte(world: World, viewer: httpx2.AsyncClient) -> None:
    """Binary too, from any offset."""
    written = bytes(range(256)) * 20
    await _run(world)
    await _write(world, written)
    answer = await viewer.get(f"/logs/{RUN}/text?offset=300&limit=1000")
    assert (written[300:1300], "5120") == (answer.content, answer.headers["x-log-size"])
    assert b"" == (await viewer.get(f"/logs/{RUN}/text?offset=99999")).content


@pytest.mark.parametrize(
    ("query", "text", "offset", "first"),
    [
        ("from_line=2&lines=2", b"two\nthree\n", "4", "2"),
        ("from_line=-2", b"three\nfour", "8", "3"),
        ("from_line=0&lines=1", b"one\n", "0", "1"),
        ("from_line=9", b"", "18", "9"),
        ("from_line=1&limit=9", b"one\ntwo\n", "0", "1"),
    ],
)
async def test_lines_are_read_by_their_numbers(
    world: World, viewer: httpx2.AsyncClient, query: str, text: bytes, offset: str, first: str
) -> None:
    """The answer tells where they are and how many there are in all."""
    await _run(world)
    await _write(world, b"one\ntw")
    await _write(world, b"o\nthree\nfour")
    answer = await viewer.get(f"/logs/{RUN}/text?{query}")
    told = [answer.headers[f"x-log-{name}"] for name in ("lines", "size", "offset", "first-line")]
    assert (text, ["4", "18", offset, first]) == (answer.content, told)


async def test_a_finished_log_is_followed_to_its_end(world: World, viewer: httpx2.AsyncClient) -> None:
    """Many pieces, each with the offset after it, and one end."""
    written = TEXT.encode()
    await _run(world, RunStatus.SUCCEEDED, len(written))
    await _write(world, written)
    answer = await viewer.get(f"/logs/{RUN}/follow")
    events = _events(answer)
    assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
    assert TEXT == _text(events)
    assert len(events) > 3
    assert Event("end", {"status": "succeeded", "size": len(written)}, str(len(written))) == events[-1]


async def test_a_reader_who_was_cut_off_goes_on_without_loss(world: World, viewer: httpx2.AsyncClient) -> None:
    """After each event one could have lost the connection: what was seen and what comes then are the log."""
    written = TEXT.encode()
    await _run(world, RunStatus.SUCCEEDED, len(written))
    await _write(world, written)
    events = _events(await viewer.get(f"/logs/{RUN}/follow"))
    for seen in range(1, len(events)):
        headers = {"Last-Event-ID": events[seen - 1].id}
        rest = _events(await viewer.get(f"/logs/{RUN}/follow?offset=0", headers=headers))
        assert TEXT == _text(events[:seen]) + _text(rest)


async def test_a_log_is_followed_while_it_grows(world: World, viewer: httpx2.AsyncClient) -> None:
    """Cut anywhere, also within a character; the end comes once the last byte has."""
    written = TEXT[:2000].encode()
    await _run(world)
    following = asyncio.create_task(viewer.get(f"/logs/{RUN}/follow"))
    for start in range(0, len(written), 997):
        await _write(world, written[start : start + 997])
        await asyncio.sleep(0)
    await _run(world, RunStatus.FAILED, len(written))
    events = _events(await following)
    assert (TEXT[:2000], "end") == (_text(events), events[-1].name)


async def test_the_end_waits_for_bytes_that_were_told_and_not_sent(world: World) -> None:
    """A run that is over may still have its last lines on the way."""
    await _run(world, RunStatus.SUCCEEDED, 8)
    await _write(world, b"one ")
    events = Follower(world.services, RUN, 0).events()
    assert "one " == (await anext(events)).data
    late = asyncio.ensure_future(anext(events))
    await _write(world, b"two ")
    assert "two " == (await late).data
    assert "end" == (await anext(events)).event


async def test_half_a_character_at_the_end_is_shown_as_unreadable(world: World, viewer: httpx2.AsyncClient) -> None:
    """It is not kept back for ever."""
    written = "grü".encode()[:-1]
    await _run(world, RunStatus.FAILED, len(written))
    await _write(world, written)
    events = _events(await viewer.get(f"/logs/{RUN}/follow"))
    assert ("gr\ufffd", "end") == (_text(events), events[-1].name)


async def test_a_run_without_a_log_ends_at_once(world: World, viewer: httpx2.AsyncClient) -> None:
    """There is nothing to wait for."""
    await _run(world, RunStatus.SKIPPED)
    assert [Event("end", {"status": "skipped", "size": 0}, "0")] == _events(await viewer.get(f"/logs/{RUN}/follow"))


async def test_a_reader_who_leaves_is_not_served_any_more(world: World, viewer: httpx2.AsyncClient) -> None:
    """The stream of a quiet log ends with its connection."""
    await _run(world)
    sent: list[Message] = []
    asked = asyncio.Event()

    async def receive() -> Message:
        if not asked.is_set():
            asked.set()
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(10):
        await world.app(_scope(viewer), receive, send)
    assert [("http.response.start", 200)] == [(m["type"], m["status"]) for m in sent if "status" in m]


def _scope(client: httpx2.AsyncClient) -> Scope:
    path = f"/api/v1/logs/{RUN}/follow"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", client.headers["authorization"].encode())],
        "server": ("slipway.test", 80),
        "client": ("127.0.0.1", 1),
    }
