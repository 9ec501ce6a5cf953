"""Steps under real runners, without an agent."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import run

import pytest

from activities.agent_job import StepEnd
from agent.process_tree import marked
from agent.run_folder import RUN_MARK, RunFolder, RunLabel
from agent.state_folder import StateFolder

SECRET = "hunter22-and-more"


class Runner:
    """Starts steps in run folders of one state folder."""

    def __init__(self, state: StateFolder, lease_id: str) -> None:
        self._state = state
        self.lease_id = lease_id
        self.mark = f"{RUN_MARK}={lease_id}"

    def folder(self, name: str = "1/1") -> RunFolder:
        return RunFolder.of(self._state.runs, RunLabel(run_id=f"{self.lease_id}/{name}", lease_id=self.lease_id))

    def spec(self, script: str, **more: object) -> dict[str, object]:
        return {
            "argv": ["sh", "-ec", script],
            "cwd": str(self._state.path),
            "environment": {"PATH": os.environ["PATH"], RUN_MARK: self.lease_id, "SLIPWAY_LEASE": self.lease_id},
            "secrets": [SECRET],
            "timeout": 20.0,
            "grace": 0.5,
            "heard": str(self._state.path / "heard"),
            "cut_off_after": 3600.0,
            **more,
        }

    async def run(self, script: str, name: str = "1/1", **more: object) -> tuple[StepEnd, bytes]:
        folder = self.folder(name)
        await folder.start(self.spec(script, **more))
        async with asyncio.timeout(30):
            return await folder.ended(), folder.log.read_bytes()

    def left(self) -> list[int]:
        """Processes that still run."""
        return marked(self.mark)


@contextmanager
def small_disk(at: Path, size: str = "1m") -> Iterator[Path]:
    """A file system of its own that is soon full. Skips where nobody may mount one."""
    at.mkdir()
    mounted = run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr.decode().strip()}")
    try:
        yield at
    finally:
        run(["umount", "-l", str(at)], check=True)
