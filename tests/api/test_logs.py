"""Logs over HTTP: read from an offset, and followed live without losing or doubling a byte."""

import asyncio
import json
from dataclasses import dataclass

import httpx2
import pytest
from fakes.api_world import NOW, World
from fakes.hostile_output import STREAM
from fastapi import routing
from starlette.types import Message, Scope

from activities.records import DeploymentFact, JobFact, StepFact
from api.logs import Follower
from domain.ids import DeploymentId
from domain.role import Role
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
    reader = _Reader()
    async with asyncio.timeout(10):
        reader.leaves.set()
        await world.app(_scope(viewer), reader.receive, reader.send)
    assert [("http.response.start", 200)] == [(m["type"], m["status"]) for m in reader.sent if "status" in m]


async def test_readers_who_leave_leave_nothing_behind(either_world: World) -> None:
    """A hundred at once, fewer on the slower SQLite, in the middle of a log: no task or connection is kept."""
    await _run(either_world)
    await _write(either_world, b"one\n")
    async with either_world.calling(Role.VIEWER) as viewer:
        before = asyncio.all_tasks()
        readers = [_Reader() for _ in range(40 if either_world.services.database.is_sqlite else 100)]
        served = [
            asyncio.ensure_future(either_world.app(_scope(viewer), reader.receive, reader.send)) for reader in readers
        ]
        async with asyncio.timeout(60):
            await asyncio.gather(*(reader.has_text.wait() for reader in readers))
            for reader in readers:
                reader.leaves.set()
            await asyncio.gather(*served)
        assert before == asyncio.all_tasks()
    assert 0 == either_world.services.database._engine.pool.checkedout()


async def test_a_quiet_log_keeps_its_connection_alive(
    world: World, viewer: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With comments, so that no proxy takes it for dead."""
    monkeypatch.setattr(routing, "_PING_INTERVAL", 0.01)
    await _run(world)
    reader = _Reader()
    async with asyncio.timeout(10):
        serving = asyncio.ensure_future(world.app(_scope(viewer), reader.receive, reader.send))
        await reader.has_text.wait()
        reader.leaves.set()
        await serving
    assert reader.text.startswith(b":")


@pytest.mark.parametrize("hostile", STREAM)
async def test_no_log_can_speak_for_the_stream(world: World, viewer: httpx2.AsyncClient, hostile: str) -> None:
    """What looks like a field of an event is text of the log."""
    written = hostile.encode()
    await _run(world, RunStatus.SUCCEEDED, len(written))
    await _write(world, written)
    answer = await viewer.get(f"/logs/{RUN}/follow")
    end = Event("end", {"status": "succeeded", "size": len(written)}, str(len(written)))
    assert [Event("message", hostile, str(len(written))), end] == _events(answer)
    assert not {"\r", "\u2028", "\u2029"} & set(answer.text)


class _Reader:
    """Somebody who follows a log, and leaves when told."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.has_text = asyncio.Event()
        self.leaves = asyncio.Event()
        self._asked = False

    @property
    def text(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.has_text.set()


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
