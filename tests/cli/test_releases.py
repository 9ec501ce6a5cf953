"""Making, listing, showing and ending releases."""

import json

import pytest
from fakes.api_server import Answer, ApiServer, problem

CREATE = "POST /api/v1/releases"
SHOW = "GET /api/v1/releases/webshop/41"


def test_create_prints_the_id_as_data(api: ApiServer, run, release) -> None:
    """A script reads the id from stdout; the talk goes to stderr."""
    api.on(CREATE, Answer(release, 201))
    result = run("release", "create", "webshop", "--version", "web=142", "--set", "LOG_LEVEL=debug", "--manual", "prod")
    assert (0, "webshop/41\n") == (result.exit_code, result.stdout)
    asked = api.asked(CREATE)[0]
    assert {
        "pipeline": "webshop",
        "versions": {"web": "142"},
        "variables": {"LOG_LEVEL": "debug"},
        "manual_stages": ["prod"],
        "description": "",
    } == asked.json
    assert "Bearer slw_test" == asked.headers["authorization"]


def test_a_lost_answer_is_asked_for_again_under_the_same_key(api: ApiServer, run, release) -> None:
    """Asking again after a failure of the server makes no second release."""
    api.on(CREATE, problem(503, "Unavailable", "starting"), Answer(release, 201))
    assert 0 == run("release", "create", "webshop").exit_code
    keys = [request.headers["idempotency-key"] for request in api.asked(CREATE)]
    assert (2, 1) == (len(keys), len(set(keys)))


def test_a_given_key_is_used(api: ApiServer, run, release) -> None:
    """The caller's own key reaches the API."""
    api.on(CREATE, Answer(release, 201))
    run("release", "create", "webshop", "--idempotency-key", "build-142")
    assert "build-142" == api.asked(CREATE)[0].headers["idempotency-key"]


def test_json_is_the_answer_of_the_api(api: ApiServer, run, release) -> None:
    """With -o json nothing is added to the API's answer, and nothing taken from it."""
    api.on(SHOW, Answer(release))
    assert release == json.loads(run("release", "show", "webshop/41", "-o", "json").stdout)


def test_show_tells_stages_approvals_jobs_and_steps(api: ApiServer, run, release) -> None:
    """A person sees everything that matters about a release on one screen."""
    api.on(SHOW, Answer(release))
    shown = run("release", "show", "webshop/41").stdout
    for part in (
        "web 142",
        "test: succeeded",
        "prod: waiting - approval by ana@example.com",
        "job deploy on local-1: succeeded",
        "webshop/41/test/1/deploy/1/1  Deploy: succeeded",
        "approval webshop/41/prod/1/before: pending - ana@example.com (asked)",
    ):
        assert part in shown


def test_list_names_the_command_for_the_next_page(api: ApiServer, run, release) -> None:
    """The cursor of the next page is talk, not data."""
    api.on("GET /api/v1/releases", Answer({"items": [release], "next_cursor": "abc"}))
    result = run("release", "list", "--pipeline", "webshop", "--limit", "1")
    assert "webshop/41" in result.stdout
    assert "more: slipway release list --cursor abc\n" == result.stderr
    assert {"pipeline": "webshop", "limit": "1"} == api.asked("GET /api/v1/releases")[0].query


def test_cancel_gives_the_reason(api: ApiServer, run) -> None:
    """Why a release was ended goes into its history; what happens now is told."""
    api.on("POST /api/v1/releases/webshop/41/cancel", Answer({"message": "What runs in test is stopped."}))
    result = run("release", "cancel", "webshop/41", "--reason", "wrong")
    assert (0, "What runs in test is stopped.") == (result.exit_code, result.stderr.splitlines()[0])
    assert {"reason": "wrong"} == api.asked("POST /api/v1/releases/webshop/41/cancel")[0].json


def test_variables_are_set_while_a_release_is_under_way(api: ApiServer, run) -> None:
    """Under an id of its own, so that a lost answer changes nothing twice."""
    path = "POST /api/v1/releases/webshop/41/variables"
    api.on(path, Answer({}, 202))
    words = ("release", "set-variables", "webshop/41", "--set", "A=1", "--set", "B=x=y")
    assert 0 == run(*words, "--comment", "leak").exit_code
    body = api.asked(path)[0].json
    assert ({"A": "1", "B": "x=y"}, "leak") == (body["variables"], body["comment"])
    assert body["change_id"]
    assert 2 == run("release", "set-variables", "webshop/41").exit_code
    assert 1 == len(api.requests)


def test_a_service_says_for_whom_it_asks(api: ApiServer, run, release) -> None:
    """That person counts as the requester, too."""
    api.on(CREATE, Answer(release, 201))
    run("release", "create", "webshop", "--requested-for", "dev@example.com")
    assert "dev@example.com" == api.asked(CREATE)[0].json["requested_for"]


def test_deploy_asks_for_the_stage(api: ApiServer, run) -> None:
    """A stage is deployed by hand with a comment."""
    path = "POST /api/v1/releases/webshop/41/stages/prod/deploy"
    api.on(path, Answer({}, 202))
    assert 0 == run("release", "deploy", "webshop/41", "prod", "--comment", "again").exit_code
    assert {"comment": "again"} == api.asked(path)[0].json


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(401, "Unauthorized", "no"), 5),
        (problem(403, "NotAllowed", "needs releaser"), 5),
        (problem(404, "NotFound", "no pipeline webshop"), 2),
        (problem(409, "Conflict", "other body"), 2),
        (problem(422, "VersionMissing", "name the version"), 2),
        (problem(503, "Unavailable", "no database"), 4),
        (Answer(b"<html>hello</html>", headers={"Content-Type": "text/html"}), 4),
        (Answer(None, 302, {"Location": "http://elsewhere/"}), 4),
    ],
)
def test_every_refusal_has_its_exit_code(api: ApiServer, run, answer: Answer, code: int) -> None:
    """Scripts tell misuse, missing rights and an absent server apart; nothing is printed as data."""
    api.on(CREATE, answer)
    result = run("release", "create", "webshop")
    assert (code, "") == (result.exit_code, result.stdout)
    assert result.stderr.startswith("error: ")


@pytest.mark.parametrize("words", [("create", "webshop"), ("deploy", "webshop/41", "prod")], ids=" ".join)
def test_a_patience_that_nobody_needs_is_misuse(api: ApiServer, run, words: tuple[str, ...]) -> None:
    """Who does not wait cannot wait too long; nothing was asked of the server."""
    result = run("release", *words, "--timeout", "10m")
    assert 2 == result.exit_code
    assert "add --wait" in result.stderr
    assert [] == api.requests


def test_a_pair_without_value_is_misuse(run) -> None:
    """A forgotten equals sign is told with an example, before anything is sent."""
    result = run("release", "create", "webshop", "--set", "LOG_LEVEL")
    assert 2 == result.exit_code
    assert "--set LOG_LEVEL=debug" in result.stderr


def test_names_cannot_command_the_terminal(api: ApiServer, run, release) -> None:
    """Escape sequences in what others wrote are not printed."""
    api.on(SHOW, Answer(release | {"name": "x\x1b]0;owned\x07y\x1b[2J", "description": "a\rb\u202ec"}))
    shown = run("release", "show", "webshop/41").stdout
    assert "name:         xy\n" in shown
    assert not {"\x1b", "\r", "\u202e", "\x07"} & set(shown)


@pytest.mark.parametrize("written", ["webshop", "webshop-41", "webshop/x", "webshop/41/prod"])
def test_what_is_no_release_is_answered_with_how_it_is_written(run, written: str) -> None:
    """Nobody is asked; the person sees the right shape."""
    result = run("release", "show", written)
    assert 2 == result.exit_code
    assert "webshop/41" in result.stderr


def test_a_sentence_is_told_once(api: ApiServer, run) -> None:
    """A refusal whose only error is the refusal itself repeats nothing."""
    error = {"message": "must be a status"}
    api.on("GET /api/v1/releases", problem(422, "Flawed", "status: must be a status", [error]))
    assert "error: status: must be a status\n" == run("release", "list", "--status", "x").stderr


def test_for_whom_a_release_was_requested_is_told(api: ApiServer, run, release) -> None:
    """Beside the service that asked, wherever that is named."""
    asked = release | {"requested_by": "service:ci", "requested_for": "dev@example.com"}
    api.on(SHOW, Answer(asked))
    api.on("GET /api/v1/releases", Answer({"items": [asked], "next_cursor": None}))
    assert "service:ci for dev@example.com at " in run("release", "show", "webshop/41").stdout
    assert "service:ci for dev@example.com" in run("release", "list").stdout


def test_that_nobody_had_to_approve_is_said_in_words(api: ApiServer, run, release) -> None:
    """Of an approval that is recorded though nobody is asked; in the list as well."""
    release["deployments"][1]["approvals"][0] |= {"is_automatic": True, "verdict": "approved", "asked": []}
    api.on(SHOW, Answer(release))
    line = "approval webshop/41/prod/1/before: approved - nobody had to approve"
    assert line in [text.strip() for text in run("release", "show", "webshop/41").stdout.splitlines()]
    api.on("GET /api/v1/approvals", Answer({"items": release["deployments"][1]["approvals"], "next_cursor": None}))
    assert "nobody had to approve" in run("approvals", "list", "--all", "--verdict", "any").stdout
