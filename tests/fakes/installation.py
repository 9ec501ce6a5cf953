"""A whole installation of real processes for a story: Temporal server, stand-ins, API, release worker, agents.

Every process can be killed with -9 and started again. Nothing is faked but what stands for other companies' servers.
"""

import os
import re
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2
from fakes.few_tools import path_of_few_tools
from fakes.quick_processes import QuickProcess

from local.child import Program
from local.demo_builds import TOKEN, USER
from local.programs import Programs, url
from local.state_folder import Memory

T = TypeVar("T")
# Nobody waits more than an eighth longer than they must.
_LOOKS = 8
_LONGEST_PAUSE = 2.0
_PORTS = ("temporal", "ui", "api", "jenkins", "azure", "sendgrid")


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now."""
    held = []
    for _ in range(count):
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        held.append(listening)
    ports = [listening.getsockname()[1] for listening in held]
    for listening in held:
        listening.close()
    return ports


def wait_for(condition: Callable[[], T], within: float = 30.0, what: str = "") -> T:
    """The first true value of the condition, looked at less often as time goes by: looking must not be the load."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        assert waited < within, f"not within {within} s: {what or condition}"
        time.sleep(min(max(waited / _LOOKS, 0.02), _LONGEST_PAUSE))


def processes(text: str) -> list[str]:
    """Command lines of processes that contain the text, shells that hold it in their script aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in line and " -" not in line.split("sleep")[0]:
                found.append(line)
    return found


class Installation:
    """Processes by name. ``with Installation(folder) as slipway: ...`` stops them all at the end.

    Ours are forked from one that has imported everything, but for agents that are to be plain.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        (folder / "logs").mkdir(parents=True)
        self.memory = Memory(ports=dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True)))
        self.memory.api_url = url(self.memory.ports["api"])
        # Without byte code, every start of a process compiles a thousand modules anew.
        surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.programs = Programs(folder, self.memory, surroundings, mail="outbox")
        self._settings = settings or {}
        self._processes: dict[str, subprocess.Popen[bytes] | QuickProcess] = {}
        self._agents: dict[str, Program] = {}
        self._plain: set[str] = set()
        self._path = path_of_few_tools(folder)
        self.http = httpx2.Client(
            base_url=self.memory.api_url,
            headers={"authorization": f"Bearer {self.memory.admin_token}"},
            timeout=15,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        try:
            for name in ("temporal", "stand-ins", "api", "worker"):
                self.start(name)
            wait_for(self.is_ready, what="the API is ready")
            self._connect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        for name in reversed(list(self._processes)):
            self.kill(name)

    def is_ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def _connect(self) -> None:
        jenkins = {
            "kind": "jenkins",
            "url": url(self.memory.ports["jenkins"]),
            "user": USER,
            "token": TOKEN,
        }
        azure = {"kind": "azure-pipelines", "url": url(self.memory.ports["azure"]) + "/contoso", "token": TOKEN}
        self.ok("PUT", "/api/v1/connections/ci", json=jenkins)
        self.ok("PUT", "/api/v1/connections/contoso", json=azure)

    def _program(self, name: str) -> Program:
        made = {
            "temporal": self.programs.temporal,
            "stand-ins": self.programs.stand_ins,
            "api": self.programs.api,
            "worker": self.programs.worker,
        }
        return self._agents.get(name) or made[name]()

    def start(self, name: str) -> None:
        """Start the process of this name (again)."""
        program = self._program(name)
        environment = {**program.environment, **self._settings}
        if name not in self._plain and QuickProcess.starts(program.command[2]):
            self._processes[name] = QuickProcess(program.command[2], environment, program.folder, self.log_file(name))
            return
        with (self.folder / "logs" / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.folder,
                env=environment,
                start_new_session=True,
            )

    def kill(self, name: str, number: int = signal.SIGKILL, within: float = 20) -> int:
        """End the process, by default without a chance to tidy up; its exit code."""
        process = self._processes.pop(name)
        if process.poll() is None:
            os.kill(process.pid, number)
        return process.wait(within)

    def signal(self, name: str, number: int) -> None:
        """Send it, and leave the process to it."""
        self._processes[name].send_signal(number)

    def kill_alive(self, name: str) -> None:
        """Kill -9, having seen that it lives: a fault that did not fire proves nothing."""
        assert self._processes[name].poll() is None, f"{name} was dead before it was killed: {self.log(name)[-2000:]}"
        self.kill(name)

    def most_memory(self, name: str) -> int:
        """The most bytes of memory that the process has had."""
        status = Path(f"/proc/{self._processes[name].pid}/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]  Linux tells it

    def is_alive(self, name: str) -> bool:
        return self._processes[name].poll() is None

    def agent(
        self,
        name: str,
        *labels: str,
        slots: int = 2,
        pool: str = "default",
        settings: Mapping[str, str] | None = None,
        is_plain: bool = False,
    ) -> None:
        """Enrol and start an agent with these capabilities, and wait until it is online."""
        if is_plain:
            self._plain.add(name)
        token = self.ok("POST", "/api/v1/agents/enrolment-tokens", json={"pool": pool})["token"]
        program = self.programs.agent(token)
        own = {
            "SLIPWAY_AGENT_NAME": name,
            "SLIPWAY_AGENT_STATE": str(self.folder / "agents" / name),
            "SLIPWAY_AGENT_SLOTS": str(slots),
            "SLIPWAY_AGENT_LABELS": ",".join(labels),
            "PATH": self._path,
            **(settings or {}),
        }
        self._agents[name] = Program(
            name=name, command=program.command, environment={**program.environment, **own}, folder=program.folder
        )
        self.start(name)
        wait_for(lambda: self._is_online(name), what=f"agent {name} is online")

    def _is_online(self, name: str) -> bool:
        agents = self.ok("GET", "/api/v1/agents")
        return any(agent["name"] == name and agent["is_online"] for agent in agents)

    def log(self, name: str) -> str:
        return self.log_file(name).read_text(errors="replace")

    def log_file(self, name: str) -> Path:
        """What the processes of this name printed, one after the other."""
        return self.folder / "logs" / f"{name}.log"

    def ok(self, method: str, path: str, **request: Any) -> Any:
        """The JSON answer of a request that must succeed. Reading waits for an API that starts again."""
        response = self._read(path) if method == "GET" else self.http.request(method, path, **request)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def _read(self, path: str) -> httpx2.Response:
        def answer() -> httpx2.Response | None:
            try:
                response = self.http.get(path)
            except httpx2.TransportError:
                return None
            return None if response.status_code == httpx2.codes.SERVICE_UNAVAILABLE else response

        # An error is an answer, too, though not a true value.
        return wait_for(lambda: [found for found in [answer()] if found is not None], what=f"answer to {path}")[0]

    def token(self, subject: str, role: str) -> str:
        """A fresh token of a person."""
        body = {"name": "story", "subject": subject, "role": role, "days": 1}
        return str(self.ok("POST", "/api/v1/tokens", json=body)["value"])

    def apply(self, definition: dict[str, Any]) -> None:
        """Save a pipeline."""
        self.ok("POST", "/api/v1/pipelines", json=definition)

    def release(self, pipeline: str, **request: Any) -> str:
        """Create a release as rita; its id."""
        answer = self.http.post(
            "/api/v1/releases",
            json={"pipeline": pipeline, **request},
            headers={
                "authorization": f"Bearer {self.token('rita@example.com', 'releaser')}",
                "idempotency-key": secrets.token_hex(8),
            },
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def view(self, release: str) -> dict[str, Any]:
        view: dict[str, Any] = self.ok("GET", f"/api/v1/releases/{release}")
        return view

    def ended(self, release: str, within: float = 60.0) -> dict[str, Any]:
        """The release once it has ended."""
        return wait_for(lambda: (v := self.view(release)) and v["finished_at"] and v, within, f"release {release} ends")

    def stages(self, release: str) -> dict[str, str]:
        return {stage["stage"]: stage["status"] for stage in self.view(release)["stages"]}

    def steps(self, release: str) -> list[dict[str, Any]]:
        """All step runs of the release."""
        return [
            step
            for deployment in self.view(release)["deployments"]
            for job in deployment["jobs"]
            for step in job["steps"]
        ]

    def step_log(self, run_id: str) -> bytes:
        """The whole log, piece by piece."""
        log = b""
        while True:
            response = self.http.get(f"/api/v1/logs/{run_id}/text", params={"offset": len(log)})
            assert response.status_code == 200, response.text
            if not response.content:
                return log
            log += response.content

    def link(self, person: str, approval: str) -> str:
        """The path of the link in the mail to this person about this approval, once it was sent."""
        return wait_for(lambda: self._link(person, approval), what=f"mail to {person} about {approval}")

    def _link(self, person: str, approval: str) -> str | None:
        deployment, moment = approval.rsplit("/", 1)
        stage = deployment.split("/")[2]
        for mail in self.ok("GET", "/api/v1/outbox"):
            if mail["to"] != person:
                continue
            body = self.ok("GET", f"/api/v1/outbox/{mail['id']}")["text"]
            found = re.search(r"(/approve/[A-Za-z0-9_-]+)", body)
            if found and stage in mail["subject"] and moment in body.lower():
                return found[1]
        return None

    def answer(self, path: str, choice: str) -> httpx2.Response:
        """Open the mailed link as its reader, choose, and confirm."""
        with self.stranger() as browser:
            page = browser.get(path)
            assert page.status_code == 200, page.text
            digest = re.search(r'name="digest" value="([0-9a-f]+)"', page.text)
            assert digest, page.text
            return browser.post(path, data={"choice": choice, "comment": "from the mail", "digest": digest[1]})

    @contextmanager
    def stranger(self) -> Iterator[httpx2.Client]:
        """A client that is nobody."""
        with httpx2.Client(base_url=self.memory.api_url, timeout=15, trust_env=False) as client:
            yield client
