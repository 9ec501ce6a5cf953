"""Find and end the processes a step left behind. Standard library only: the step runner uses it.

Needs Linux; elsewhere it finds nothing, and only the step's own process group is killed.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make every descendant that loses its parent a child of this process, so that none escapes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hide_memory() -> None:
    """Let no other process of this user read our memory, and write no core dump: it holds secrets."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def descendants() -> list[int]:
    """All processes below this one that have not ended. Only ever of this process: what it lists gets killed."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = list(children.get(os.getpid(), []))
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def marked(entry: str) -> list[int]:
    """Processes whose first environment has ``NAME=value``, except this one and the ended."""
    wanted = entry.encode()
    return [pid for pid in _pids() if pid != os.getpid() and wanted in _environment(pid).split(b"\0")]


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal those that are still there; never a group, never the system's first process."""
    for pid in pids:
        if pid <= 1:
            raise ValueError(f"{pid} is no process of a step")
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def since_boot() -> float:
    """Seconds since this machine was started, sleep included; no clock of the wall can be relied on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Which start of the machine this is; empty where the system does not say."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _pids() -> list[int]:
    with suppress(OSError):
        return [int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdecimal()]
    return []


def _parents() -> list[tuple[int, int]]:
    pairs = []
    for pid in _pids():
        with suppress(OSError):
            # The command, in brackets, may hold anything; state and parent follow the last bracket.
            state, parent = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                pairs.append((pid, int(parent)))
    return pairs


def _environment(pid: int) -> bytes:
    with suppress(OSError):
        return (_PROC / str(pid) / "environ").read_bytes()
    return b""
