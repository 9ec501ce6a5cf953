"""Approving and rejecting on the command line."""

import pytest
from fakes.api_server import Answer, ApiServer

ID = "webshop/41/prod/1/before"
VOTE = f"POST /api/v1/approvals/{ID}/votes"


@pytest.fixture
def approval(api: ApiServer, release):
    """The open approval, which counts votes."""
    found = release["deployments"][1]["approvals"][0]
    api.on(f"GET /api/v1/approvals/{ID}", Answer(found))
    api.on("GET /api/v1/releases/webshop/41", Answer(release))
    api.on(VOTE, receipt("counted", "approved", counted=True))
    return found


def receipt(kind: str, verdict: str, *, counted: bool, status: int = 200) -> Answer:
    body = {"vote_id": "v", "kind": kind, "message": f"It was {kind}.", "verdict": verdict, "counted": counted}
    return Answer(body, status)


def test_a_vote_binds_to_the_plan_that_was_shown(api: ApiServer, run, approval) -> None:
    """The digest of the approval goes back with the vote; the receipt is printed."""
    result = run("approve", ID, "--comment", "tested")
    assert (0, "It was counted.\n") == (result.exit_code, result.stdout)
    vote = api.asked(VOTE)[0].json
    assert ("approve", "tested", approval["digest"]) == (vote["choice"], vote["comment"], vote["digest"])


@pytest.mark.usefixtures("approval")
def test_reject_says_so(api: ApiServer, run) -> None:
    """The choice is the command's name."""
    api.on(VOTE, receipt("counted", "rejected", counted=True))
    assert 0 == run("reject", ID).exit_code
    assert "reject" == api.asked(VOTE)[0].json["choice"]


@pytest.mark.usefixtures("approval")
@pytest.mark.parametrize(
    ("kind", "verdict", "counted", "code"),
    [
        ("already counted", "approved", True, 0),
        ("stored", "pending", False, 0),
        ("already decided", "approved", False, 0),
        ("already decided", "rejected", False, 3),
        ("already decided", "expired", False, 3),
        ("not an approver", "pending", False, 5),
        ("requester may not approve", "pending", False, 5),
        ("plan changed", "pending", False, 2),
    ],
)
def test_a_vote_that_did_not_count_does_not_look_like_one(
    api: ApiServer,
    run,
    kind: str,
    verdict: str,
    counted: bool,  # noqa: FBT001  a table column
    code: int,
) -> None:
    """The exit code says whether what was wanted is so."""
    api.on(VOTE, receipt(kind, verdict, counted=counted))
    assert code == run("approve", ID).exit_code


@pytest.mark.usefixtures("approval")
def test_a_terminal_is_asked_first(api: ApiServer, run, monkeypatch) -> None:
    """On a terminal it shows what is approved, and no means nothing is sent."""
    monkeypatch.setattr("cli.approvals.is_asked", lambda: True)
    result = run("approve", ID, typed="n\n")
    assert (130, []) == (result.exit_code, api.asked(VOTE))
    assert "Is the team informed?" in result.stdout
    assert 0 == run("approve", ID, typed="y\n").exit_code
    assert 1 == len(api.asked(VOTE))


def test_the_inbox_lists_mine(api: ApiServer, run, approval) -> None:
    """`slipway approvals` lists what waits for the caller, `--all` what waits at all."""
    api.on("GET /api/v1/approvals", Answer({"items": [approval], "next_cursor": None}))
    assert ID in run("approvals").stdout
    run("approvals", "--all")
    mine, everything = api.asked("GET /api/v1/approvals")
    assert ({"verdict": "pending", "mine": "true"}, {"verdict": "pending"}) == (mine.query, everything.query)


def test_an_empty_inbox_says_so(api: ApiServer, run) -> None:
    """Nothing to do is told on stderr; there are no data."""
    api.on("GET /api/v1/approvals", Answer({"items": [], "next_cursor": None}))
    result = run("approvals")
    assert ("", "nothing waits for you\n") == (result.stdout, result.stderr)


def test_what_is_no_approval_is_answered_with_how_it_is_written(run) -> None:
    """A deployment has two approvals at most, and a person must say which."""
    result = run("approve", "webshop/41/prod")
    assert 2 == result.exit_code
    assert "webshop/41/prod/1/before" in result.stderr
