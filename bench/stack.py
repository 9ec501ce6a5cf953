"""A local installation to measure: started by ``slipway up`` in a folder of its own, spoken to over HTTP."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

_START_WITHIN_SECONDS = 90


class Stack:
    """``with Stack() as stack``: everything runs inside the block. ``waiting`` approvals were left to wait."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="slipway-bench-")
        self.folder = Path(self._temporary.name) / "state"
        self.http = httpx2.Client(timeout=60, trust_env=False)
        self.waiting = 0

    def __enter__(self) -> Self:
        with (Path(self._temporary.name) / "up.log").open("wb") as log:
            command = [sys.executable, "-m", "local.up", "--state", str(self.folder)]
            self._up = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until(self._is_ready, _START_WITHIN_SECONDS)
        memory = json.loads((self.folder / "local.json").read_text())
        self.temporal_address = f"127.0.0.1:{memory['ports']['temporal']}"
        self.http.base_url = httpx2.URL(memory["api_url"])
        self.http.headers["authorization"] = f"Bearer {memory['admin_token']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self._up.send_signal(signal.SIGINT)
        try:
            self._up.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._up.pid, signal.SIGKILL)
        self._temporary.cleanup()

    def _is_ready(self) -> bool:
        try:
            memory = json.loads((self.folder / "local.json").read_text())
            headers = {"authorization": f"Bearer {memory['admin_token']}"}
            agents = self.http.get(memory["api_url"] + "/api/v1/agents", headers=headers)
        except (OSError, ValueError, KeyError, httpx2.TransportError):
            return False
        return agents.status_code == httpx2.codes.OK and any(agent["is_online"] for agent in agents.json())

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of an answer; raises on anything but success."""
        response = self.http.request(method, "/api/v1" + path, **request)
        response.raise_for_status()
        return response.json() if response.content else None

    def apply(self, name: str, *stages: dict[str, Any]) -> None:
        """Save a pipeline."""
        self.ask("POST", "/pipelines", json={"pipeline": name, "stages": list(stages)})

    def release(self, name: str) -> str:
        """Create a release; its id."""
        headers = {"idempotency-key": secrets.token_hex(8)}
        return str(self.ask("POST", "/releases", json={"pipeline": name}, headers=headers)["id"])

    def token(self, person: str) -> str:
        """For an approver."""
        body = {"name": "of a measurement", "subject": person, "role": "approver"}
        return str(self.ask("POST", "/tokens", json=body)["value"])

    def view(self, release: str) -> dict[str, Any]:
        view: dict[str, Any] = self.ask("GET", f"/releases/{release}")
        return view

    def ended(self, release: str, within: float = 300) -> dict[str, Any]:
        """The release once it has ended; it must have succeeded."""
        until(lambda: self.view(release)["finished_at"] is not None, within)
        view = self.view(release)
        assert view["status"] == "succeeded", view
        return view

    def log(self, run_id: str) -> bytes:
        """What a step has printed so far, as far as one answer holds it."""
        return self.http.get(f"/api/v1/logs/{run_id}/text").content

    @contextmanager
    def agents(self, count: int, *, pool: str, slots: int) -> Iterator[tuple["Agent", ...]]:
        """So many agents of their own pool, inside the block."""
        with tempfile.TemporaryDirectory(prefix="slipway-bench-agents-") as folder:
            agents = tuple(Agent(self, f"{pool}-{number}", pool, slots, Path(folder)) for number in range(count))
            try:
                for agent in agents:
                    agent.start()
                until(lambda: all(self._is_online(agent.name) for agent in agents), _START_WITHIN_SECONDS)
                yield agents
            finally:
                for agent in agents:
                    agent.kill()

    def _is_online(self, name: str) -> bool:
        return any(agent["name"] == name and agent["is_online"] for agent in self.ask("GET", "/agents"))

    def most_memory(self, name: str) -> int:
        """The most resident bytes that the process of this name has had."""
        pid = int((self.folder / "run" / f"{name}.lock").read_text())
        [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
        return 1024 * int(line.split()[1])

    def memory(self) -> dict[str, int]:
        """Resident bytes of each process, by name."""
        locks = (self.folder / "run").glob("*.lock")
        return {lock.stem: _resident(int(lock.read_text())) for lock in locks}


class Agent:
    """One agent process after another, on one state folder."""

    def __init__(self, stack: Stack, name: str, pool: str, slots: int, folder: Path) -> None:
        self.name = name
        token = stack.ask("POST", "/agents/enrolment-tokens", json={"pool": pool})["token"]
        self._log = folder / f"{name}.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")},
            "SLIPWAY_API_URL": str(stack.http.base_url),
            "SLIPWAY_TEMPORAL_ADDRESS": stack.temporal_address,
            "SLIPWAY_AGENT_NAME": name,
            "SLIPWAY_AGENT_STATE": str(folder / name),
            "SLIPWAY_AGENT_SLOTS": str(slots),
            "SLIPWAY_ALLOWED_HOSTS": "127.0.0.1",
            "SLIPWAY_AGENT_ENROLMENT_TOKEN": token,
        }

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "workers.agent"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """With -9."""
        self._process.kill()
        self._process.wait(10)


def until(condition: Callable[[], object], within: float) -> None:
    """Wait until it holds; raises TimeoutError."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within} s")
        time.sleep(0.1)


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
