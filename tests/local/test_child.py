"""One process of the installation."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.child import Child, Program, lock_file, stop_orphans
from local.trouble import Trouble


@pytest.fixture
def said() -> list[str]:
    """What the person was told."""
    return []


@pytest.fixture
async def begin(tmp_path: Path, said: list[str]) -> AsyncIterator:
    """Start Python code as a child; it is killed in the end."""
    children: list[Child] = []

    async def start(code: str, patience_seconds: float = 5.0) -> Child:
        program = Program("part", (sys.executable, "-c", code), dict(os.environ), tmp_path)
        child = Child(program, tmp_path, said.append, patience_seconds=patience_seconds)
        children.append(child)
        await child.start()
        return child

    yield start
    for child in children:
        child.kill()
        await child.stop()


def pid_of(folder: Path) -> int:
    return int(lock_file(folder, "part").read_text())


async def test_a_dead_child_is_started_again_with_its_last_words(begin, said, eventually) -> None:
    """The person is told how it died and what it said last."""
    child = await begin("print('no database', flush=True); import sys; sys.exit(3)")
    await eventually(lambda: child.deaths == 2)
    assert "part died (exit code 3); starting it again in 0.5 s. Its last words:" == said[0]
    assert "  | no database" == said[1]
    assert "in 1 s" in next(line for line in said[1:] if "died" in line)


async def test_a_killed_child_is_named_by_its_signal(begin, said, eventually, tmp_path: Path) -> None:
    """SIGKILL is told as such: often the system was out of memory."""
    await begin("import time; time.sleep(60)")
    os.kill(pid_of(tmp_path), signal.SIGKILL)
    await eventually(lambda: said)
    assert "part died (SIGKILL)" in said[0]


async def test_stopping_is_orderly(begin, said, eventually) -> None:
    """A child that ends at SIGTERM is waited for, and not started again."""
    child = await begin("import signal; print('up', flush=True); signal.pause()")
    await eventually(lambda: child.last_lines() == ["up"])
    await child.stop()
    assert ([], 0) == (said, child.deaths)


async def test_a_stubborn_child_is_killed_with_its_own_children(begin, said, eventually) -> None:
    """Ctrl-C ends everything within seconds, whatever a child thinks of SIGTERM."""
    code = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "below = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(below.pid, flush=True); signal.pause()"
    )
    child = await begin(code, patience_seconds=0.2)
    await eventually(child.last_lines)
    below = int(child.last_lines()[0])
    await child.stop()
    assert ["part does not end by itself; killing it"] == said
    await eventually(lambda: not is_alive(below))


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and awaits its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_an_unknown_program_is_trouble(tmp_path: Path) -> None:
    """A program that is not there is told with its name."""
    child = Child(Program("part", ("/nowhere/at-all",), {}, tmp_path), tmp_path, print)
    with pytest.raises(Trouble, match="cannot start part"):
        await child.start()


async def test_orphans_of_a_killed_parent_are_found_and_ended(said, tmp_path: Path) -> None:
    """They are known by their locks, not by process ids that others may have by now."""
    code = (
        "import asyncio, os, sys; from pathlib import Path; from local.child import Child, Program\n"
        "async def main():\n"
        f"    folder = Path({str(tmp_path)!r})\n"
        "    command = (sys.executable, '-c', 'import signal; signal.pause()')\n"
        "    await Child(Program('orphan', command, dict(os.environ), folder), folder, print).start()\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    await parent.wait()
    orphan = int(lock_file(tmp_path, "orphan").read_text())
    assert is_alive(orphan)
    await asyncio.to_thread(stop_orphans, tmp_path, said.append)
    assert not is_alive(orphan)
    assert ["stopping orphan, left over from an earlier start"] == said
    assert not lock_file(tmp_path, "orphan").exists()


async def test_a_stale_lock_is_no_orphan(said, tmp_path: Path) -> None:
    """A process id that somebody else has by now is left alone."""
    lock_file(tmp_path, "part").parent.mkdir()
    lock_file(tmp_path, "part").write_text(str(os.getpid()))
    stop_orphans(tmp_path, said.append)
    assert ([], False) == (said, lock_file(tmp_path, "part").exists())


async def test_a_child_that_is_killed_on_purpose_stays_dead(begin, said, tmp_path: Path) -> None:
    """Nobody is told that it died, and nothing starts it again."""
    child = await begin("import time; time.sleep(60)")
    pid = pid_of(tmp_path)
    child.kill()
    await child.stop()
    assert ([], 0) == (said, child.deaths)
    assert pid == pid_of(tmp_path)
