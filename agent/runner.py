"""The step runner: a small process that runs one step to its end, whatever becomes of the agent that started it.

Standard library only, started as ``python -I -S`` for speed. What it is to run comes as JSON on its standard input, so
that no secret stands in an argument or on the disk. In the run's folder it keeps

* ``lock``: locked while the runner lives,
* ``started``: written, and on the disk, before the step starts; a run that has it is never started again,
* ``spare``: room kept for ``exit`` on a disk that the step fills,
* ``log``: the step's output, masked,
* ``files``: copies of the files that the step wants kept, masked,
* ``exit``: how it ended and what it set, put there whole at the very end,
* ``secrets``: a pipe, if the step set secrets: the runner stays until the agent took them.

A file ``cancel`` makes it kill the step with all its descendants: at once on SIGTERM, else within a second.
"""

import fcntl
import hashlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent import handover
from agent.command_lines import CommandLine, CommandLines
from agent.disk_reserve import DiskReserve, sized
from agent.masking import Masker
from agent.process_tree import adopt_orphans, boot_id, descendants, hide_memory, send, since_boot
from agent.step_effects import StepEffects, Terms

STARTED = "started"
REFUSED = "refused"
EXITED = "exited"
TIMED_OUT = "timed out"
CANCELED = "canceled"
UNKNOWN = "unknown"
CUT_OFF = "cut off"

_PIECE = 256 * 1024
_EOF_SECONDS = 5.0
_TICK_SECONDS = 1.0
_ENDING_TICK_SECONDS = 0.05
COULD_NOT_START = 127
_GRACE_OF_THE_CUT_OFF = 2.0
_LONGEST_WORD = 500
_SPARE = 64 * 1024
_F_SETPIPE_SZ = 1031


def main(folder: Path) -> int:
    """Start the run described on standard input and detach; say ``started``, ``refused`` or why not."""
    folder, spec = folder.absolute(), json.load(sys.stdin.buffer)
    told, tell = os.pipe()
    if os.fork() == 0:
        try:
            os.close(told)
            os.setsid()
            _run_detached(folder, spec, tell)
        finally:
            os._exit(0)
    os.close(tell)
    word = os.read(told, _LONGEST_WORD)
    sys.stdout.buffer.write(word)
    return 0 if word else 1


def _run_detached(folder: Path, spec: dict[str, Any], tell: int) -> None:
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(quiet, stream)
    os.chdir("/")
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(tell, REFUSED.encode())
        return
    if (folder / "started").exists():
        os.write(tell, REFUSED.encode())
        return
    hide_memory()
    adopt_orphans()
    try:
        run = Run(folder, spec)
        run.announce()
    except OSError as error:  # most likely a full disk: nothing has run, and it may be tried again
        os.write(tell, _plain(error).encode()[:_LONGEST_WORD])
        return
    os.write(tell, STARTED.encode())
    os.close(tell)
    run.to_the_end()


class Run:
    """One run of one step."""

    def __init__(self, folder: Path, spec: dict[str, Any]) -> None:
        self._folder = folder
        self._spec = spec
        self._masker = Masker(spec["secrets"])
        self._lines = CommandLines()
        terms = Terms(**spec.get("terms", {}))
        self._effects = StepEffects(self._masker, Path(spec["cwd"]), terms, folder / "files")
        self._reserve = DiskReserve(*spec.get("reserve", ()))
        self._told: dict[str, Any] = {}
        self._ends_line = True
        self._began = time.monotonic()
        self._started_at = datetime.now(UTC)
        self._log = LogFile(folder / "log", spec.get("log_limit"))
        self._cancel_asked = False
        self._outcome = EXITED
        self._reason = ""
        self._main: int | None = None
        self._status: int | None = None
        self._kill_at = float("inf")
        self._eof_by = float("inf")
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._cancel)

    def announce(self) -> None:
        """Make it known, for good, that this run was started."""
        told = {"pid": os.getpid(), "boot_id": boot_id(), "started_at": self._started_at.isoformat()}
        (self._folder / "spare").write_bytes(bytes(_SPARE))
        write_durably(self._folder / "started", told)

    def to_the_end(self) -> None:
        """Run the step and write down how it ended."""
        try:
            exit_code = self._run()
        except Exception as error:  # noqa: BLE001  an error of ours must still leave an end; its text may hold a secret
            self._outcome, self._reason, exit_code = UNKNOWN, f"the step runner failed: {type(error).__name__}", None
        if self._outcome != EXITED or exit_code is None:
            self._signal(signal.SIGKILL)
        self._log.close()
        secrets = self._effects.secrets()
        if secrets:
            self._lay_pipe()
        self._write_exit(exit_code)
        if secrets:
            handover.hand_over(self._folder, secrets)

    def _lay_pipe(self) -> None:
        with suppress(OSError):  # then nobody can take them, and who needs them says so
            handover.lay_pipe(self._folder)

    def _cancel(self, *_: object) -> None:
        self._cancel_asked = True

    def _run(self) -> int | None:
        if (self._folder / "cancel").exists():
            self._outcome, self._reason = CANCELED, "canceled before it started"
            return None
        try:
            output = self._start()
        except (OSError, ValueError) as error:
            self._reason = f"the step could not be started: {_plain(error)}"
            self._log.write(self._masker.feed(f"{self._reason}\n".encode()) + self._masker.flush())
            return COULD_NOT_START
        self._pump(output)
        self._end_output()
        return self._exit_code()

    def _exit_code(self) -> int | None:
        if self._status is None:
            return None
        if os.WIFSIGNALED(self._status):
            self._reason = self._reason or f"killed by {_signal_name(os.WTERMSIG(self._status))}"
        return os.waitstatus_to_exitcode(self._status)

    def _start(self) -> int:
        output, write_end = os.pipe2(os.O_CLOEXEC)
        with suppress(OSError):
            fcntl.fcntl(output, _F_SETPIPE_SZ, 1024 * 1024)
        try:
            step = subprocess.Popen(  # noqa: S603  running what the pipeline says is the purpose
                self._spec["argv"],
                cwd=self._spec["cwd"],
                env=self._spec["environment"],
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        self._main = step.pid
        step.returncode = 0  # we reap it ourselves, together with adopted orphans
        return output

    def _pump(self, output: int) -> None:
        """Carry output into the log, until the step ended and nothing more can come."""
        os.set_blocking(output, False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            is_open = True
            while not self._is_over(is_open=is_open):
                for key, _ in selector.select(self._tick()):
                    if key.fd == self._wake:
                        _drain(self._wake)
                    elif not self._carry(output):
                        selector.unregister(output)
                        is_open = False
                self._reap()
                self._end_if_due()
        while is_open and self._carry(output):
            # What lay in the pipe when the wait was over; a process that still writes is not waited for.
            if time.monotonic() > self._eof_by + 1:
                break

    def _carry(self, output: int) -> bool:
        """Move one piece; False at the end of the output, or when there is none now and the wait is over."""
        try:
            piece = os.read(output, _PIECE)
        except BlockingIOError:
            return time.monotonic() < self._eof_by
        self._keep(self._lines.feed(piece))
        return bool(piece)

    def _keep(self, parts: Iterable[bytes | CommandLine]) -> None:
        """Write the output into the log. A secret masks what comes after it, so what came before is written first."""
        shown: list[bytes] = []
        for part in parts:
            if isinstance(part, bytes):
                shown.append(part)
                continue
            if part.may_hide:
                self._write(shown)
            shown.append(self._effects.take(part))
        self._write(shown)

    def _write(self, shown: list[bytes]) -> None:
        if shown:
            self._ends_line = shown[-1].endswith(b"\n")
            self._log.write(self._masker.feed(b"".join(shown)))
            shown.clear()

    def _end_output(self) -> None:
        """Everything that was held back, and what there is to say about the step's variables."""
        self._keep(self._lines.flush())
        self._told, words = self._effects.end()
        if words:
            self._keep([words if self._ends_line else b"\n" + words])
        self._log.write(self._masker.flush())

    def _is_over(self, *, is_open: bool) -> bool:
        if self._status is None:
            return False
        if self._outcome != EXITED and time.monotonic() < self._eof_by and descendants():
            return False
        return not is_open or time.monotonic() >= self._eof_by

    def _tick(self) -> float:
        """How long nothing needs to be looked at."""
        if self._outcome != EXITED:
            return _ENDING_TICK_SECONDS
        due = self._eof_by if self._status is not None else self._began + self._spec["timeout"]
        return max(0.0, min(due - time.monotonic(), _TICK_SECONDS))

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._main:
                    self._status = status
                    self._eof_by = time.monotonic() + _EOF_SECONDS

    def _end_if_due(self) -> None:
        if self._outcome != EXITED:
            if time.monotonic() >= self._kill_at:
                self._signal(signal.SIGKILL)
        elif self._status is None:
            self._end_unless_it_may_go_on()

    def _end_unless_it_may_go_on(self) -> None:
        if (self._folder / "cancel").exists():
            self._end(CANCELED, "canceled")
        elif self._cancel_asked:
            self._end(CANCELED, "the machine told the step's runner to end")
        elif time.monotonic() >= self._began + self._spec["timeout"]:
            self._end(TIMED_OUT, f"timed out after {timedelta(seconds=self._spec['timeout'])}")
        elif lacking := self._reserve.lacking():
            self._end(CANCELED, f"ended: {lacking}")
        elif (silence := self._silence()) > self._spec["cut_off_after"]:
            why = f"this agent was cut off from Temporal for {silence:.0f} s, and its job may be given to another"
            self._spec["grace"] = min(self._spec["grace"], _GRACE_OF_THE_CUT_OFF)
            self._end(CUT_OFF, why)

    def _silence(self) -> float:
        """Seconds since the server last knew that this agent has the job. A lease that is gone is ended otherwise."""
        try:
            return since_boot() - float(Path(self._spec["heard"]).read_text())
        except (OSError, ValueError):
            return 0.0

    def _end(self, outcome: str, reason: str) -> None:
        """Ask everything to end; who has not after the grace is killed."""
        self._outcome, self._reason = outcome, reason
        self._kill_at = time.monotonic() + self._spec["grace"]
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        everything = descendants()
        send(everything, number)
        if not everything and self._main is not None and self._status is None:
            with suppress(ProcessLookupError):
                os.killpg(self._main, number)

    def _write_exit(self, exit_code: int | None) -> None:
        code = exit_code if exit_code is None or exit_code >= 0 else 128 - exit_code
        end = {
            "outcome": self._outcome,
            "exit_code": code,
            "reason": "; ".join(filter(None, (self._reason, self._log.trouble))),
            "log_size": self._log.size,
            "log_sha256": self._log.sha256,
            "started_at": self._started_at.isoformat(),
            # The clock of the wall may have been set meanwhile.
            "finished_at": (self._started_at + timedelta(seconds=time.monotonic() - self._began)).isoformat(),
            "told": self._told,
        }
        while self._folder.exists():
            try:
                write_durably(self._folder / "exit", end)
            except OSError:  # a full disk: as long as we live, the run is not lost
                self._make_room()
            else:
                return

    def _make_room(self) -> None:
        try:
            (self._folder / "spare").unlink()
        except OSError:
            time.sleep(1)


class LogFile:
    """What the step printed. On a disk that takes no more, and at the limit, it breaks off, and the step goes on.

    The limit is passed by one last line that says so.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self._limit = limit
        self._digest = hashlib.sha256()
        self.size = 0
        self.trouble = ""
        if path.exists():
            self._count(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        if self._limit is None or self.size + len(piece) <= self._limit:
            self._append(piece)
        elif not self.trouble:
            why = f"the log breaks off: it may have {sized(self._limit)}"
            self._append(piece[: max(0, self._limit - self.size)] + f"\n[{why}]\n".encode())
            self.trouble = self.trouble or why

    def _append(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left and not self.trouble:
            try:
                written = os.write(self._file, left)
            except OSError as error:
                self.trouble = f"the log breaks off: {_plain(error)}"
            else:
                self._digest.update(left[:written])
                self.size += written
                left = left[written:]

    def _count(self, path: Path) -> None:
        """Go on with a log that has begun."""
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                self._digest.update(piece)
                self.size += len(piece)

    def close(self) -> None:
        with suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)


def write_durably(path: Path, content: dict[str, Any]) -> None:
    """Put the file there whole, and on the disk, or not at all."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def put_whole(path: Path, text: str) -> None:
    """Put the file there whole or not at all; after a crash of the machine it may be the one before."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.replace(path)


def _plain(error: Exception) -> str:
    """The system's words; other errors by their class alone, since their text may hold a secret."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return type(error).__name__


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


def _drain(wake: int) -> None:
    with suppress(BlockingIOError):
        while os.read(wake, 512):
            pass
