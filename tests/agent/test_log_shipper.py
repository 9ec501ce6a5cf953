"""Logs on their way to a server that fails."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fakes.agent_server import AgentServer
from structlog.testing import capture_logs

from agent.api_client import AgentApi
from agent.log_shipper import LogShipper

RUN = "webshop/41/prod/1/deploy/1/1"
Eventually = Callable[..., Awaitable[None]]


async def ship(api: AgentApi, log: Path) -> None:
    ended = asyncio.Event()
    ended.set()
    async with asyncio.timeout(30):
        await LogShipper(api, longest_wait=0.2).ship(RUN, log, ended)


async def test_a_whole_log_arrives_in_pieces(server: AgentServer, api: AgentApi, tmp_path: Path) -> None:
    """Byte for byte, none longer than the server takes."""
    log = tmp_path / "log"
    log.write_bytes(os.urandom(1_000_000))
    await ship(api, log)
    assert log.read_bytes() == server.log(RUN)


@pytest.mark.parametrize("seed", range(5))
async def test_no_fault_loses_or_doubles_a_byte(server: AgentServer, api: AgentApi, tmp_path: Path, seed: int) -> None:
    """Errors, cut connections, pieces kept by half, and answers lost after the work was done."""
    faults = random.Random(seed).choices(["500", "cut", "half", "lost", "hang up early", ""], k=8)
    server.faults.extend(faults)
    log = tmp_path / "log"
    log.write_bytes(os.urandom(900_000))
    await ship(api, log)
    assert log.read_bytes() == server.log(RUN)
    assert len(server.fired) >= 5


async def test_shipping_goes_on_where_the_server_is(server: AgentServer, api: AgentApi, tmp_path: Path) -> None:
    """A new agent asks first, and sends only the rest."""
    log = tmp_path / "log"
    log.write_bytes(b"0123456789")
    server.logs[RUN] = bytearray(b"0123")
    await ship(api, log)
    assert b"0123456789" == server.log(RUN)


async def test_a_gap_is_filled_from_where_the_server_says(
    server: AgentServer, api: AgentApi, tmp_path: Path, eventually: Eventually
) -> None:
    """The server lost what it had; it gets all of it again."""
    log, ended = tmp_path / "log", asyncio.Event()
    log.write_bytes(b"first ")
    shipping = asyncio.create_task(LogShipper(api, longest_wait=0.2).ship(RUN, log, ended))
    await eventually(lambda: server.log(RUN) == b"first ")
    with server.lock:
        server.logs.clear()
    log.write_bytes(b"first second")
    ended.set()
    await shipping
    assert b"first second" == server.log(RUN)


async def test_a_growing_log_is_followed_closely(
    server: AgentServer, api: AgentApi, tmp_path: Path, eventually: Eventually
) -> None:
    """A line is on the server soon after it was printed; usually within 300 ms."""
    log, ended = tmp_path / "log", asyncio.Event()
    shipping = asyncio.create_task(LogShipper(api, longest_wait=0.2).ship(RUN, log, ended))
    waits = []
    for number in range(8):
        began = time.monotonic()
        with log.open("ab") as file:
            file.write(f"line {number}\n".encode())
        await eventually(lambda number=number: server.log(RUN).endswith(f"line {number}\n".encode()))
        waits.append(time.monotonic() - began)
    ended.set()
    await shipping
    assert sorted(waits)[len(waits) // 2] < 0.3


async def test_it_does_not_end_before_the_server_has_everything(
    server: AgentServer, api: AgentApi, tmp_path: Path, eventually: Eventually
) -> None:
    """While the server is away a run is not over."""
    log, ended = tmp_path / "log", asyncio.Event()
    log.write_bytes(b"all of it")
    server.is_down = True
    ended.set()
    shipping = asyncio.create_task(LogShipper(api, longest_wait=0.2).ship(RUN, log, ended))
    await asyncio.wait([shipping], timeout=0.5)
    assert not shipping.done()
    server.is_down = False
    await eventually(shipping.done)
    assert b"all of it" == server.log(RUN)


async def test_a_log_the_server_closed_is_left(server: AgentServer, api: AgentApi, tmp_path: Path) -> None:
    """It knows the run's end already, and takes no more."""
    log = tmp_path / "log"
    log.write_bytes(b"too late")
    server.refusals["/log"] = (409, "LogClosed")
    await ship(api, log)
    assert b"" == server.log(RUN)


async def test_a_run_without_output_has_an_empty_log(server: AgentServer, api: AgentApi, tmp_path: Path) -> None:
    """The file may not even be there."""
    await ship(api, tmp_path / "none")
    assert b"" == server.log(RUN)


async def ship_files(api: AgentApi, folder: Path, count: int) -> None:
    async with asyncio.timeout(30):
        await LogShipper(api, longest_wait=0.2).ship_files(RUN, folder, count)


async def test_no_fault_loses_or_doubles_a_byte_of_a_file(server: AgentServer, api: AgentApi, tmp_path: Path) -> None:
    """As with logs; who sends the files again changes nothing."""
    contents = [os.urandom(600_000), b"", b"three"]
    for number, content in enumerate(contents, start=1):
        (tmp_path / str(number)).write_bytes(content)
    server.faults.extend(["500", "", "half", "lost", "cut", "hang up early", "", "lost"])
    for _ in range(2):
        await ship_files(api, tmp_path, 3)
        assert contents == [server.file(RUN, number) for number in (1, 2, 3)]
    assert 6 == len([fault for fault in server.fired if fault])


@pytest.mark.parametrize(
    ("status", "error"), [(409, "FileClosed"), (422, "FileTooLarge"), (404, "NotFound"), (413, "TooLarge")]
)
async def test_a_file_that_the_server_does_not_take_is_left_out(
    server: AgentServer, api: AgentApi, tmp_path: Path, status: int, error: str
) -> None:
    """It is noted, and the next one is sent."""
    (tmp_path / "1").write_bytes(b"one")
    (tmp_path / "2").write_bytes(b"two")
    server.refusals["/files/1"] = (status, error)
    with capture_logs() as lines:
        await ship_files(api, tmp_path, 2)
    assert [None, b"two"] == [server.file(RUN, number) for number in (1, 2)]
    assert [f"file 1 of {RUN}"] == [line["what"] for line in lines if line["event"] == "not taken by the API"]


async def test_a_file_that_is_gone_or_cannot_be_read_keeps_nothing_from_ending(
    server: AgentServer, api: AgentApi, tmp_path: Path
) -> None:
    """A disk may fail; the others are sent."""
    (tmp_path / "2").mkdir()
    (tmp_path / "3").write_bytes(b"three")
    with capture_logs() as lines:
        await ship_files(api, tmp_path, 3)
    assert b"three" == server.file(RUN, 3)
    assert [f"file 2 of {RUN}"] == [line["what"] for line in lines if line["event"] == "file not read"]


async def test_an_agent_that_may_not_send_now_tries_again(
    server: AgentServer, api: AgentApi, tmp_path: Path, eventually: Eventually
) -> None:
    """It may be allowed later, as with the log."""
    (tmp_path / "1").write_bytes(b"one")
    server.refusals["/files/1"] = (403, "NotYourRun")
    with capture_logs() as lines:
        shipping = asyncio.create_task(ship_files(api, tmp_path, 1))
        await eventually(lambda: any(line["event"] == "not sent" for line in lines))
        server.refusals.clear()
        await shipping
    assert b"one" == server.file(RUN, 1)
