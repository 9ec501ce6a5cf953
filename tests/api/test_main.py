"""The API as a process: it starts, serves, and stops in order."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from fakes.quick_processes import QuickProcess

ROOT = Path(__file__).parents[2]


def _environment(folder: Path, **settings: str) -> dict[str, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SLIPWAY_SECRET_KEY": "5e" * 32,
        "SLIPWAY_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'slipway.db'}",
        "SLIPWAY_BOOTSTRAP_ADMIN_TOKEN": "first",
        "SLIPWAY_TEMPORAL_ADDRESS": "127.0.0.1:1",
        **settings,
    }
    return {name: value for name, value in environment.items() if value}


@asynccontextmanager
async def _api(folder: Path, **settings: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api",
        cwd=folder,
        env=_environment(folder, **settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _end(folder: Path, **settings: str) -> tuple[int, bytes]:
    """The exit code of an API that cannot serve, and all it prints."""
    log = folder / "api.log"
    code = QuickProcess("api", _environment(folder, **settings), folder, log).wait(30)
    return code, log.read_bytes()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def _until_it_answers(client: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await client.get("/healthz")
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_a_fresh_process_serves_and_stops_in_order(tmp_path: Path, port: int) -> None:
    """It makes its own schema, serves while Temporal is away, and leaves with 0 on SIGTERM."""
    async with (
        _api(tmp_path, SLIPWAY_API_PORT=str(port)) as process,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        await _until_it_answers(client)
        ready = await client.get("/readyz")
        me = await client.get("/api/v1/me", headers={"Authorization": "Bearer first"})
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            output, _ = await process.communicate()
    assert {"database": "ok", "migrations": "ok", "temporal": "failed"} == ready.json()["parts"]
    assert "admin" == me.json()["role"]
    assert 0 == process.returncode
    assert b"Traceback" not in output


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"SLIPWAY_SECRET_KEY": ""}, 2, b"SLIPWAY_SECRET_KEY: Field required"),
        ({"SLIPWAY_API_PORT": "many"}, 2, b"SLIPWAY_API_PORT"),
        ({"SLIPWAY_SECRET_KEY": "short"}, 1, b"the API stops"),
        ({"SLIPWAY_DATABASE_URL": "sqlite+aiosqlite:////nowhere/slipway.db"}, 1, b"the API stops"),
    ],
)
def test_settings_that_make_no_sense_are_named(
    tmp_path: Path, settings: dict[str, str], code: int, words: bytes
) -> None:
    """And their values are not repeated."""
    ended, output = _end(tmp_path, **settings)
    assert (code, True) == (ended, words in output)


def test_a_port_that_is_taken_ends_the_process(tmp_path: Path) -> None:
    """With 1, not with a hang."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, output = _end(tmp_path, SLIPWAY_API_PORT=port)
    assert (1, True) == (code, b"address already in use" in output)
