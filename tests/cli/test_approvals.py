"""Approvals on the command line: the inbox, one approval, and what is done to it besides answering."""

import json

import pytest
from fakes.api_server import Answer, ApiServer, problem

ID = "webshop/41/prod/1/before"
LIST = "GET /api/v1/approvals"


def receipt(kind: str = "done", verdict: str = "pending", *, stands: bool = True, status: int = 200) -> Answer:
    body = {"action_id": "a", "kind": kind, "message": f"It was {kind}.", "verdict": verdict, "stands": stands}
    return Answer(body, status)


@pytest.fixture
def approval(api: ApiServer, release):
    """The open approval."""
    found = release["deployments"][1]["approvals"][0]
    api.on(f"GET /api/v1/approvals/{ID}", Answer(found))
    api.on("GET /api/v1/releases/webshop/41", Answer(release))
    api.on(LIST, Answer({"items": [found], "next_cursor": None}))
    return found


@pytest.mark.usefixtures("approval")
def test_the_inbox_lists_mine(api: ApiServer, run) -> None:
    """`slipway approvals` lists what waits for the caller, `--all` what waits at all."""
    assert ID in run("approvals").stdout
    assert ID in run("approvals", "list", "--all").stdout
    mine, everything = api.asked(LIST)
    pending = {"verdict": "pending", "limit": "50"}
    assert (pending | {"mine": "true"}, pending) == (mine.query, everything.query)


@pytest.mark.usefixtures("approval")
def test_the_list_is_narrowed_by_the_api(api: ApiServer, run) -> None:
    """Every filter is passed on; a group may be written as in a policy."""
    expected = {"pipeline": "webshop", "stage": "prod", "group": "ops", "verdict": "any", "mine": "true", "limit": "50"}
    for group in ("ops", "group:ops"):
        run("approvals", "list", "--pipeline", "webshop", "--stage", "prod", "--group", group, "--verdict", "any")
        assert expected == api.asked(LIST)[-1].query


def test_a_long_list_says_how_to_go_on(api: ApiServer, run, approval) -> None:
    """The cursor is talk, not data."""
    api.on(LIST, Answer({"items": [approval], "next_cursor": "MDAx"}))
    result = run("approvals")
    assert "--cursor MDAx" in result.stderr
    assert "MDAx" not in result.stdout


def test_an_empty_inbox_says_so(api: ApiServer, run) -> None:
    """Nothing to do is told on stderr; there are no data."""
    api.on(LIST, Answer({"items": [], "next_cursor": None}))
    result = run("approvals")
    assert ("", "nothing waits for you\n") == (result.stdout, result.stderr)
    assert "no such approvals\n" == run("approvals", "list", "--verdict", "expired").stderr


def test_an_approval_is_shown_with_people_mails_and_history(api: ApiServer, run, approval) -> None:
    """Who could not be reached stands beside the approver; what others wrote commands no terminal."""
    approval["asked"][0] |= {"deputies": ["dee@example.com"], "instead_of": "ben@example.com"}
    approval["asked"][0]["mails"][0] |= {"status": "bounced", "error": "no such user\x1b[31m"}
    approval["history"] = [{"at": "2026-11-20T10:00:40Z", "by": "", "text": "no mail reaches ana@example.com"}]
    approval |= {"proof": "login", "comment_required": True}
    api.on(f"GET /api/v1/approvals/{ID}", Answer(approval))
    shown = run("approvals", "show", ID).stdout
    for part in (
        "0 of 1 approvals given",
        "login and a comment",
        "ana@example.com or dee@example.com (asked), instead of ben@example.com",
        "approval wanted to ana@example.com bounced: no such user",
        "no mail reaches ana@example.com",
    ):
        assert part in shown
    assert "\x1b" not in shown
    assert approval == json.loads(run("approvals", "show", ID, "-o", "json").stdout)


def test_an_answer_is_withdrawn(api: ApiServer, run) -> None:
    """The API finds the caller's own vote."""
    api.on(f"POST /api/v1/approvals/{ID}/withdrawals", receipt())
    result = run("approvals", "withdraw", ID, "--comment", "found a bug")
    assert (0, "It was done.\n") == (result.exit_code, result.stdout)
    body = api.asked(f"POST /api/v1/approvals/{ID}/withdrawals")[0].json
    assert ("found a bug", {"comment", "action_id"}) == (body["comment"], set(body))


def test_somebody_else_is_asked_instead(api: ApiServer, run) -> None:
    """In the caller's own place, or in the one that is named."""
    api.on(f"POST /api/v1/approvals/{ID}/reassignments", receipt())
    assert 0 == run("approvals", "reassign", ID, "--to", "ben@example.com").exit_code
    assert 0 == run("approvals", "reassign", ID, "--to", "group:night", "--from-approver", "group:ops").exit_code
    mine, theirs = (request.json for request in api.asked(f"POST /api/v1/approvals/{ID}/reassignments"))
    assert ("ben@example.com", None) == (mine["to"], mine.get("approver"))
    assert ("group:night", "group:ops") == (theirs["to"], theirs["approver"])


@pytest.mark.parametrize(
    ("option", "choice", "verdict"), [("--approve", "approve", "approved"), ("--reject", "reject", "rejected")]
)
def test_a_manager_decides_with_a_reason(api: ApiServer, run, approval, option: str, choice: str, verdict: str) -> None:
    """For the plan that the approval shows at that moment."""
    api.on(f"POST /api/v1/approvals/{ID}/overrides", receipt(verdict=verdict))
    assert 0 == run("approvals", "override", ID, option, "--reason", "all are ill").exit_code
    body = api.asked(f"POST /api/v1/approvals/{ID}/overrides")[0].json
    assert (choice, "all are ill", approval["digest"]) == (body["choice"], body["comment"], body["digest"])


@pytest.mark.usefixtures("approval")
def test_an_override_needs_a_decision_and_a_reason(api: ApiServer, run) -> None:
    """Nothing is decided by default."""
    assert 2 == run("approvals", "override", ID, "--reason", "x").exit_code
    assert 2 == run("approvals", "override", ID, "--approve").exit_code
    assert [] == api.requests


@pytest.mark.usefixtures("approval")
def test_an_override_is_asked_about_on_a_terminal(api: ApiServer, run, monkeypatch) -> None:
    """And no means nothing is sent."""
    monkeypatch.setattr("cli.approvals.is_asked", lambda: True)
    result = run("approvals", "override", ID, "--approve", "--reason", "x", typed="n\n")
    assert (130, []) == (result.exit_code, api.asked(f"POST /api/v1/approvals/{ID}/overrides"))
    assert "Is the team informed?" in result.stdout


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (receipt("already done"), 0),
        (receipt("stored", stands=False, status=202), 0),
        (receipt("not allowed", stands=False), 5),
        (receipt("requester may not approve", stands=False), 5),
        (receipt("proof too weak", stands=False), 5),
        (receipt("nothing to withdraw", stands=False), 2),
        (receipt("already decided", "expired", stands=False), 3),
        (receipt("already decided", "approved", stands=False), 2),
        (problem(403, "NotAllowed", "no"), 5),
        (problem(503, "TemporalUnavailable", "away"), 4),
    ],
)
def test_what_was_not_done_does_not_look_as_if_it_was(api: ApiServer, run, answer: Answer, code: int) -> None:
    """The exit code says whether what was wanted is so."""
    api.on(f"POST /api/v1/approvals/{ID}/withdrawals", answer)
    assert code == run("approvals", "withdraw", ID).exit_code


def test_what_is_no_approval_is_answered_with_how_it_is_written(run) -> None:
    """A deployment has two approvals at most, and a person must say which."""
    for command in (["approve"], ["reject"], ["approvals", "show"], ["approvals", "withdraw"]):
        result = run(*command, "webshop/41/prod")
        assert 2 == result.exit_code
        assert "webshop/41/prod/1/before" in result.stderr
