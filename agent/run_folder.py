"""One run's folder: start its runner, see how it ended, make it end. Safe to use again after any crash."""

import asyncio
import fcntl
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from activities.agent_job import StepEnd, StepOutcome
from agent import handover
from agent.process_tree import boot_id, marked, send
from agent.runner import REFUSED, STARTED, LogFile, write_durably
from agent.safe_names import folder_name
from domain.frozen import Frozen

RUN_MARK = "SLIPWAY_RUN"
LEASE_MARK = "SLIPWAY_LEASE"
_PROJECT = Path(__file__).parents[1]
_START = (
    "import sys; sys.path.append(sys.argv[1]); from pathlib import Path; "
    "from agent.runner import main; sys.exit(main(Path(sys.argv[2])))"
)
_SHORTEST_LOOK = 0.02
_LONGEST_LOOK = 0.25
_RUNNER_IS_CHECKED_EVERY = 1.0


class RunLabel(Frozen):
    """Which run a folder belongs to."""

    run_id: str
    lease_id: str


class RunnerStarted(Frozen):
    """What the runner wrote down before it started the step."""

    pid: int = Field(gt=1)  # 0, 1 and negative numbers would signal whole groups, or everything
    boot_id: str
    started_at: datetime


class RunnerDidNotStart(Exception):  # noqa: N818  reads as what happened
    """The machine could not start the runner now; nothing of the step has run."""


class RunFolder:
    """``<runs>/<run>``: lock, started, log, files, exit, as ``agent.runner`` keeps them, and who it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.files = path / "files"

    @classmethod
    def of(cls, runs: Path, label: RunLabel) -> "RunFolder":
        """The run's folder, made if need be."""
        run = cls(runs / folder_name(label.run_id))
        run.path.mkdir(mode=0o700, exist_ok=True)
        if not (run.path / "run.json").exists():
            write_durably(run.path / "run.json", label.model_dump())
        return run

    @classmethod
    def all_of_lease(cls, runs: Path, lease_id: str) -> list["RunFolder"]:
        found = [cls(folder) for folder in sorted(runs.iterdir())]
        return [run for run in found if (label := run.label()) is not None and label.lease_id == lease_id]

    def label(self) -> RunLabel | None:
        """None in a folder that a crash left half made."""
        with suppress(OSError):
            return RunLabel.model_validate_json((self.path / "run.json").read_bytes())
        return None

    @property
    def was_started(self) -> bool:
        return (self.path / "started").exists()

    @property
    def is_canceled(self) -> bool:
        """Whether somebody asked this run to end."""
        return (self.path / "cancel").exists()

    def end(self) -> StepEnd | None:
        """How the run ended; None while it runs."""
        try:
            return StepEnd.model_validate_json((self.path / "exit").read_bytes())
        except FileNotFoundError:
            return None

    async def start(self, spec: Mapping[str, object]) -> None:
        """Start the runner unless the run was started before. Raises RunnerDidNotStart."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _START, str(_PROJECT), str(self.path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.defpath},
        )
        word, _ = await process.communicate(json.dumps(spec).encode())
        told = word.decode(errors="replace")
        if told not in {STARTED, REFUSED}:
            why = told or "it ended at once"
            raise RunnerDidNotStart(f"the step runner could not be started in {self.path}: {why}")

    async def ended(self) -> StepEnd:
        """Wait for the end of a run that was started. A runner that died without one leaves it unknown."""
        look, unchecked = _SHORTEST_LOOK, 0.0
        while (end := self.end()) is None:
            if unchecked >= _RUNNER_IS_CHECKED_EVERY:
                unchecked = 0.0
                if not self.runner_lives():
                    return self.end() or self._end_unknown()
            await asyncio.sleep(look)
            unchecked += look
            look = min(look * 1.3, _LONGEST_LOOK)
        return end

    def runner_lives(self) -> bool:
        """Whether somebody holds the run's lock. Only to be asked once the run was started."""
        with (self.path / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def secrets_were_taken(self) -> bool:
        """Whether the server keeps the secrets that the step set."""
        return (self.path / handover.TAKEN).exists()

    def note_secrets_taken(self) -> None:
        """Let the runner go: nobody has to ask it for the secrets again."""
        with suppress(OSError):
            (self.path / handover.TAKEN).touch()

    def drop_secrets(self) -> None:
        """Let the runner go with its secrets: nobody will ever take them."""
        with suppress(OSError):
            (self.path / handover.PIPE).unlink()

    def cancel(self) -> None:
        """Make the run end as canceled; also one that has not started yet."""
        try:
            (self.path / "cancel").touch()
        finally:  # on a full disk, too
            if self.was_started and self.end() is None and self.runner_lives():
                with suppress(ProcessLookupError):
                    os.kill(self._started().pid, signal.SIGTERM)

    def write_end(self, end: StepEnd) -> StepEnd:
        write_durably(self.path / "exit", end.model_dump(mode="json"))
        return end

    def end_unstarted(self, reason: str) -> StepEnd:
        """The run fails before its step could start; its log says why."""
        now = datetime.now(UTC)
        log = LogFile(self.log)
        log.write(f"{reason}\n".encode())
        log.close()
        end = StepEnd(outcome=StepOutcome.EXITED, exit_code=1, reason=reason, started_at=now, finished_at=now)
        return self.write_end(end.model_copy(update={"log_size": log.size, "log_sha256": log.sha256}))

    def _end_unknown(self) -> StepEnd:
        """Decide once that the outcome is unknown, and see that nothing of the step still runs."""
        started, label = self._started(), self.label()
        if label is not None:
            send(marked(f"{RUN_MARK}={label.run_id}"), signal.SIGKILL)
        log = LogFile(self.log)
        log.close()
        is_same_boot = started.boot_id == boot_id()
        return self.write_end(
            StepEnd(
                outcome=StepOutcome.UNKNOWN,
                reason="the step's runner died" if is_same_boot else "the machine was restarted",
                log_size=log.size,
                log_sha256=log.sha256,
                started_at=started.started_at,
                finished_at=datetime.now(UTC),
            )
        )

    def _started(self) -> "RunnerStarted":
        return RunnerStarted.model_validate_json((self.path / "started").read_bytes())
