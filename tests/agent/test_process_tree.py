"""Finding processes, and never signalling the wrong ones."""

import os
import signal
import subprocess

import pytest

from agent.process_tree import descendants, marked, send


@pytest.mark.parametrize("pid", [1, 0, -1])
def test_what_stands_for_many_processes_is_never_signalled(pid: int) -> None:
    """0 and negative numbers mean groups, -1 everything, 1 the system itself."""
    with pytest.raises(ValueError, match="no process of a step"):
        send([pid], signal.SIGURG)


def test_a_process_that_has_gone_is_no_trouble() -> None:
    """Between the look and the signal it may have ended; the others are signaled all the same."""
    child = subprocess.Popen(["sleep", "30"])
    send([2**30, child.pid], signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM


def test_children_are_found_until_they_end() -> None:
    """Below this process, and by the mark in their environment."""
    mark = f"SLIPWAY_TEST={os.urandom(6).hex()}"
    name, value = mark.split("=")
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], name: value}) as child:
        while not marked(mark):
            assert child.poll() is None
        assert [child.pid] == marked(mark)
        assert child.pid in descendants()
        child.kill()
    assert [] == marked(mark)
    assert child.pid not in descendants()
