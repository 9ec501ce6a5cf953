"""What a deployment changes: which way each artifact goes, the commits to ask for, and how all is worded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.artifact import Change, PinnedArtifact
from domain.change_outline import commit_line, outline
from domain.changes import MOST_COMMITS, Base, Found, Span, StageChanges, Way, compare, headline, span, with_found
from domain.ids import ReleaseId
from domain.pipeline import Pipeline
from domain.release import ReleasePlan

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
JENKINS = {"jenkins": {"server": "ci", "job": "web"}}


def pin(alias: str, version: str, digest: str = "", hour: int | None = None) -> PinnedArtifact:
    return PinnedArtifact(
        alias=alias,
        kind="Jenkins",
        version=version,
        digest=digest or version,
        manifest_id="m",
        file_count=1,
        size=1,
        built_at=NOON + timedelta(hours=hour) if hour is not None else None,
    )


def plan(number: int, *pins: PinnedArtifact, source: dict[str, Any] | None = None) -> ReleasePlan:
    stage = {"stage": "prod", "jobs": [{"job": "deploy", "steps": [{"run": "true"}]}]}
    artifacts = {one.alias: source or JENKINS for one in pins}
    return ReleasePlan(
        id=ReleaseId(pipeline="webshop", number=number),
        name=f"webshop-{number}",
        revision=1,
        pipeline=Pipeline.model_validate({"pipeline": "webshop", "artifacts": artifacts, "stages": [stage]}),
        requested_by="rita@example.com",
        requested_at=NOON,
        artifacts=pins,
    )


def since(there: ReleasePlan, new: ReleasePlan) -> StageChanges:
    base = Base(release=str(there.id), name=there.name, deployment=f"{there.id}/prod/1", finished_at=NOON)
    return compare(new, "prod", base, there)


def commits(count: int, message: str = "Fix the cart\n\nIt lost items.") -> tuple[Change, ...]:
    return tuple(Change(version="142", commit=f"{n:040x}", message=message, author="Ana") for n in range(count))


def test_each_artifact_stands_beside_what_is_there_now() -> None:
    """New, newer, unchanged and gone ones, in the order of the new release."""
    found = since(
        plan(40, pin("gone", "1"), pin("same", "7"), pin("app", "1")),
        plan(41, pin("app", "2"), pin("same", "7"), pin("new", "1")),
    )
    assert [("app", Way.NEWER), ("same", Way.SAME), ("new", Way.NEW), ("gone", Way.GONE)] == [
        (one.alias, one.way) for one in found.artifacts
    ]
    assert ["1 → 2", "7 (unchanged)", "1 (new)", "1 (no longer part of it)"] == [
        one.versions for one in found.artifacts
    ]
    assert "Since webshop-40: app 1 → 2, new 1 (new), gone 1 (no longer part of it)." == found.summary


@pytest.mark.parametrize(
    ("old", "new", "way", "note"),
    [
        (pin("app", "99"), pin("app", "100"), Way.NEWER, ""),
        (pin("app", "100"), pin("app", "99"), Way.ROLLED_BACK, ""),
        (pin("app", "v1.9.2"), pin("app", "v1.10.0"), Way.NEWER, ""),
        (pin("app", "abc"), pin("app", "def"), Way.CHANGED, ""),
        (pin("app", "1"), pin("app", "1.1"), Way.CHANGED, ""),
        (pin("app", "abc", hour=1), pin("app", "def", hour=2), Way.NEWER, ""),
        (pin("app", "abc", hour=2), pin("app", "def", hour=1), Way.ROLLED_BACK, ""),
        (pin("app", "2.0", hour=1), pin("app", "1.5", hour=2), Way.CHANGED, ""),
        (pin("app", "1", "aa"), pin("app", "1", "bb"), Way.CHANGED, "other bytes under the same version"),
        (pin("app", "1", "aa", 1), pin("app", "1", "bb", 2), Way.NEWER, "other bytes under the same version"),
        (pin("app", "1", "aa"), pin("app", "2", "aa"), Way.NEWER, "the same bytes"),
    ],
    ids=str,
)
def test_the_newer_is_told_by_time_and_number(old: PinnedArtifact, new: PinnedArtifact, way: Way, note: str) -> None:
    """Where they disagree, or are not known, it has changed, and nobody pretends to know which way."""
    (change,) = since(plan(40, old), plan(41, new)).artifacts
    assert (way, note) == (change.way, change.note)


def test_what_nobody_expects_stands_beside_the_versions() -> None:
    """In one pair of brackets with the way it goes."""
    (change,) = since(plan(40, pin("app", "2", "aa")), plan(41, pin("app", "1", "aa"))).artifacts
    assert "2 → 1 (rolled back, the same bytes)" == change.versions
    (change,) = since(plan(40, pin("app", "1", "aa")), plan(41, pin("app", "1", "bb"))).artifacts
    assert "1 → 1 (other bytes under the same version)" == change.versions


def test_a_rollback_is_told_by_the_artifact_and_not_by_the_number_of_the_release() -> None:
    """An older release may bring a newer build; what is older is asked for the other way round."""
    (back,) = since(plan(40, pin("app", "9")), plan(41, pin("app", "7"))).artifacts
    assert (True, Span(since="7", until="9")) == (back.is_taken_away, span(back))
    back_again = since(plan(40, pin("app", "9")), plan(41, pin("app", "7")))
    assert (True, "Rollback from webshop-40: app 9 → 7 (rolled back).") == (back_again.is_rollback, back_again.summary)
    (forth,) = since(plan(41, pin("app", "7")), plan(40, pin("app", "9"))).artifacts
    assert (False, Span(since="7", until="9")) == (forth.is_taken_away, span(forth))


def test_no_commits_are_asked_for_where_there_are_none() -> None:
    """Of the same version, of what is new or gone, and of what comes from another source now."""
    before = plan(40, pin("same", "1"), pin("gone", "1"), pin("rebuilt", "1", "aa"))
    after = plan(41, pin("same", "1"), pin("new", "1"), pin("rebuilt", "1", "bb"))
    assert [None] * 4 == [span(change) for change in since(before, after).artifacts]
    moved = plan(41, pin("app", "2"), source={"jenkins": {"server": "ci", "job": "other"}})
    (change,) = since(plan(40, pin("app", "1")), moved).artifacts
    assert (Way.CHANGED, "from another source", None) == (change.way, change.note, span(change))


def test_the_first_deployment_says_so() -> None:
    """There is nothing to compare with, and nothing to ask for."""
    first = compare(plan(41, pin("app", "2")), "prod", None, None)
    assert (True, [Way.NEW]) == (first.is_first, [one.way for one in first.artifacts])
    assert "The first release in prod: no other one was deployed there with success." == first.summary


def test_the_same_bytes_are_no_change() -> None:
    """Another release of the same versions."""
    found = since(plan(40, pin("app", "2")), plan(41, pin("app", "2")))
    assert (True, "Nothing changes since webshop-40.") == (found.is_nothing, found.summary)


def test_too_many_commits_and_too_long_ones_are_cut() -> None:
    """What is left out is counted."""
    (change,) = since(plan(40, pin("app", "1")), plan(41, pin("app", "2"))).artifacts
    found = with_found(change, Found(commits=commits(MOST_COMMITS + 5, "x" * 5000)))
    assert (MOST_COMMITS, 5, 1000) == (len(found.commits), found.left_out, len(found.commits[0].message))


def test_a_mail_tells_ten_commits_and_how_many_more_there_are() -> None:
    """Shared by the artifacts in their order; taken away ones are told as such."""
    found = since(plan(40, pin("app", "1"), pin("db", "9")), plan(41, pin("app", "2"), pin("db", "7")))
    app, db = found.artifacts
    whole = found.model_copy(
        update={"artifacts": (with_found(app, Found(commits=commits(8))), with_found(db, Found(commits=commits(6))))}
    )
    told = outline(whole)
    assert ("webshop-40", False) == (told.since, told.is_rollback)
    assert [("app 1 → 2", 8, 0, False), ("db 9 → 7 (rolled back)", 2, 4, True)] == [
        (one.text, len(one.commits), one.more, one.is_taken_away) for one in told.artifacts
    ]
    assert "00000000 Fix the cart (Ana)" == told.artifacts[0].commits[1]
    assert ("Since webshop-40: app 1 → 2, db 9 → 7 (rolled back); 8 commits; 6 commits taken away.") == whole.summary


def test_a_commit_is_told_by_its_first_line() -> None:
    """Whatever it holds: blank lines before, no message, no author."""
    assert "Fix it" == headline("\n\n  Fix it \n\nAt last.")
    assert "abc" == commit_line(Change(version="1", commit="abc"))
    assert 180 > len(commit_line(Change(version="1", commit="c" * 40, message="m" * 900, author="a" * 300)))
