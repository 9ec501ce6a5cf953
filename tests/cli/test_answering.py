"""Approving and rejecting on the command line."""

from datetime import UTC, datetime

import pytest
from fakes.api_server import Answer, ApiServer, Request

ID, OTHER = "webshop/41/prod/1/before", "webshop/41/test/1/after"
VOTE, VOTES = f"POST /api/v1/approvals/{ID}/votes", "POST /api/v1/approvals/votes"


def receipt(kind: str, verdict: str, *, stands: bool) -> dict[str, object]:
    return {"action_id": "v", "kind": kind, "message": f"It was {kind}.", "verdict": verdict, "stands": stands}


COUNTED = receipt("counted", "approved", stands=True)


@pytest.fixture
def approval(api: ApiServer, release):
    """The open approval, which counts votes."""
    found = release["deployments"][1]["approvals"][0]
    api.on(f"GET /api/v1/approvals/{ID}", Answer(found))
    api.on(f"GET /api/v1/approvals/{OTHER}", Answer(found | {"id": OTHER, "digest": "other"}))
    api.on("GET /api/v1/releases/webshop/41", Answer(release))
    api.on(VOTE, Answer(COUNTED))
    return found


def test_a_vote_binds_to_the_plan_that_was_shown(api: ApiServer, run, approval) -> None:
    """The digest of the approval goes back with the vote; the receipt is printed."""
    result = run("approve", ID, "--comment", "tested")
    assert (0, "It was counted.\n") == (result.exit_code, result.stdout)
    vote = api.asked(VOTE)[0].json
    assert ("approve", "tested", approval["digest"]) == (vote["choice"], vote["comment"], vote["digest"])
    assert "not_before" not in vote


@pytest.mark.usefixtures("approval")
def test_reject_says_so(api: ApiServer, run) -> None:
    """The choice is the command's name."""
    api.on(VOTE, Answer(receipt("counted", "rejected", stands=True)))
    assert 0 == run("reject", ID).exit_code
    assert "reject" == api.asked(VOTE)[0].json["choice"]


@pytest.mark.usefixtures("approval")
@pytest.mark.parametrize(
    ("kind", "verdict", "stands", "code"),
    [
        ("already counted", "approved", True, 0),
        ("stored", "pending", False, 0),
        ("already decided", "approved", False, 0),
        ("already decided", "rejected", False, 3),
        ("already decided", "expired", False, 3),
        ("not an approver", "pending", False, 5),
        ("requester may not approve", "pending", False, 5),
        ("proof too weak", "pending", False, 5),
        ("plan changed", "pending", False, 2),
    ],
)
def test_a_vote_that_did_not_count_does_not_look_like_one(
    api: ApiServer,
    run,
    kind: str,
    verdict: str,
    stands: bool,  # noqa: FBT001  a table column
    code: int,
) -> None:
    """The exit code says whether what was wanted is so."""
    api.on(VOTE, Answer(receipt(kind, verdict, stands=stands)))
    assert code == run("approve", ID).exit_code


@pytest.mark.usefixtures("approval")
def test_a_terminal_is_asked_first(api: ApiServer, run, monkeypatch) -> None:
    """On a terminal it shows what is approved, and no means nothing is sent."""
    monkeypatch.setattr("cli.answering.is_asked", lambda: True)
    result = run("approve", ID, typed="n\n")
    assert (130, []) == (result.exit_code, api.asked(VOTE))
    assert "Is the team informed?" in result.stdout
    assert 0 == run("approve", ID, typed="y\n").exit_code
    assert 1 == len(api.asked(VOTE))


@pytest.mark.usefixtures("approval")
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-12-01T08:00Z", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01 08:00+02:00", datetime(2026, 12, 1, 6, tzinfo=UTC)),
        ("2026-12-01 08:00", datetime(2026, 12, 1, 8).astimezone(UTC)),
    ],
)
def test_an_approval_may_begin_later(api: ApiServer, run, written: str, expected: datetime) -> None:
    """A time without a zone is that of the machine where it was typed."""
    assert 0 == run("approve", ID, "--from", written).exit_code
    assert expected == datetime.fromisoformat(api.asked(VOTE)[0].json["not_before"])


@pytest.mark.usefixtures("approval")
@pytest.mark.parametrize("written", ["tomorrow", "08:00", "9999-12-31T23:59-23:59"])
def test_what_is_no_time_is_answered_with_how_it_is_written(api: ApiServer, run, written: str) -> None:
    """And nothing is sent."""
    result = run("approve", ID, "--from", written)
    assert 2 == result.exit_code
    assert "2026-12-01 08:00" in " ".join(result.stderr.split())
    assert [] == api.requests


def _results(*results: dict[str, object]) -> Answer:
    return Answer({"results": [{"receipt": None, "problem": None} | result for result in results]})


@pytest.mark.usefixtures("approval")
def test_several_are_answered_with_one_request(api: ApiServer, run) -> None:
    """Each with the digest of its own approval, and an id of its own."""
    api.on(VOTES, _results({"approval": ID, "receipt": COUNTED}, {"approval": OTHER, "receipt": COUNTED}))
    result = run("approve", ID, OTHER, ID, "--comment", "tested")
    assert (0, f"{ID}: It was counted.\n{OTHER}: It was counted.\n") == (result.exit_code, result.stdout)
    (request,) = api.asked(VOTES)
    ballots = request.json["ballots"]
    assert [(ID, "d1gest", "tested"), (OTHER, "other", "tested")] == [
        (ballot["approval"], ballot["digest"], ballot["comment"]) for ballot in ballots
    ]
    assert 2 == len({ballot["action_id"] for ballot in ballots})


@pytest.mark.usefixtures("approval")
def test_one_of_several_that_did_not_count_is_told(api: ApiServer, run) -> None:
    """The exit code is that of the first which did not; the others counted all the same."""
    away = {"status": 503, "detail": "Temporal does not answer"}
    stranger = receipt("not an approver", "pending", stands=False)
    for failed, code in (({"problem": away}, 4), ({"receipt": stranger}, 5), ({"problem": away | {"status": 404}}, 2)):
        api.on(VOTES, _results({"approval": ID} | failed, {"approval": OTHER, "receipt": COUNTED}))
        result = run("approve", ID, OTHER)
        assert (code, "1 of 2 answers were not counted\n") == (result.exit_code, result.stderr)
        assert f"{OTHER}: It was counted." in result.stdout


@pytest.mark.usefixtures("approval")
def test_a_terminal_shows_all_of_several_before_it_asks(api: ApiServer, run, monkeypatch) -> None:
    """One question for all of them."""
    monkeypatch.setattr("cli.answering.is_asked", lambda: True)
    result = run("reject", ID, OTHER, typed="n\n")
    assert (130, []) == (result.exit_code, api.asked(VOTES))
    assert ID in result.stdout
    assert OTHER in result.stdout
    assert "reject these 2?" in result.stderr


def test_an_unknown_approval_among_several_keeps_all_from_being_sent(api: ApiServer, run, approval) -> None:
    """A slip of the hand is seen before anything is decided."""

    def found(_: Request) -> Answer:
        return Answer(approval)

    api.on(f"GET /api/v1/approvals/{ID}", found)
    assert 2 == run("approve", ID, "webshop/42/prod/1/before").exit_code
    assert [] == [request for request in api.requests if request.method == "POST"]


def test_more_than_a_hundred_are_too_many(api: ApiServer, run) -> None:
    """Told before anybody is asked."""
    result = run("approve", *(f"webshop/{number}/prod/1/before" for number in range(1, 102)))
    assert (2, []) == (result.exit_code, api.requests)
