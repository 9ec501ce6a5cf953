"""The step runner as a process: real steps, real signals, real leftovers."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fakes.step_runner import SECRET, Runner

from activities.agent_job import StepOutcome
from agent.process_tree import boot_id
from agent.state_folder import StateFolder

Eventually = Callable[..., Awaitable[None]]
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def runner(state: StateFolder, lease_id: str) -> Runner:
    return Runner(state, lease_id)


async def test_output_is_kept_byte_for_byte(runner: Runner, tmp_path: Path) -> None:
    """Binary, lines of a megabyte, a missing last newline: the log is what the step wrote, and its digest says so."""
    printed = os.urandom(300_000) + b"x" * 1_048_576 + b"\n" + bytes(range(256)) + b"no newline"
    (tmp_path / "printed").write_bytes(printed)
    end, log = await runner.run(f"cat {tmp_path}/printed")
    assert printed == log
    assert (len(printed), hashlib.sha256(printed).hexdigest()) == (end.log_size, end.log_sha256)


async def test_both_outputs_go_to_one_log_in_order(runner: Runner) -> None:
    """Standard output and error share a pipe, so that lines stay where they belong."""
    _, log = await runner.run("echo one; echo two >&2; echo three")
    assert b"one\ntwo\nthree\n" == log


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("exit 255", 255)],
)
async def test_exit_codes_are_told(runner: Runner, script: str, code: int) -> None:
    """A signal counts as 128 and its number, as in shells."""
    end, _ = await runner.run(script)
    assert (StepOutcome.EXITED, code) == (end.outcome, end.exit_code)
    assert end.started_at <= end.finished_at


async def test_a_command_that_cannot_start_says_why_in_its_log(runner: Runner) -> None:
    """Exit code 127, as a shell would say."""
    end, log = await runner.run("", argv=["no-such-shell", "x"])
    assert (127, b"the step could not be started: No such file or directory: no-such-shell\n") == (end.exit_code, log)


async def test_a_timeout_kills_the_whole_tree(runner: Runner) -> None:
    """Children that left for a session of their own and children that ignore TERM are gone afterwards."""
    end, log = await runner.run(
        """
        setsid sh -c 'trap "" TERM; echo far; sleep 61' &
        sh -c 'trap "" TERM; echo near; sleep 62' &
        setsid setsid sh -c 'setsid sleep 63 & exit 0' &
        sleep 64
        """,
        timeout=1.0,
    )
    assert StepOutcome.TIMED_OUT == end.outcome
    assert {b"far", b"near"} == set(log.split())
    assert [] == runner.left()


async def test_cancel_gives_the_step_time_to_clean_up(runner: Runner, eventually: Eventually) -> None:
    """TERM first; what the step prints then is in the log."""
    folder = runner.folder()
    await folder.start(runner.spec("trap 'echo cleaned; exit 9' TERM; echo up; while :; do sleep 0.05; done"))
    await eventually(lambda: folder.log.read_bytes() == b"up\n")
    folder.cancel()
    end = await folder.ended()
    assert (StepOutcome.CANCELED, 9) == (end.outcome, end.exit_code)
    assert folder.log.read_bytes().endswith(b"cleaned\n")


async def test_a_run_that_was_canceled_before_its_start_never_starts(runner: Runner) -> None:
    """Cancel and start may cross on the way."""
    runner.folder().cancel()
    end, log = await runner.run("echo no")
    assert (StepOutcome.CANCELED, b"") == (end.outcome, log)


async def test_a_child_that_keeps_the_output_open_is_waited_for_five_seconds(runner: Runner) -> None:
    """A daemon that a step leaves behind does not hold the step."""
    async with asyncio.timeout(12):
        end, log = await runner.run("setsid sleep 65 & echo done")
    assert (0, b"done\n") == (end.exit_code, log)
    assert 4.5 < (end.finished_at - end.started_at).total_seconds() < 9
    assert 1 == len(runner.left())


async def test_secrets_are_masked_however_they_are_printed(runner: Runner) -> None:
    """Also in two writes with a pause between them; nothing on the disk holds the value."""
    head, tail = SECRET[:7], SECRET[7:]
    script = f"printf {head}; sleep 0.2; echo {tail}; printf %s $S | base64; echo $S | cut -c1-6,7-"
    environment = {"PATH": os.environ["PATH"], "S": SECRET}
    _, log = await runner.run(script, environment=environment)
    assert b"***\n***\n***\n" == log
    folder = runner.folder().path
    holders = [file.name for file in folder.iterdir() if SECRET.encode() in file.read_bytes()]
    assert [] == holders


async def test_no_secret_stands_in_a_command_line(runner: Runner) -> None:
    """What the runner needs comes through a pipe; its memory is closed to other processes of the user."""
    folder = runner.folder()
    await folder.start(runner.spec("sleep 5", environment={"PATH": os.environ["PATH"], "S": SECRET}))
    pid = folder._started().pid
    command = await asyncio.to_thread(Path(f"/proc/{pid}/cmdline").read_bytes)
    folder.cancel()
    await folder.ended()
    assert SECRET.encode() not in command
    assert b"agent.runner" in command


async def test_two_starts_are_one_run(runner: Runner, tmp_path: Path) -> None:
    """Ten starters at once: one gets it, the step runs once."""
    folder, spec = runner.folder(), runner.spec(f"echo ran >> {tmp_path}/side")
    await asyncio.gather(*(folder.start(spec) for _ in range(10)))
    await folder.ended()
    await folder.start(spec)
    assert "ran\n" == (tmp_path / "side").read_text()


async def test_a_runner_that_died_leaves_the_outcome_unknown(runner: Runner, eventually: Eventually) -> None:
    """And nothing of the step goes on unseen; asked again, the answer is the same."""
    folder = runner.folder()
    await folder.start(runner.spec("echo up; sleep 66", environment=runner.spec("")["environment"]))
    await eventually(lambda: folder.log.read_bytes() == b"up\n")
    os.kill(folder._started().pid, signal.SIGKILL)
    end = await folder.ended()
    assert (StepOutcome.UNKNOWN, "the step's runner died", 3) == (end.outcome, end.reason, end.log_size)
    assert end == await folder.ended()


async def test_a_restart_of_the_machine_is_told_from_a_dead_runner(runner: Runner) -> None:
    """The boot under which the run was started is not this one."""
    folder = runner.folder()
    started = {"pid": 2**30, "boot_id": "another", "started_at": "2026-01-01T00:00:00+00:00"}
    (folder.path / "started").write_text(json.dumps(started))
    assert "the machine was restarted" == (await folder.ended()).reason
    assert boot_id()


async def test_a_runner_whose_folder_is_gone_ends(runner: Runner, tmp_path: Path, eventually: Eventually) -> None:
    """Nobody can ever read how the run ended, so nobody is waited for."""
    folder = runner.folder()
    await folder.start(runner.spec(f"until test -e {tmp_path}/go; do sleep 0.02; done"))
    pid = folder._started().pid
    shutil.rmtree(folder.path)
    (tmp_path / "go").touch()
    await eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert runner.left() == []


async def test_the_step_outlives_who_started_it(runner: Runner, tmp_path: Path, eventually: Eventually) -> None:
    """The starter is killed with its whole process group; the run is joined and its log complete."""
    folder, spec = runner.folder(), runner.spec(f"echo one; until test -e {tmp_path}/go; do sleep 0.02; done; echo two")
    code = (
        "import asyncio, json, sys; from pathlib import Path; from agent.run_folder import RunFolder; "
        "asyncio.run(RunFolder(Path(sys.argv[1])).start(json.loads(sys.argv[2]))); print('up', flush=True); "
        "sys.stdin.read()"
    )
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(folder.path), json.dumps(spec)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        cwd=PROJECT,
    )
    assert starter.stdout is not None
    assert await starter.stdout.readline() == b"up\n"
    os.killpg(starter.pid, signal.SIGKILL)
    assert await starter.wait() == -signal.SIGKILL
    await eventually(lambda: folder.log.read_bytes() == b"one\n")
    (tmp_path / "go").touch()
    end = await folder.ended()
    assert (StepOutcome.EXITED, 0) == (end.outcome, end.exit_code)
    assert b"one\ntwo\n" == folder.log.read_bytes()


async def test_a_cut_off_specification_starts_nothing(runner: Runner) -> None:
    """Whoever starts the runner may die while it tells what to run; the next one starts it."""
    folder = runner.folder()
    code = "import sys; from pathlib import Path; from agent.runner import main; main(Path(sys.argv[1]))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(folder.path)),
        cwd=PROJECT,
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.communicate(json.dumps(runner.spec("echo x")).encode()[:-20])
    assert process.returncode != 0
    assert not folder.was_started
    end, log = await runner.run("echo x")
    assert (0, b"x\n") == (end.exit_code, log)
