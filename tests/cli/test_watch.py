"""Watching a release to its end."""

import pytest
from fakes.api_server import Answer, ApiServer, problem
from typer.testing import CliRunner

from cli import watch
from cli.main import app

SHOW = "GET /api/v1/releases/webshop/41"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often than for people."""
    monkeypatch.setattr(watch, "_LOOK_EVERY_SECONDS", 0.01)


def ended(release, status: str, prod: str):
    """The release as it is when it is over."""
    test_stage, prod_stage = release["stages"]
    over = [test_stage, prod_stage | {"status": prod}]
    deployments = [release["deployments"][0], release["deployments"][1] | {"status": prod, "waiting_for": ""}]
    return release | {"status": status, "waiting_for": "", "stages": over, "deployments": deployments}


def test_changes_are_told_line_by_line(api: ApiServer, run, release) -> None:
    """Where no terminal is, each change is a line, and what did not change is not repeated."""
    api.on(SHOW, Answer(release), Answer(release), Answer(ended(release, "succeeded", "succeeded")))
    result = run("release", "watch", "webshop/41")
    assert [
        "test: succeeded",
        "prod: waiting - approval by ana@example.com",
        "webshop/41: active - approval of prod by ana@example.com",
        "prod: succeeded",
        "webshop/41: succeeded",
    ] == [line.partition(" ")[2] for line in result.stdout.splitlines()]
    assert 0 == result.exit_code


@pytest.mark.parametrize(
    ("status", "prod", "code"),
    [
        ("succeeded", "succeeded", 0),
        ("partially succeeded", "partially succeeded", 0),
        ("failed", "failed", 1),
        ("failed", "rejected", 3),
        ("failed", "expired", 3),
        ("canceled", "canceled", 1),
    ],
)
def test_the_exit_code_tells_the_end(api: ApiServer, run, release, status: str, prod: str, code: int) -> None:
    """Failed, rejected and expired are told apart."""
    api.on(SHOW, Answer(ended(release, status, prod)))
    assert code == run("release", "watch", "webshop/41").exit_code


def test_a_restart_of_the_api_is_bridged(api: ApiServer, run, release) -> None:
    """A server that is away for a moment does not end the watch."""
    api.on(
        SHOW, Answer(release), problem(503, "Unavailable", "starting"), Answer(ended(release, "succeeded", "succeeded"))
    )
    assert 0 == run("release", "watch", "webshop/41").exit_code


def test_a_release_that_takes_too_long_times_out(api: ApiServer, run, release, monkeypatch) -> None:
    """After --timeout it leaves with 124, and says how to re-join."""
    monkeypatch.setattr("cli.releases.seconds", lambda _: 0.05)
    api.on(SHOW, Answer(release))
    result = run("release", "watch", "webshop/41", "--timeout", "1s")
    assert 124 == result.exit_code
    assert "slipway release watch webshop/41" in result.stderr


def test_ctrl_c_leaves_the_release_running(api: ApiServer, run, release) -> None:
    """Ctrl-C ends the watch with 130, and says how to re-join and how to end the release."""

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    api.on(SHOW, Answer(release))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch.time, "sleep", interrupted)
        result = run("release", "watch", "webshop/41")
    assert 130 == result.exit_code
    assert "slipway release cancel webshop/41" in result.stderr


def test_wait_after_create_ends_with_the_release(api: ApiServer, run, release) -> None:
    """`create --wait` is create and watch in one, with the exit code of the release."""
    api.on("POST /api/v1/releases", Answer(release, 201))
    api.on(SHOW, Answer(ended(release, "failed", "failed")))
    assert 1 == run("release", "create", "webshop", "--wait").exit_code


def test_a_terminal_gets_a_picture(api: ApiServer, release, monkeypatch) -> None:
    """On a terminal the stages are drawn with marks, words and the console's address."""
    monkeypatch.setattr(watch, "is_live", lambda _: True)
    api.on(SHOW, Answer(ended(release, "succeeded", "succeeded")))
    shown = CliRunner().invoke(app, ["--api", api.url, "--token", "t", "release", "watch", "webshop/41"]).stdout
    for part in ("webshop/41", "✓", "prod", "succeeded", "http://console/releases/webshop/41"):
        assert part in shown
