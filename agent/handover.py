"""Hand a step's secrets from its runner to the agent, through memory alone: they never lie on the disk.

The runner waits at a named pipe, ``secrets``, until the agent says by the file ``taken`` that they are kept elsewhere.
This end of it uses the standard library only.
"""

import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PIPE = "secrets"
TAKEN = "taken"
_FIRST_LOOK_SECONDS = 0.02
_LAST_LOOK_SECONDS = 0.5
_WAIT_SECONDS = 3600.0


def lay_pipe(folder: Path) -> None:
    """Let the agent see that there is something to take."""
    with suppress(FileNotFoundError):
        (folder / PIPE).unlink()
    os.mkfifo(folder / PIPE, 0o600)


def hand_over(folder: Path, secrets: dict[str, Any]) -> None:
    """Give them to whoever asks, until they are taken, or nobody can ask any more."""
    line = json.dumps(secrets).encode() + b"\n"
    give_up_at, look = time.monotonic() + _WAIT_SECONDS, _FIRST_LOOK_SECONDS
    while time.monotonic() < give_up_at and (folder / PIPE).exists() and not (folder / TAKEN).exists():
        if not _given(folder / PIPE, line):
            time.sleep(look)
            look = min(look * 1.3, _LAST_LOOK_SECONDS)


def _given(pipe: Path, line: bytes) -> bool:
    """Whether somebody was there to read."""
    try:
        end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.set_blocking(end, True)
        left = memoryview(line)
        while left:
            left = left[os.write(end, left) :]
    except OSError:
        return False
    finally:
        os.close(end)
    time.sleep(_FIRST_LOOK_SECONDS)
    return True


def take(folder: Path, runner_lives: Callable[[], bool]) -> dict[str, Any] | None:
    """Read what is handed over. None when there is nothing, or who had it is gone. May wait: not for the event loop."""
    try:
        end = os.open(folder / PIPE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if (folder / TAKEN).exists() or not stat.S_ISFIFO(os.fstat(end).st_mode):
            return None
        line = _line(end, runner_lives)
    finally:
        os.close(end)
    return None if line is None else dict(json.loads(line))


def _line(end: int, runner_lives: Callable[[], bool]) -> bytes | None:
    """One line: the runner may have begun to write a second time."""
    text = b""
    while b"\n" not in text:
        piece = b""
        with suppress(BlockingIOError):
            piece = os.read(end, 64 * 1024)
        text += piece
        if not piece:
            if not runner_lives():
                return None
            time.sleep(_FIRST_LOOK_SECONDS)
    return text[: text.index(b"\n")]
