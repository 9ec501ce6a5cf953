"""Run the command line in this process against a real HTTP server."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.api_server import ApiServer, serving
from typer.testing import CliRunner, Result

from cli.main import app

Run = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of the person who runs the tests, no colours, an empty folder."""
    for name in ("SLIPWAY_API_URL", "SLIPWAY_TOKEN", "XDG_CONFIG_HOME", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def run(api: ApiServer) -> Run:
    """Run ``slipway`` with these arguments and a token, against the server."""

    def run_with(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--api", api.url, "--token", "slw_test", *arguments], input=typed)

    return run_with


@pytest.fixture
def release() -> dict[str, object]:
    """A release that waits for the approval of its stage prod."""
    return json.loads((Path(__file__).parent / "release.json").read_text("utf-8"))


@pytest.fixture
def unused_url() -> str:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
