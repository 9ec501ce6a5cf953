"""`slipway up` as a process, its parts played by small servers."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes import installation_programs

from local import up
from local.child import lock_file
from local.ports import any_free_ports

PARTS = ["agent", "api", "stand-ins", "temporal", "worker"]


@dataclass
class Up:
    """A started `slipway up`, and where its words go."""

    process: asyncio.subprocess.Process
    words_file: Path
    state: Path

    @property
    def words(self) -> str:
        return self.words_file.read_text()

    @property
    def is_ready(self) -> bool:
        return "Slipway runs." in self.words

    @property
    def pids(self) -> dict[str, int]:
        """0 for a part that is just writing its own down."""
        return {part: int(lock_file(self.state, part).read_text() or 0) for part in PARTS}


def is_there(pid: int) -> bool:
    """Whether the process exists."""
    return Path(f"/proc/{pid}").exists()


Start = Callable[..., Awaitable[Up]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start `slipway up` with free ports; what still runs in the end is stopped."""
    started: list[Up] = []
    ports = {f"--{name}-port={port}" for name, port in any_free_ports().items()}

    async def begin(*arguments: str) -> Up:
        words = tmp_path / f"words-{len(started)}"
        state = tmp_path / ".slipway"
        with words.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, installation_programs.__file__, *sorted(ports), f"--state={state}", *arguments,
                stdout=file, stderr=file, cwd=tmp_path,
            )  # fmt: skip
        started.append(Up(process, words, state))
        return started[-1]

    yield begin
    for each in started:
        if each.process.returncode is None:
            each.process.terminate()
        await asyncio.wait_for(each.process.wait(), 20)


async def test_it_starts_tells_and_stops(start: Start, eventually) -> None:
    """Every part is told when it is ready; Ctrl-C, also with an echo, ends them all in order, and leaves with 130."""
    running = await start()
    await eventually(lambda: running.is_ready)
    for words in (*PARTS, "Console", "Temporal UI", "slw_demo", "slipway logs webshop/1 -f"):
        assert words in running.words
    pids = running.pids
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGINT)
    assert 130 == await asyncio.wait_for(running.process.wait(), 20)
    assert [] == [part for part, pid in pids.items() if is_there(pid)]
    assert "died" not in running.words


async def test_the_command_line_finds_it(start: Start, eventually) -> None:
    """Address, admin's token and people stand in the state file."""
    running = await start()
    await eventually(lambda: running.is_ready)
    state = json.loads((running.state / "local.json").read_text())
    assert f"http://127.0.0.1:{state['ports']['api']}" == state["api_url"]
    assert {"rita@example.com", "ana@example.com", "admin@example.com"} == set(state["people"])
    assert state["admin_token"].startswith("slw_")


async def test_a_second_one_says_that_it_runs_already(start: Start, eventually) -> None:
    """It prints the addresses and leaves well, and the first goes on."""
    first = await start()
    await eventually(lambda: first.is_ready)
    second = await start()
    assert 0 == await asyncio.wait_for(second.process.wait(), 20)
    assert "runs already" in second.words
    assert "Console" in second.words
    assert first.process.returncode is None


async def test_what_a_killed_one_left_is_cleaned_up(start: Start, eventually) -> None:
    """After kill -9 the next start ends the orphans, takes their ports, and keeps keys and people."""
    killed = await start()
    await eventually(lambda: killed.is_ready)
    before, orphans = json.loads((killed.state / "local.json").read_text()), killed.pids
    killed.process.kill()
    await killed.process.wait()
    again = await start()
    await eventually(lambda: again.is_ready)
    assert "stopping api, left over from an earlier start" in again.words
    assert set(orphans.values()).isdisjoint(again.pids.values())
    after = json.loads((again.state / "local.json").read_text())
    assert (before["secret_key"], before["people"]) == (after["secret_key"], after["people"])


async def test_a_part_that_dies_comes_back(start: Start, eventually) -> None:
    """And its last words are shown."""
    running = await start()
    await eventually(lambda: running.is_ready)
    api = running.pids["api"]
    os.kill(api, signal.SIGKILL)
    await eventually(lambda: running.pids["api"] not in {0, api})
    assert "api died (SIGKILL)" in running.words
    assert "POST /api/v1/releases" in running.words


async def test_sigterm_is_a_good_end(start: Start, eventually) -> None:
    """A service manager that stops it sees success, also in the middle of the start."""
    running = await start()
    await eventually(lambda: "ready after" in running.words)
    running.process.terminate()
    assert 0 == await asyncio.wait_for(running.process.wait(), 20)


async def test_a_broken_state_says_how_to_start_anew(start: Start, eventually) -> None:
    """With --fresh it then starts with new keys."""
    state = (await start("--help")).state
    state.mkdir()
    (state / "lock").touch()
    (state / "local.json").write_text("{")
    broken = await start()
    assert 1 == await asyncio.wait_for(broken.process.wait(), 20)
    assert "--fresh" in broken.words
    fresh = await start("--fresh")
    await eventually(lambda: fresh.is_ready)


@pytest.mark.parametrize("arguments", [["--api-port", "x"], ["--api-port", "0"], ["--mail", "pigeon"], ["--nothing"]])
def test_wrong_options_are_misuse(arguments: list[str], capsys) -> None:
    """They leave with 2 and a word, before anything starts."""
    with pytest.raises(SystemExit) as left:
        up.parse(arguments)
    assert 2 == left.value.code
    assert "usage: slipway up" in capsys.readouterr().err
