"""The API as an agent sees it: a real HTTP server that keeps logs and fails in the ways it is told to."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_API = "/api/v1/"


class AgentServer:
    """What the server knows, and the faults that meet its next calls, first to last.

    Faults: ``500``, ``cut`` (connection closed unanswered), ``half`` (a log piece kept by half, then cut),
    ``lost`` (done, then cut), ``hang up early`` (body not read).
    """

    def __init__(self) -> None:
        self.logs: dict[str, bytearray] = {}
        self.files: dict[str, bytearray] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.secret_outputs: dict[str, dict[str, Any]] = {}
        self.masks: list[str] = []
        self.artifacts: dict[str, list[dict[str, Any]]] = {}
        self.jenkins: dict[str, Any] = {}
        self.upcoming: list[dict[str, Any]] = []
        self.queues: list[str] = []
        self.slots: int | None = None
        self.heartbeats: list[dict[str, Any]] = []
        self.enrolments: list[dict[str, Any]] = []
        self.faults: deque[str] = deque()
        self.fired: list[str] = []
        self.refusals: dict[str, tuple[int, str]] = {}
        self.is_down = False
        self.url = ""
        self.lock = threading.Lock()

    def next_fault(self) -> str:
        """What this call meets; it is then known to have fired."""
        if not self.faults:
            return ""
        self.fired.append(self.faults.popleft())
        return self.fired[-1]

    def append(self, kept: dict[str, bytearray], name: str, offset: int, piece: bytes) -> tuple[int, dict[str, Any]]:
        """As ``storage.logs.append`` does it."""
        log = kept.setdefault(name, bytearray())
        if offset > len(log):
            return 409, {"error": "LogGap", "size": len(log)}
        log += piece[len(log) - offset :]
        return 200, {"size": len(log)}

    def log(self, run_id: str) -> bytes:
        with self.lock:
            return bytes(self.logs.get(run_id, b""))

    def file(self, run_id: str, number: int) -> bytes | None:
        with self.lock:
            found = self.files.get(f"{run_id}/files/{number}")
            return None if found is None else bytes(found)

    def _put(self, run_id: str, what: str, query: dict[str, list[str]], body: bytes) -> tuple[int, dict[str, Any]]:
        if what == "log":
            return self.append(self.logs, run_id, int(query["offset"][0]), body)
        if run_id.endswith("/files"):
            return self.append(self.files, f"{run_id}/{what}", int(query["offset"][0]), body)
        self.secret_outputs[run_id] = json.loads(body)
        return 200, {}

    def _get(self, run_id: str, what: str) -> dict[str, Any]:
        if what == "secrets":
            return {"values": self.secrets.get(run_id, {}), "masks": self.masks}
        if what == "jenkins":
            return self.jenkins
        return {"artifacts": self.upcoming if what == "upcoming-artifacts" else self.artifacts.get(run_id, [])}

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one call."""
        for part, (status, error) in self.refusals.items():
            if part in path:
                return status, {"error": error, "detail": f"{error} as told"}
        if path == "agents/enrol":
            self.enrolments.append(json.loads(body))
            return 201, {"name": self.enrolments[-1]["name"], "pool": "default", "credential": "slw_test"}
        if path == "agent/heartbeat":
            self.heartbeats.append(json.loads(body))
            told = {"pool": "default", "queues": self.queues, "server_time": "2026-01-01T00:00:00Z"}
            return 200, told | ({"slots": self.slots} if self.slots else {})
        run_id, _, what = path.removeprefix("agent/step-runs/").rpartition("/")
        if method == "PUT":
            return self._put(run_id, what, query, body)
        return 200, self._get(run_id, what)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, told: AgentServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told = told

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: _Http

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""

    def _answer(self) -> None:
        told = self.server.told
        with told.lock:
            fault = "500" if told.is_down else told.next_fault()
        if fault == "hang up early":
            self.close_connection = True
            return
        # Never read under the lock: the test that sends may itself be waiting for it.
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault == "500":
            self._send(500, {"error": "Trouble", "detail": "as told"})
        elif fault == "cut":
            self.close_connection = True
        else:
            self._do(told, fault, body)

    def _do(self, told: AgentServer, fault: str, body: bytes) -> None:
        target = urlsplit(self.path)
        path = unquote(target.path).removeprefix(_API)
        kept = body[: len(body) // 2] if fault == "half" else body
        with told.lock:
            status, answer = told.answer(self.command, path, parse_qs(target.query), kept)
        if fault:
            self.close_connection = True
        else:
            self._send(status, answer)

    def _send(self, status: int, told: dict[str, Any]) -> None:
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(server: AgentServer) -> Iterator[AgentServer]:
    """Serve on a free port until the block ends."""
    with _Http(server) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=lambda: http.serve_forever(poll_interval=0.02), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join(5)
