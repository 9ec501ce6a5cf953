"""What people are asked about steps on the command line, and how they decide."""

import json
from typing import Any

import pytest
from fakes.api_server import Answer, ApiServer, problem

RUN = "webshop/41/test/1/deploy/1/1"
LIST, DECIDE = "GET /api/v1/interventions", f"POST /api/v1/step-runs/{RUN}/decision"
OPEN = {
    "cause": "failed step",
    "text": "Deploy failed: exit code 1\x1b[31m",
    "options": ["retry", "skip", "fail"],
    "expires_at": "2026-11-23T10:00:32Z",
    "is_open": True,
}


def receipt(kind: str, *, stands: bool, status: int = 200) -> Answer:
    return Answer({"decision_id": "d", "kind": kind, "message": f"It was {kind}.", "stands": stands}, status)


@pytest.fixture
def asked(api: ApiServer, release) -> dict[str, Any]:
    """The step about which people are asked."""
    step = release["deployments"][0]["jobs"][0]["steps"][1]
    step |= {"status": "failed", "exit_code": 1, "intervention": dict(OPEN)}
    api.on("GET /api/v1/releases/webshop/41", Answer(release))
    api.on(LIST, Answer([{"run_id": RUN, "title": "Deploy", "deployment": "webshop/41/test/1", "intervention": OPEN}]))
    api.on(DECIDE, receipt("counted", stands=True))
    return step


@pytest.mark.usefixtures("asked")
def test_what_is_asked_is_listed(run) -> None:
    """With the choices, and as the API's own answer; what steps printed commands no terminal."""
    shown = run("interventions")
    for part in (RUN, "Deploy failed: exit code 1", "retry, skip, fail"):
        assert part in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "slipway decide RUN DECISION" in shown.stderr
    assert RUN == json.loads(run("interventions", "-o", "json").stdout)[0]["run_id"]


def test_where_nothing_is_asked_the_list_says_so(api: ApiServer, run) -> None:
    """On stderr; there are no data."""
    api.on(LIST, Answer([]))
    result = run("interventions")
    assert ("", "nobody is asked about a step\n") == (result.stdout, result.stderr)


@pytest.mark.usefixtures("asked")
def test_a_decision_is_sent_with_its_comment(api: ApiServer, run) -> None:
    """Each under an id of its own; the receipt is printed."""
    result = run("decide", RUN, "retry", "--comment", "the disk is free again")
    assert (0, "It was counted.\n") == (result.exit_code, result.stdout)
    run("decide", RUN, "it_ran")
    first, second = (request.json for request in api.asked(DECIDE))
    assert ("retry", "the disk is free again", "it_ran") == (first["remedy"], first["comment"], second["remedy"])
    assert first["decision_id"] != second["decision_id"]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (receipt("already counted", stands=True), 0),
        (receipt("stored", stands=False, status=202), 0),
        (receipt("already decided", stands=False), 2),
        (receipt("not an option", stands=False), 2),
        (receipt("not open", stands=False), 2),
        (problem(403, "Forbidden", "deciding needs the role releaser"), 5),
        (problem(404, "Not Found", "nobody is asked"), 2),
    ],
    ids=["already-counted", "stored", "already-decided", "not-an-option", "not-open", "forbidden", "nobody-asked"],
)
def test_a_decision_that_did_not_count_does_not_look_like_one(api: ApiServer, run, answer: Answer, code: int) -> None:
    """The exit code says whether it counts."""
    api.on(DECIDE, answer)
    assert code == run("decide", RUN, "retry").exit_code


@pytest.mark.usefixtures("asked")
def test_a_terminal_is_asked_before_it_is_decided(api: ApiServer, run, monkeypatch) -> None:
    """It shows the step, the question and where its log is; no means nothing is sent."""
    monkeypatch.setattr("cli.interventions.is_asked", lambda: True)
    result = run("decide", RUN, "skip", typed="n\n")
    assert (130, []) == (result.exit_code, api.asked(DECIDE))
    for part in ("Deploy failed: exit code 1", "web 142", "rita@example.com", f"slipway logs {RUN}"):
        assert part in result.stdout
    assert "skip: go on without it?" in result.stderr
    assert 0 == run("decide", RUN, "skip", typed="y\n").exit_code
    assert 0 == run("decide", RUN, "skip", "--yes").exit_code
    assert 2 == len(api.asked(DECIDE))


def test_a_terminal_hears_that_nothing_is_asked_before_it_confirms(api: ApiServer, run, asked, monkeypatch) -> None:
    """And where to look."""
    monkeypatch.setattr("cli.interventions.is_asked", lambda: True)
    asked["intervention"] = None
    result = run("decide", RUN, "retry", typed="y\n")
    assert (2, []) == (result.exit_code, api.asked(DECIDE))
    assert "slipway interventions" in result.stderr


@pytest.mark.parametrize(("written", "remedy"), [("webshop/41", "retry"), (RUN, "explode")], ids=["run", "remedy"])
def test_a_slip_of_the_hand_is_misuse(api: ApiServer, run, written: str, remedy: str) -> None:
    """Told before anybody is asked."""
    result = run("decide", written, remedy)
    assert (2, []) == (result.exit_code, api.requests)


def test_a_release_shows_the_open_question_and_what_decides_it(run, asked) -> None:
    """Once it is decided, by whom and how."""
    shown = run("release", "show", "webshop/41").stdout
    assert f"decide: slipway decide {RUN} retry|skip|fail" in shown
    assert "Deploy failed: exit code 1" in shown
    asked["intervention"] |= {"is_open": False, "options": [], "text": "ana decided: go on without it."}
    shown = run("release", "show", "webshop/41").stdout
    assert "ana decided: go on without it." in shown
    assert "slipway decide" not in shown
