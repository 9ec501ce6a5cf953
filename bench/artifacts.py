"""What is measured of artifacts: a large one and thousands of small ones, against curl, and again from the cache."""

import os
import secrets
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn

from bench.stack import Stack
from local import jenkins
from local.jenkins_state import Build, JenkinsState

_MIB = 1 << 20
_MB = 1_000_000
_SMALL_BYTES = 4000
_JOB = "bench/small"


def large_artifact(stack: Stack, mebibytes: int = 1024) -> str:
    """The download step of a file by HTTP, and of the same again, against ``curl`` and ``sha256sum`` of it."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-artifact-") as folder:
        _write(Path(folder) / "big.bin", mebibytes)
        with _served(Path(folder)) as url:
            before = stack.most_memory("agent")
            _apply(stack, "bench-large", {"url": {"href": f"{url}/big.bin"}})
            first, again = _download_seconds(stack, "bench-large"), _download_seconds(stack, "bench-large")
            after = stack.most_memory("agent")
            theirs = _seconds(f"curl -sS -o {folder}/copy {url}/big.bin && sha256sum {folder}/copy")
    return (
        f"an artifact of {mebibytes} MiB: {first:.1f} s ({mebibytes / first:.0f} MiB/s), from the cache {again:.1f} s, "
        f"curl and sha256sum {theirs:.1f} s, ratio {first / theirs:.2f}, from the cache {again / theirs:.2f}; "
        f"most memory of the agent {after / _MB:.0f} MB (before {before / _MB:.0f} MB)"
    )


def small_artifacts(stack: Stack, files: int = 5000) -> str:
    """The download step of so many files of a Jenkins build, and again, against ``curl`` of its zip, and unpacking."""
    ci = JenkinsState()
    content = {f"part{number % 50}/{number}.js": os.urandom(_SMALL_BYTES) for number in range(files)}
    ci.job(_JOB).add(Build(1, content))
    with _app_served(jenkins.create_app(ci)) as url, tempfile.TemporaryDirectory() as folder:
        stack.ask("PUT", "/connections/bench-ci", json={"kind": "jenkins", "url": url})
        before = stack.most_memory("agent")
        _apply(stack, "bench-small", {"jenkins": {"server": "bench-ci", "job": _JOB}})
        first, again = _download_seconds(stack, "bench-small"), _download_seconds(stack, "bench-small")
        after = stack.most_memory("agent")
        archive = f"{url}/job/bench/job/small/1/artifact/*zip*/archive.zip"
        unpacked = f"cd {folder} && curl -sS -o a.zip '{archive}' && python3 -m zipfile -e a.zip out"
        theirs = _seconds(f"{unpacked} && find out -type f -print0 | xargs -0 sha256sum > sums")
    return (
        f"an artifact of {files} files of {_SMALL_BYTES} bytes: {first:.1f} s ({files / first:.0f} files/s), from the "
        f"cache {again:.1f} s, curl, unzip and sha256sum {theirs:.1f} s, ratio {first / theirs:.2f}, from the cache "
        f"{again / theirs:.2f}; most memory of the agent {after / _MB:.0f} MB (before {before / _MB:.0f} MB)"
    )


def _apply(stack: Stack, name: str, artifact: dict[str, Any]) -> None:
    job = {"job": "deploy", "steps": [{"run": "true"}]}
    stage = {"stage": "test", "environment": {"at_once": 1000}, "jobs": [job]}
    stack.ask("POST", "/pipelines", json={"pipeline": name, "artifacts": {"app": artifact}, "stages": [stage]})


def _write(path: Path, mebibytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(secrets.token_bytes(_MIB))


def _download_seconds(stack: Stack, pipeline: str) -> float:
    view = stack.ended(stack.release(pipeline), within=3600)
    [download] = [step for step in view["deployments"][0]["jobs"][0]["steps"] if step["step"] == 0]
    return (_time(download["finished_at"]) - _time(download["started_at"])).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seconds(command: str) -> float:
    began = time.monotonic()
    subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


class _Files(BaseHTTPRequestHandler):
    """Gives files of a folder as fast as the kernel can."""

    protocol_version = "HTTP/1.1"
    server: "_FileServer"

    def do_GET(self) -> None:
        with (self.server.folder / Path(self.path).name).open("rb") as file:
            self.send_response(200)
            self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.end_headers()
            self.wfile.flush()
            self.connection.sendfile(file)

    def log_message(self, *_: Any) -> None:
        """A bench is quiet."""


class _FileServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Files)
        self.folder = folder


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with _FileServer(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def _app_served(app: Any) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
