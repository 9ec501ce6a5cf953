"""Printing what steps wrote."""

import json
from pathlib import Path

import pytest
from fakes.api_server import Answer, ApiServer, Request, problem

from cli import logs

RUN = "webshop/41/test/1/deploy/1/1"


def log(content: bytes):
    """A route that serves pieces of a log by offset."""

    def answer(request: Request) -> Answer:
        offset = int(request.query["offset"])
        return Answer(content[offset : offset + 5], headers={"Content-Type": "text/plain"})

    return answer


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect sooner than for people."""
    monkeypatch.setattr(logs, "_LOOK_EVERY_SECONDS", 0.01)


def test_a_step_run_is_printed_piece_by_piece(api: ApiServer, run) -> None:
    """A long log is fetched in pieces; a character cut between two is whole again; colours go in a pipe."""
    api.on(f"GET /api/v1/logs/{RUN}/text", log("grün\x1b[31m rot\x1b[0m\nüü\nend".encode()))
    assert "grün rot\nüü\nend\n" == run("logs", RUN).stdout


def test_raw_is_byte_for_byte(api: ApiServer, run) -> None:
    """--raw prints exactly what the step wrote."""
    content = b"\x1b[2Jx\r\n\xff\x00 no line feed"
    api.on(f"GET /api/v1/logs/{RUN}/text", log(content))
    assert content == run("logs", RUN, "--raw").stdout_bytes


def test_the_last_lines_are_asked_for_alone(api: ApiServer, run) -> None:
    """Of a long log nothing else is fetched; following goes on where they end."""
    answer = Answer(b"two\nthree\n", headers={"Content-Type": "text/plain", "X-Log-Offset": "4"})
    api.on(f"GET /api/v1/logs/{RUN}/text", answer)
    api.on(f"GET /api/v1/logs/{RUN}/follow", events((18, "four\n"), end=True))
    assert "two\nthree\n" == run("logs", RUN, "--tail", "2").stdout
    assert {"from_line": "-2", "lines": "2"} == api.asked(f"GET /api/v1/logs/{RUN}/text")[0].query
    assert "two\nthree\nfour\n" == run("logs", RUN, "--tail", "2", "-f").stdout
    assert "14" == api.asked(f"GET /api/v1/logs/{RUN}/follow")[0].headers["last-event-id"]


def test_colours_end_with_the_log(api: ApiServer, run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands after it on the terminal is not red because a step was."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    api.on(f"GET /api/v1/logs/{RUN}/text", log(b"\x1b[31mred\n"))
    assert "\x1b[31mred\n\x1b[0m" == run("logs", RUN).stdout


@pytest.mark.parametrize(
    ("what", "path"),
    [
        ("webshop/41", "/api/v1/releases/webshop/41/logs.zip"),
        ("webshop/41/prod", "/api/v1/deployments/webshop/41/prod/1/logs.zip"),
        ("webshop/41/prod/3", "/api/v1/deployments/webshop/41/prod/3/logs.zip"),
    ],
)
def test_all_logs_are_saved_as_a_zip(api: ApiServer, run, release, what: str, path: str) -> None:
    """Of a release, of the latest attempt at a stage, or of one attempt; nothing unfinished stays behind."""
    api.on("GET /api/v1/releases/webshop/41", Answer(release))
    api.on(f"GET {path}", Answer(b"PK...", headers={"Content-Type": "application/zip"}))
    assert 0 == run("logs", what, "--zip", "logs.zip").exit_code
    assert ["logs.zip"] == [file.name for file in Path.cwd().iterdir()]
    assert b"PK..." == Path("logs.zip").read_bytes()


def test_a_zip_that_cannot_be_had_leaves_the_old_one(api: ApiServer, run, release) -> None:
    """Refused, or of something that has none."""
    Path("logs.zip").write_bytes(b"old")
    api.on("GET /api/v1/releases/webshop/41", Answer(release))
    codes = [run("logs", what, "--zip", "logs.zip").exit_code for what in ("webshop/9", RUN, "webshop/41/prd")]
    assert ([2, 2, 2], b"old") == (codes, Path("logs.zip").read_bytes())
    assert 2 == run("logs", "webshop/9", "--zip", "no/such/folder.zip").exit_code


def test_a_release_is_printed_in_the_order_it_ran(api: ApiServer, run, release) -> None:
    """Each step has a heading on stderr, so stdout holds logs alone."""
    api.on("GET /api/v1/releases/webshop/41", Answer(release))
    api.on("GET /api/v1/logs/webshop/41/test/1/deploy/0/1/text", log(b"got\n"))
    api.on(f"GET /api/v1/logs/{RUN}/text", log(b"hello\n"))
    result = run("logs", "webshop/41")
    assert "got\nhello\n" == result.stdout
    assert f"==> {RUN}  Deploy: succeeded" in result.stderr


def test_a_part_of_a_release(api: ApiServer, run, release) -> None:
    """A stage without logs says so instead of printing nothing."""
    api.on("GET /api/v1/releases/webshop/41", Answer(release))
    result = run("logs", "webshop/41/prod")
    assert ("", "nothing was printed yet under webshop/41/prod\n") == (result.stdout, result.stderr)


def events(*pieces: tuple[int, str], end: bool) -> Answer:
    lines = [f"id: {at}\ndata: {json.dumps(text)}\n\n" for at, text in pieces]
    content = ": keep-alive\n\n" + "".join(lines) + ("event: end\ndata: {}\n\n" if end else "")
    return Answer(content.encode(), headers={"Content-Type": "text/event-stream"})


def test_following_goes_on_after_a_broken_connection(api: ApiServer, run) -> None:
    """It re-joins at the byte where it was, and ends when the step does."""
    path = f"GET /api/v1/logs/{RUN}/follow"
    api.on(path, events((3, "one"), (5, "\nt"), end=False), events((8, "wo\n"), end=True))
    result = run("logs", RUN, "-f")
    assert (0, "one\ntwo\n") == (result.exit_code, result.stdout)
    assert ["0", "5"] == [request.headers["last-event-id"] for request in api.asked(path)]


def test_following_a_release_ends_with_it(api: ApiServer, run, release) -> None:
    """Steps that start later are printed too; the end of the release is the end of the command."""
    deployment = release["deployments"][0]
    early = release | {"deployments": [deployment | {"jobs": []}]}
    api.on("GET /api/v1/releases/webshop/41", Answer(early), Answer(release), Answer(release | {"status": "succeeded"}))
    api.on("GET /api/v1/logs/webshop/41/test/1/deploy/0/1/text", log(b"got\n"))
    api.on(f"GET /api/v1/logs/{RUN}/text", log(b"hello\n"))
    assert "got\nhello\n" == run("logs", "webshop/41", "--follow").stdout


def test_following_bridges_a_restart_of_the_api(api: ApiServer, run, release) -> None:
    """A server that is away for a moment is waited for; printing once, it is told at once."""
    path = "GET /api/v1/releases/webshop/41"
    away, over = problem(503, "Unavailable", "starting"), Answer(release | {"deployments": [], "status": "succeeded"})
    api.on(path, away, away, over)
    assert 0 == run("logs", "webshop/41", "-f").exit_code
    api.on(path, away, over)
    assert 4 == run("logs", "webshop/41").exit_code


def test_half_an_id_is_misuse(run) -> None:
    """A pipeline alone names no release."""
    assert 2 == run("logs", "webshop").exit_code


def test_a_stage_that_is_not_there_is_misuse(api: ApiServer, run, release) -> None:
    """Nothing printed yet is another thing than nothing that could ever print; the stages are named."""
    api.on("GET /api/v1/releases/webshop/41", Answer(release | {"deployments": []}))
    assert 0 == run("logs", "webshop/41/prod").exit_code
    result = run("logs", "webshop/41/prd")
    assert 2 == result.exit_code
    assert "has no stage prd\nhint: its stages: test" in result.stderr


def test_the_logs_of_a_release_are_kept_for_ever(api: ApiServer, run) -> None:
    """And let go again."""
    path = "/api/v1/releases/webshop/41/retain"
    api.on(f"PUT {path}", Answer({"id": "webshop/41", "kept_by": "rita@example.com"}))
    api.on(f"DELETE {path}", Answer({"id": "webshop/41", "kept_by": None}))
    assert "the logs of webshop/41 are kept for ever\n" == run("release", "keep", "webshop/41").stderr
    assert "no longer" in run("release", "keep", "webshop/41", "--no-longer").stderr
    assert [1, 1] == [len(api.asked(f"{method} {path}")) for method in ("PUT", "DELETE")]
