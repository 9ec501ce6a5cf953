"""Finding what a deployment changes: sources that tell, refuse, hang or talk nonsense, and none that is waited for."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.artifact_source import ArtifactNotFound, SourceUnreachable
from activities.changes import Changes, Comparison, FindChanges
from activities.source_desk import SourceDesk, SourceSilent
from domain.artifact import Change, PinnedArtifact
from domain.change_outline import Outline
from domain.changes import Base, StageChanges, compare
from domain.connection import Connection, ConnectionKind
from domain.ids import DeploymentId, ReleaseId
from domain.pipeline import Pipeline
from domain.release import ReleasePlan

CI = Connection(name="ci", kind=ConnectionKind.JENKINS, url="http://ci", user="u", token=SecretStr("t"))
WANTED = FindChanges(deployment="webshop/41/prod/1")


class Source:
    """Knows commits, or does what it is told to do instead."""

    def __init__(self, behave: Callable[[], tuple[Change, ...]]) -> None:
        self._behave = behave
        self.asked: list[tuple[str, str]] = []

    def changes(self, since: str, until: str) -> tuple[Change, ...]:
        self.asked.append((since, until))
        return self._behave()


class Store:
    """One comparison, and what was kept of it."""

    def __init__(self, compared: Comparison | None) -> None:
        self._compared = compared
        self.kept: dict[str, StageChanges] = {}

    async def compared(self, deployment: DeploymentId) -> Comparison | None:
        return self._compared

    async def keep(self, deployment: DeploymentId, changes: StageChanges) -> None:
        self.kept[str(deployment)] = changes


class Connections:
    """Knows one."""

    async def connection(self, name: str) -> Connection | None:
        return CI if name == "ci" else None


def plan(number: int, version: str, server: str = "ci") -> ReleasePlan:
    stage = {"stage": "prod", "jobs": [{"job": "deploy", "steps": [{"run": "true"}]}]}
    artifacts = {"web": {"jenkins": {"server": server, "job": "web"}}}
    pin = PinnedArtifact(
        alias="web", kind="Jenkins", version=version, digest=version, manifest_id="m", file_count=1, size=1
    )
    return ReleasePlan(
        id=ReleaseId(pipeline="webshop", number=number),
        name=f"webshop-{number}",
        revision=1,
        pipeline=Pipeline.model_validate({"pipeline": "webshop", "artifacts": artifacts, "stages": [stage]}),
        requested_by="rita@example.com",
        requested_at=datetime(2026, 11, 23, tzinfo=UTC),
        artifacts=(pin,),
    )


def comparison(old: str = "141", new: str = "142", server: str = "ci") -> Comparison:
    base = Base(release="webshop/40", name="webshop-40", deployment="webshop/40/prod/1")
    after = plan(41, new, server)
    return Comparison(plan=after, changes=compare(after, "prod", base, plan(40, old, server)))


async def find(source: Source, compared: Comparison | None, seconds: float = 10) -> tuple[Outline | None, Store]:
    store = Store(compared)
    desk = SourceDesk(lambda _, __: source, Connections(), seconds=seconds)  # type: ignore[arg-type, return-value]
    return await ActivityEnvironment().run(Changes(desk, store).find_changes, WANTED), store


def commits() -> tuple[Change, ...]:
    return (Change(version="142", commit="3f2a91bc00", message="Fix the cart", author="Ana"),)


async def test_the_commits_between_are_found_kept_and_outlined() -> None:
    """The outline is for the mail."""
    source = Source(commits)
    told, store = await find(source, comparison())
    assert [("141", "142")] == source.asked
    assert commits() == store.kept["webshop/41/prod/1"].artifacts[0].commits
    assert told is not None
    assert ("webshop-40", ("3f2a91bc Fix the cart (Ana)",)) == (told.since, told.artifacts[0].commits)


async def test_of_a_rollback_the_commits_that_go_are_asked_for() -> None:
    """From the version that comes to the one that is there."""
    source = Source(commits)
    told, _ = await find(source, comparison("142", "140"))
    assert [("140", "142")] == source.asked
    assert told is not None
    assert (True, True) == (told.is_rollback, told.artifacts[0].is_taken_away)


def _raises(error: Exception) -> Callable[[], tuple[Change, ...]]:
    def behave() -> tuple[Change, ...]:
        raise error

    return behave


@pytest.mark.parametrize(
    ("behave", "server", "unknown"),
    [
        (_raises(SourceUnreachable("reset")), "ci", "Jenkins ci did not answer, commits unknown"),
        (_raises(ArtifactNotFound("there is no build 141")), "ci", "there is no build 141, commits unknown"),
        (_raises(KeyError("changeSets")), "ci", "Jenkins ci could not be understood, commits unknown"),
        (commits, "gone", "there is no connection gone; an admin can add it, commits unknown"),
    ],
    ids=["unreachable", "refused", "nonsense", "no connection"],
)
async def test_what_a_source_does_not_say_is_told_in_its_place(
    behave: Callable[[], tuple[Change, ...]], server: str, unknown: str
) -> None:
    """The versions are known all the same."""
    told, store = await find(Source(behave), comparison(server=server))
    assert told is not None
    assert ("web 141 → 142", unknown, ()) == (
        told.artifacts[0].text,
        told.artifacts[0].unknown,
        told.artifacts[0].commits,
    )
    assert unknown == store.kept["webshop/41/prod/1"].artifacts[0].unknown


async def test_a_source_that_hangs_is_not_waited_for() -> None:
    """Its thread is left behind."""
    let_go, entered = threading.Event(), threading.Event()

    def hang() -> tuple[Change, ...]:
        entered.set()
        let_go.wait(30)
        return commits()

    told, _ = await find(Source(hang), comparison(), seconds=0.2)
    assert entered.is_set()
    assert not let_go.is_set()
    let_go.set()
    assert told is not None
    assert "Jenkins ci did not answer, commits unknown" == told.artifacts[0].unknown


async def test_nothing_is_asked_where_nothing_is_known() -> None:
    """Of the same version, and of a release that is not in the tables."""
    source = Source(commits)
    told, store = await find(source, comparison("142", "142"))
    assert told is not None
    assert ([], ["web 142 (unchanged)"]) == (source.asked, [one.text for one in told.artifacts])
    assert (None, {}) == ((await find(source, None))[0], Store(None).kept)
    assert ["webshop/41/prod/1"] == list(store.kept)


async def test_only_so_many_threads_are_left_behind() -> None:
    """Who asks one more is told so at once."""
    let_go = threading.Event()

    def hang() -> tuple[Change, ...]:
        let_go.wait(30)
        return ()

    source = Source(hang)
    desk = SourceDesk(lambda _, __: source, Connections(), seconds=0.1)  # type: ignore[arg-type, return-value]
    ask = plan(41, "142").pipeline.artifacts["web"].source
    ends = await asyncio.gather(
        *(desk.ask(ask, lambda opened: opened.changes("1", "2")) for _ in range(65)), return_exceptions=True
    )
    let_go.set()
    assert {SourceSilent} == {type(end) for end in ends}
    assert 1 == sum("too many questions" in str(end) for end in ends)
