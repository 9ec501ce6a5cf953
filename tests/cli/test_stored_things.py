"""Pipelines, secrets, connections, groups, tokens, agents, mails: the commands that store and list."""

import json
import stat
from pathlib import Path

import pytest
from fakes.api_server import Answer, ApiServer, problem


def test_apply_sends_the_file_as_written(api: ApiServer, run, tmp_path: Path) -> None:
    """The text of the author reaches the API byte for byte."""
    file = tmp_path / "p.yaml"
    file.write_bytes(b"pipeline: webshop # comment\n")
    api.on("POST /api/v1/pipelines", Answer({"pipeline": "webshop", "revision": 3}, 201))
    assert "webshop: stored as revision 3\n" == run("pipeline", "apply", str(file)).stdout
    sent = api.asked("POST /api/v1/pipelines")[0]
    assert str(file) == sent.query["file"]
    assert (file.read_bytes(), "application/yaml") == (sent.body, sent.headers["content-type"])


def test_apply_tells_every_error_with_its_place(api: ApiServer, run, tmp_path: Path) -> None:
    """All that is wrong is listed, each with line, column, path and suggestion."""
    (tmp_path / "p.yaml").write_text("x")
    error = {"line": 3, "column": 5, "path": "stages[0].job", "message": "unknown key", "suggestion": "jobs"}
    api.on("POST /api/v1/pipelines", problem(422, "BrokenPipeline", "1 problem", [error]))
    result = run("pipeline", "apply", str(tmp_path / "p.yaml"))
    assert 2 == result.exit_code
    assert "error: 1 problem\n  3:5 stages[0].job: unknown key (did you mean jobs?)\n" == result.stderr


def test_a_missing_file_is_misuse(run) -> None:
    """A file that cannot be read is named."""
    result = run("pipeline", "apply", "nowhere.yaml")
    assert 2 == result.exit_code
    assert "nowhere.yaml" in result.stderr


def test_show_prints_the_text(api: ApiServer, run) -> None:
    """The author's text comes out as data."""
    answer = {
        "pipeline": "webshop",
        "revision": 2,
        "author": "a",
        "created_at": "2026-11-20T10:00:00Z",
        "text": "a: 1\n",
    }
    api.on("GET /api/v1/pipelines/webshop/revisions/2", Answer(answer))
    assert "a: 1\n" == run("pipeline", "show", "webshop", "--revision", "2").stdout


def test_a_secret_is_read_from_standard_input(api: ApiServer, run) -> None:
    """Never from an option, where other users of the machine could read it."""
    api.on("PUT /api/v1/secrets/webshop/db", Answer(None, 200))
    assert 0 == run("secret", "set", "webshop/db", typed="s3cret\n").exit_code
    assert {"value": "s3cret"} == api.asked("PUT /api/v1/secrets/webshop/db")[0].json


def test_an_empty_secret_is_misuse(api: ApiServer, run) -> None:
    """Nothing on standard input is a forgotten pipe, not an empty secret."""
    assert 2 == run("secret", "set", "webshop/db", typed="").exit_code
    assert [] == api.requests


def test_a_connection_is_stored_with_its_token(api: ApiServer, run) -> None:
    """Kind and address are options, the token is not."""
    api.on("PUT /api/v1/connections/ci", Answer({}))
    run("connection", "set", "ci", "--kind", "jenkins", "--url", "https://j", "--user", "bot", typed="t0ken\n")
    sent = {"kind": "jenkins", "url": "https://j", "user": "bot", "token": "t0ken", "ca": None}
    assert sent == api.asked("PUT /api/v1/connections/ci")[0].json


@pytest.mark.parametrize("kind", ["github", "s3", "azure-blob", "gcs"])
def test_a_connection_to_what_is_public_needs_no_token(api: ApiServer, run, kind: str) -> None:
    """Nothing is read then."""
    api.on("PUT /api/v1/connections/store", Answer({}))
    run("connection", "set", "store", "--kind", kind, "--url", "https://s", "--anonymous", typed="")
    sent = {"kind": kind, "url": "https://s", "user": "", "token": "", "ca": None}
    assert sent == api.asked("PUT /api/v1/connections/store")[0].json


def test_a_group_is_stored_with_its_members(api: ApiServer, run) -> None:
    """Members are arguments."""
    api.on("PUT /api/v1/groups/ops", Answer({}))
    run("group", "set", "ops", "a@x", "b@x")
    assert {"members": ["a@x", "b@x"]} == api.asked("PUT /api/v1/groups/ops")[0].json


def test_a_group_is_forgotten(api: ApiServer, run) -> None:
    """Unless pipelines name it, which the API tells."""
    told = "group ops is named by pipeline webshop; take it out there first"
    api.on("DELETE /api/v1/groups/night-shift", Answer(None, 204))
    api.on("DELETE /api/v1/groups/ops", problem(409, "GroupInUse", told))
    assert "group night-shift is forgotten\n" == run("group", "delete", "night-shift").stderr
    result = run("group", "delete", "ops")
    assert (2, f"error: {told}\n") == (result.exit_code, result.stderr)


def test_a_new_token_is_the_only_data(api: ApiServer, run) -> None:
    """`TOKEN=$(slipway token create ...)` works."""
    api.on("POST /api/v1/tokens", Answer({"id": "7", "value": "slw_new", "subject": "ci@x", "owner": None}, 201))
    result = run("token", "create", "--subject", "ci@x", "--role", "releaser", "--days", "30")
    assert "slw_new\n" == result.stdout
    assert "token 7 of ci@x, releaser; it will not be shown again\n" == result.stderr
    assert {"name": "ci@x", "subject": "ci@x", "role": "releaser", "days": 30} == api.asked("POST /api/v1/tokens")[
        0
    ].json


def test_a_token_is_revoked_by_its_id(api: ApiServer, run) -> None:
    """As the list has it. A value that is given instead is refused before it is sent, and not repeated."""
    name = "5f0c2d9e8b7a4c31a6e09d4f7b12c853"
    api.on(f"DELETE /api/v1/tokens/{name}", Answer(None, 204))
    assert f"token {name} is revoked\n" == run("token", "revoke", name).stderr
    for wrong in ("7", "slw_s3cret"):
        result = run("token", "revoke", wrong)
        assert (2, True) == (result.exit_code, "slipway token list" in result.stderr)
        assert "s3cret" not in result.stderr
    assert 1 == len(api.requests)


def test_a_services_token_has_an_owner(api: ApiServer, run) -> None:
    """Who answers for it is said with it, and listed with it."""
    token = {"id": "7", "name": "ci", "subject": "service:ci", "owner": "ana@x", "role": "release-manager"}
    api.on("POST /api/v1/tokens", Answer(token | {"value": "slw_new"}, 201))
    result = run("token", "create", "--service", "ci", "--owner", "ana@x", "--role", "release-manager")
    assert "token 7 of service:ci, owned by ana@x, release-manager" in result.stderr
    sent = {"name": "ci", "service": "ci", "owner": "ana@x", "role": "release-manager", "days": 90}
    assert sent == api.asked("POST /api/v1/tokens")[0].json
    times = {"expires_at": "2026-11-20T10:00:00Z", "last_used_at": None}
    api.on("GET /api/v1/tokens", Answer([token | times]))
    assert "service:ci, owned by ana@x" in run("token", "list").stdout


@pytest.mark.parametrize(
    "whose",
    [
        [],
        ["--subject", "ana@x", "--service", "ci", "--owner", "ana@x"],
        ["--service", "ci"],
        ["--subject", "ana@x", "--owner", "bo@x"],
    ],
    ids=["nobody's", "two's", "no owner", "an owner too many"],
)
def test_a_token_is_somebodys(api: ApiServer, run, whose: list[str]) -> None:
    """Of one person, or of a service that somebody answers for; anything else is misuse."""
    result = run("token", "create", "--role", "releaser", *whose)
    assert (2, []) == (result.exit_code, api.requests)
    assert "--service NAME with --owner MAIL" in " ".join(result.stderr.replace("│", " ").split())


def test_a_person_is_stored_with_all_aliases(api: ApiServer, run) -> None:
    """What the API made of them is said."""
    kept = {"address": "ana@x", "name": "Ana", "aliases": ["a@x", "b@x"]}
    api.on("PUT /api/v1/people/Ana@x", Answer(kept))
    result = run("people", "set", "Ana@x", "--name", "Ana", "--alias", "a@x", "--alias", "b@x")
    assert "ana@x is a person, with a@x, b@x\n" == result.stderr
    assert {"name": "Ana", "aliases": ["a@x", "b@x"]} == api.asked("PUT /api/v1/people/Ana@x")[0].json


def test_people_are_listed_with_their_aliases(api: ApiServer, run) -> None:
    """One a line."""
    people = [{"address": "ana@x", "name": "Ana", "aliases": ["a@x", "b@x"]}]
    api.on("GET /api/v1/people", Answer(people))
    assert "ana@x    Ana   a@x, b@x" == run("people", "list").stdout.splitlines()[1]
    assert people == json.loads(run("people", "list", "--output", "json").stdout)


def test_a_person_is_forgotten(api: ApiServer, run) -> None:
    """By the address they are kept under; an unknown one is told."""
    api.on("DELETE /api/v1/people/ana@x", Answer(None, 204))
    api.on("DELETE /api/v1/people/bo@x", problem(404, "NoSuchPerson", "nobody is entered under the address bo@x"))
    assert 0 == run("people", "remove", "ana@x").exit_code
    result = run("people", "remove", "bo@x")
    assert 0 != result.exit_code
    assert "nobody is entered under the address bo@x" in result.stderr


def test_an_enrolment_token_is_the_only_data(api: ApiServer, run) -> None:
    """It goes straight into the environment of the agent."""
    answer = {"token": "enrol-me", "expires_at": "2026-11-20T10:00:00Z"}
    api.on("POST /api/v1/agents/enrolment-tokens", Answer(answer, 201))
    assert "enrol-me\n" == run("agent-token", "create", "--pool", "web").stdout


def test_agents_are_listed_with_what_they_can_do(api: ApiServer, run) -> None:
    """Present capabilities by name, others with their value."""
    agent = {"name": "a1", "pool": "default", "is_online": True, "busy": 1, "slots": 4}
    api.on("GET /api/v1/agents", Answer([agent | {"capabilities": {"os": "linux", "web": ""}}]))
    assert "a1     default  online  1 of 4  os=linux web" == run("agents").stdout.splitlines()[1]


def test_an_agent_that_takes_no_jobs_says_why(api: ApiServer, run) -> None:
    """With its clock, and what it runs; beside the table, which stays one line an agent."""
    agent = {"name": "a1", "pool": "default", "is_online": True, "busy": 1, "slots": 4, "capabilities": {}}
    more = {"status": "maintenance", "closed_because": "is under maintenance: disk swap"}
    jobs = [{"id": "webshop/41/prod/1/deploy", "console": "https://slipway.example.com/releases/webshop/41#stage-prod"}]
    clock = {"clock_warning": "its clock is 3 min ahead"}
    api.on("GET /api/v1/agents", Answer([agent | more | clock | {"jobs": jobs}]))
    result = run("agents", "--find", "os=linux")
    assert {"q": "os=linux"} == api.asked("GET /api/v1/agents")[0].query
    assert "maintenance" in result.stdout.splitlines()[1]
    assert [
        "a1: takes no new jobs: it is under maintenance: disk swap",
        "a1: its clock is 3 min ahead",
        "a1: runs webshop/41/prod/1/deploy: https://slipway.example.com/releases/webshop/41#stage-prod",
    ] == result.stderr.splitlines()


@pytest.mark.parametrize(
    ("words", "call", "body"),
    [
        (["label", "a1", "gpu", "region=eu"], "PUT /api/v1/agents/a1/labels", {"labels": {"gpu": "", "region": "eu"}}),
        (["label", "a1", "--none"], "PUT /api/v1/agents/a1/labels", {"labels": {}}),
        (
            ["maintain", "a1", "--reason", "disk"],
            "PUT /api/v1/agents/a1/maintenance",
            {"on": True, "reason": "disk"},
        ),
        (["maintain", "a1", "--end"], "PUT /api/v1/agents/a1/maintenance", {"on": False, "reason": ""}),
        (["slots", "a1", "4"], "PUT /api/v1/agents/a1/slots", {"slots": 4}),
        (["slots", "a1", "own"], "PUT /api/v1/agents/a1/slots", {"slots": None}),
        (["approve", "a1"], "POST /api/v1/agents/a1/approval", None),
        (["remove", "a1"], "DELETE /api/v1/agents/a1", None),
    ],
)
def test_an_admin_cares_for_agents(api: ApiServer, run, words: list[str], call: str, body: object) -> None:
    """Each command is one call."""
    api.on(call, Answer({"labels": {"gpu": ""}, "slots": 4}))
    assert 0 == run("agents", *words).exit_code
    assert [body] == [request.json if request.body else None for request in api.asked(call)]


@pytest.mark.parametrize("words", [["label", "a1"], ["label", "a1", "gpu", "--none"], ["slots", "a1", "many"]])
def test_what_could_be_meant_otherwise_is_asked_for(api: ApiServer, run, words: list[str]) -> None:
    """Nothing is sent."""
    assert 2 == run("agents", *words).exit_code
    assert [] == api.requests


def test_a_mail_is_read_in_the_terminal(api: ApiServer, run) -> None:
    """Its text part, without escape sequences."""
    mail = {
        "id": 3,
        "to": "ana@x",
        "subject": "s",
        "sent_at": "2026-11-20T10:00:00Z",
        "text": "go\x1b[2J to\nlink",
        "html": "",
    }
    api.on("GET /api/v1/outbox/3", Answer(mail))
    assert run("outbox", "3").stdout.endswith("\n\ngo to\nlink\n")


def test_login_keeps_a_token_that_works(api: ApiServer, run) -> None:
    """The token is checked first, then kept for its owner only."""
    api.on("GET /api/v1/me", Answer({"subject": "ana@x", "role": "approver"}))
    result = run("login", api.url, typed="slw_mine\n")
    assert "you are ana@x, approver" in result.stderr
    assert "Bearer slw_mine" == api.asked("GET /api/v1/me")[0].headers["authorization"]
    file = Path.home() / ".config" / "slipway" / "config.json"
    assert {api.url: {"token": "slw_mine"}} == json.loads(file.read_text())["servers"]
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


def test_login_keeps_nothing_that_does_not_work(api: ApiServer, run) -> None:
    """A wrong token is refused with 5 and forgotten."""
    api.on("GET /api/v1/me", problem(401, "Unauthorized", "no"))
    assert 5 == run("login", api.url, typed="wrong\n").exit_code
    assert not (Path.home() / ".config").exists()
