"""One process of the installation: started, kept alive with growing waits, and stopped in time.

Each child holds a lock file as long as it lives. Should ``slipway up`` itself be killed, the next one finds the
orphans by these locks, whatever has become of their process ids.
"""

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.trouble import Trouble

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_LIVED_LONG_SECONDS = 60.0
_STOP_WITHIN_SECONDS = 5.0
_LAST_LINES = 8
_LONG_LOG_BYTES = 8 << 20
_LOOK_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Program:
    """What to run, with which environment; ``folder`` is where it stands."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


Say = Callable[[str], None]


class Child:
    """A program that is kept running until it is stopped."""

    def __init__(self, program: Program, logs: Path, say: Say, *, patience_seconds: float = 5.0) -> None:
        self._patience = patience_seconds
        self.program = program
        self.log = logs / f"{program.name}.log"
        self.deaths = 0
        self._lock = lock_file(program.folder, program.name)
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and start it again whenever it dies. A log that grew long is put aside first."""
        if self.log.exists() and self.log.stat().st_size > _LONG_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.old"))
        self._process = await self._spawn()
        self._keeper = asyncio.create_task(self._keep_running(), name=f"keep {self.program.name} running")

    async def _spawn(self) -> asyncio.subprocess.Process:
        held = _take(self._lock)
        try:
            with self.log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *self.program.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.program.folder,
                    env=dict(self.program.environment),
                    start_new_session=True,
                    pass_fds=(held,),
                )
            os.ftruncate(held, 0)
            os.write(held, str(process.pid).encode())
        except OSError as error:
            raise Trouble(f"cannot start {self.program.name}: {error}") from error
        finally:
            os.close(held)
        return process

    async def _keep_running(self) -> None:
        wait = _FIRST_WAIT_SECONDS
        while True:
            assert self._process is not None, "start() has spawned it"
            born = time.monotonic()
            code = await self._process.wait()
            self.deaths += 1
            if time.monotonic() - born > _LIVED_LONG_SECONDS:
                wait = _FIRST_WAIT_SECONDS
            self._say(f"{self.program.name} died ({_end(code)}); starting it again in {wait:g} s. Its last words:")
            for line in self.last_lines():
                self._say(f"  | {line}")
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
            self._process = await self._spawn()

    def last_lines(self) -> list[str]:
        """The end of its log."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            return log.read().decode("utf-8", "replace").splitlines()[-_LAST_LINES:]

    async def stop(self) -> None:
        """Ask it to end; after a few seconds, end it with all of its process group."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), self._patience)
        except TimeoutError:
            self._say(f"{self.program.name} does not end by itself; killing it")
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """End its process group at once, for good."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _end(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def lock_file(folder: Path, name: str) -> Path:
    """The file that the child of this name keeps locked as long as it lives; it holds its process id."""
    return folder / "run" / f"{name}.lock"


def stop_orphans(folder: Path, say: Say) -> None:
    """End what a killed ``slipway up`` has left running in this folder."""
    for file in sorted((folder / "run").glob("*.lock")):
        if _is_held(file):
            say(f"stopping {file.stem}, left over from an earlier start")
            _stop_orphan(file)
        file.unlink()


def _take(file: Path) -> int:
    """An open, locked descriptor of the file. One still held by a late descendant of the one before is replaced."""
    file.parent.mkdir(exist_ok=True)
    while True:
        held = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            file.unlink(missing_ok=True)
        else:
            return held


def _is_held(file: Path) -> bool:
    with file.open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _stop_orphan(file: Path) -> None:
    pid = int(file.read_text() or "0")
    for ending, patience in ((signal.SIGTERM, _STOP_WITHIN_SECONDS), (signal.SIGKILL, 2.0)):
        deadline = time.monotonic() + patience
        # Each child leads a process group of its own: a stranger who got its id since would rarely do.
        with suppress(ProcessLookupError):
            if pid and os.getpgid(pid) == pid:
                os.killpg(pid, ending)
        while _is_held(file) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_SECONDS)
        if not _is_held(file):
            return
    raise Trouble(f"process {pid} of an earlier start does not end", f"end it by hand: kill -9 {pid}")
