"""What bounds a step's run: signals, disks that take no more, the limit of its log, more lines than anybody reads."""

import asyncio
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.agent_server import AgentServer
from fakes.step_runner import Runner, small_disk

from activities.agent_job import HoldRequest, RunStep, StepOutcome
from agent.api_client import AgentApi
from agent.disk_reserve import DiskReserve, sized
from agent.leases import Leases
from agent.log_shipper import LogShipper
from agent.run_folder import RunnerDidNotStart
from agent.state_folder import StateFolder
from agent.step_runs import DetachedStepRuns
from domain.pipeline import Shell


@pytest.fixture
def runner(state: StateFolder, lease_id: str) -> Runner:
    return Runner(state, lease_id)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """For this process and what it starts meanwhile, as a disk that is full there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def step_runs(state: StateFolder, leases: Leases, api: AgentApi, **limits: Any) -> DetachedStepRuns:
    return DetachedStepRuns(
        agent="web-1", state=state, leases=leases, secrets=api, shipper=LogShipper(api), inherited={}, **limits
    )


def step(lease_id: str, script: str) -> RunStep:
    return RunStep(
        lease_id=lease_id,
        run_id="webshop/1/test/1/deploy/1/1",
        title="deploy",
        shell=Shell.SH,
        script=script,
        timeout=timedelta(minutes=1),
    )


def fill_up(disk: Path) -> None:
    with suppress(OSError), (disk / "fill").open("wb", buffering=0) as fill:
        while True:
            fill.write(bytes(4096))


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("kill -KILL $$", 137, "killed by signal 9 (SIGKILL)"),
        ("kill -SEGV $$", 139, "killed by signal 11 (SIGSEGV)"),
        ("kill -40 $$", 168, "killed by signal 40"),
        ("sh -c 'kill -9 $$'", 137, ""),
        ("exit 3", 3, ""),
    ],
)
async def test_a_step_killed_by_a_signal_says_so(runner: Runner, script: str, code: int, reason: str) -> None:
    """In words; where a command of the script was killed, the shell tells of it by its exit code alone."""
    end, _ = await runner.run(f"ulimit -c 0; {script}")
    assert (StepOutcome.EXITED, code, reason) == (end.outcome, end.exit_code, end.reason)


async def test_a_step_goes_on_when_its_log_finds_no_room(runner: Runner, tmp_path: Path) -> None:
    """The log is what fitted; the end says that it breaks off, and why."""
    folder = runner.folder()
    script = f"yes | head -c 300000; ulimit -f unlimited || true; touch {tmp_path}/went-on"
    with files_of_at_most(100_000):
        await folder.start(runner.spec(script))
    end = await folder.ended()
    assert (0, "the log breaks off: File too large") == (end.exit_code, end.reason)
    assert b"y\n" * 50_000 == folder.log.read_bytes()
    assert 100_000 == end.log_size
    assert (tmp_path / "went-on").exists()


async def test_a_step_that_fills_the_disk_is_told_ended(tmp_path: Path, lease_id: str) -> None:
    """Its own writes fail, its log says so as far as it found room; the end needs no room that is not kept for it."""
    with small_disk(tmp_path / "disk") as disk:
        state = StateFolder(disk / "state")
        runner = Runner(state, lease_id)
        end, log = await runner.run("dd if=/dev/zero of=fill bs=64k || echo no room; cat fill >> more")
        assert (StepOutcome.EXITED, 1) == (end.outcome, end.exit_code)
        assert end.log_size == len(log)
        assert "log breaks off: No space left on device" in end.reason or b"No space left on device" in log
        state.close()


async def test_a_full_disk_starts_nothing_and_says_why(tmp_path: Path, lease_id: str) -> None:
    """Nothing has run, so that it may be tried again; with room, it runs."""
    with small_disk(tmp_path / "disk") as disk:
        state = StateFolder(disk / "state")
        runner = Runner(state, lease_id)
        folder = runner.folder()
        fill_up(disk)
        with pytest.raises(RunnerDidNotStart, match="No space left on device"):
            await folder.start(runner.spec("echo up"))
        assert not folder.was_started
        (disk / "fill").unlink()
        end, log = await runner.run("echo up")
        assert (0, b"up\n") == (end.exit_code, log)
        state.close()


async def test_a_disk_that_stays_full_fails_the_step_in_words(
    tmp_path: Path, lease_id: str, hold: Callable[..., HoldRequest], server: AgentServer, api: AgentApi
) -> None:
    """After a while; nothing of the step has run, and nothing of its end is written down."""
    with small_disk(tmp_path / "disk") as disk:
        state = StateFolder(disk / "state")
        leases = Leases(state)
        leases.add(hold())
        fill_up(disk)
        steps = step_runs(state, leases, api, start_within_seconds=1.5)
        end = await steps.run(step(lease_id, "echo no"))
        assert (StepOutcome.EXITED, 127) == (end.outcome, end.exit_code)
        assert "the step could not be started: No space left on device" == end.reason
        assert {} == server.logs
        state.close()


async def test_a_step_that_fills_the_disk_is_ended_while_there_is_room(tmp_path: Path, lease_id: str) -> None:
    """With all its processes, those too that do not heed SIGTERM; its reason says what is to be done."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        state = StateFolder(disk / "state")
        runner = Runner(state, lease_id)
        script = (
            "(trap '' TERM; sleep 60; sleep 60) & echo filling; head -c 3m /dev/zero > fill;"
            " while sleep 0.1; do head -c 32k /dev/zero >> fill || echo no room; done"
        )
        end, log = await runner.run(script, reserve=DiskReserve("web-1", str(disk), 6 * 2**20))
        assert end.reason.startswith("ended: on agent web-1 only ")
        assert end.reason.endswith(
            f" are free in {disk}, and 6 MiB must stay free: make room there, or lower SLIPWAY_AGENT_DISK_RESERVE"
        )
        assert (StepOutcome.CANCELED, b"filling\n") == (end.outcome, log)
        assert 0 < shutil.disk_usage(disk).free < 6 * 2**20
        assert [] == runner.left()
        state.close()


@pytest.mark.parametrize("reserve", [0, 4 * 2**20])
async def test_a_step_that_leaves_enough_free_is_let_alone(tmp_path: Path, lease_id: str, reserve: int) -> None:
    """Also where nothing has to stay free."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        state = StateFolder(disk / "state")
        script = "head -c 3m /dev/zero > fill; sleep 1.2"
        end, _ = await Runner(state, lease_id).run(script, reserve=DiskReserve("web-1", str(disk), reserve))
        assert (StepOutcome.EXITED, 0, "") == (end.outcome, end.exit_code, end.reason)
        state.close()


async def test_a_step_is_not_started_on_a_disk_with_too_little_room(
    tmp_path: Path, lease_id: str, hold: Callable[..., HoldRequest], server: AgentServer, api: AgentApi
) -> None:
    """It fails at once; its log says what is free, what must be, and what is to be done."""
    with small_disk(tmp_path / "disk") as disk:
        state = StateFolder(disk / "state")
        leases = Leases(state)
        lease = leases.add(hold())
        steps = step_runs(state, leases, api, disk_reserve=2**20)
        end = await steps.run(step(lease_id, f"touch {tmp_path}/ran"))
        assert (StepOutcome.EXITED, 1) == (end.outcome, end.exit_code)
        told = re.fullmatch(
            rf"not started: on agent web-1 only (\d+) KiB are free in {re.escape(str(lease.workspace.resolve()))}, and"
            r" 1 MiB must stay free: make room there, or lower SLIPWAY_AGENT_DISK_RESERVE",
            end.reason,
        )
        assert told is not None
        assert 0 < int(told[1]) < 1024
        assert f"{end.reason}\n" == server.log("webshop/1/test/1/deploy/1/1").decode()
        assert not (tmp_path / "ran").exists()
        state.close()


def test_nothing_is_lacking_where_the_room_cannot_be_known(tmp_path: Path) -> None:
    """A folder that is gone, and a file system without a size, end no step."""
    assert not DiskReserve("web-1", str(tmp_path / "gone"), 2**60).lacking()
    assert not DiskReserve("web-1", "/proc", 2**60).lacking()
    assert DiskReserve("web-1", str(tmp_path), 2**60).lacking()


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 bytes"), (1536, "1.5 KiB"), (1000 * 2**20, "1000 MiB"), (256 * 2**20, "256 MiB")]
)
def test_sizes_are_told_in_few_digits(count: int, told: str) -> None:
    """In the largest unit of which there is one."""
    assert told == sized(count)


async def test_a_read_only_workspace_fails_what_writes_there(runner: Runner, tmp_path: Path) -> None:
    """In the words of the command that tried; the log is kept elsewhere and complete."""
    with small_disk(tmp_path / "disk") as disk:
        remount = await asyncio.create_subprocess_exec("mount", "-o", "remount,ro", str(disk))
        assert 0 == await remount.wait()
        end, log = await runner.run("echo before; echo x > file", cwd=str(disk))
    assert 2 == end.exit_code
    assert log.startswith(b"before\n")
    assert b"Read-only file system" in log


async def test_a_workspace_that_is_gone_is_named(runner: Runner, tmp_path: Path) -> None:
    """Exit code 127, and nothing ran."""
    end, _ = await runner.run("echo no", cwd=str(tmp_path / "gone"))
    assert (127, f"the step could not be started: No such file or directory: {tmp_path}/gone") == (
        end.exit_code,
        end.reason,
    )


@pytest.mark.parametrize(("printed", "is_cut"), [(100_000, False), (100_001, True), (3_000_000, True)])
async def test_a_log_breaks_off_at_its_limit(runner: Runner, printed: int, *, is_cut: bool) -> None:
    """The step goes on, what it prints is dropped; the log and the reason say so."""
    end, log = await runner.run(f"yes | head -c {printed}; exit 7", log_limit=100_000)
    note = b"\n[the log breaks off: it may have 97.7 KiB]\n" if is_cut else b""
    assert (b"y\n" * 50_000)[:printed] + note == log
    assert (7, "the log breaks off: it may have 97.7 KiB" if is_cut else "") == (end.exit_code, end.reason)
    assert len(log) == end.log_size


async def test_eight_steps_print_ten_thousand_lines_a_second_each(runner: Runner) -> None:
    """Complete and in order, masked lines included."""
    script = "i=0; while [ $i -lt 10 ]; do seq 1000; echo hunter22-and-more; i=$((i+1)); sleep 0.1; done"
    ends = await asyncio.gather(*(runner.run(script, name=f"{number}/1") for number in range(8)))
    expected = (b"".join(b"%d\n" % number for number in range(1, 1001)) + b"***\n") * 10
    assert [(0, expected)] * 8 == [(end.exit_code, log) for end, log in ends]
