"""What a release changes, as the Jenkins stand-in tells it: the commits of all builds between, in both directions."""

from datetime import UTC, datetime

import pytest

from activities.changes import Comparison, with_commits
from activities.source_desk import SourceDesk
from domain.artifact import PinnedArtifact
from domain.changes import ArtifactChange, Base, compare
from domain.connection import Connection
from domain.ids import ReleaseId
from domain.pipeline import Pipeline
from domain.release import ReleasePlan
from local.jenkins_state import Build, Commit

NOON = 1_795_000_000_000
STAGES = [{"stage": "prod", "jobs": [{"job": "deploy", "steps": [{"run": "true"}]}]}]


class Connections:
    """Knows the one that the world opens sources with."""

    async def connection(self, name: str) -> Connection | None:
        return Connection(name=name, kind="jenkins", url="http://127.0.0.1", user="u", token="t")


def _plan(version: int) -> ReleasePlan:
    pipeline = {"pipeline": "shop", "artifacts": {"web": {"jenkins": {"server": "ci", "job": "team/app"}}}}
    pin = PinnedArtifact(
        alias="web",
        kind="Jenkins",
        version=str(version),
        digest=str(version),
        manifest_id="m",
        file_count=1,
        size=1,
        built_at=datetime.fromtimestamp(version, UTC),
    )
    return ReleasePlan(
        id=ReleaseId(pipeline="shop", number=version),
        name=f"shop-{version}",
        revision=1,
        pipeline=Pipeline.model_validate(pipeline | {"stages": STAGES}),
        requested_by="rita@example.com",
        requested_at=datetime(2026, 11, 23, tzinfo=UTC),
        artifacts=(pin,),
    )


@pytest.fixture
def changed(jenkins_world):
    """What build ``new`` changes where build ``old`` is; every build has a commit of its number, 3 has failed."""
    job = jenkins_world.state.job("team/app")
    for number in range(1, 6):
        result = "FAILURE" if number == 3 else "SUCCESS"
        commits = [Commit(f"{number:040x}", f"Change {number}", "Ana", NOON)]
        job.add(Build(number, commits=commits, result=result, timestamp=NOON + number))

    async def change(old: int, new: int) -> ArtifactChange:
        base = Base(release=f"shop/{old}", name=f"shop-{old}", deployment=f"shop/{old}/prod/1")
        compared = Comparison(plan=_plan(new), changes=compare(_plan(new), "prod", base, _plan(old)))
        desk = SourceDesk(lambda _, __: jenkins_world.open("team/app"), Connections(), seconds=10)
        (found,) = (await with_commits(desk, compared)).artifacts
        return found

    return change


async def test_commits_of_all_builds_between_come_in(changed):
    """Those of the failed build, too: its commits are in the next good one."""
    found = await changed(1, 4)
    assert ["Change 4", "Change 3", "Change 2"] == [commit.message for commit in found.commits]
    assert (False, ["4", "3", "2"]) == (found.is_taken_away, [commit.version for commit in found.commits])


async def test_a_rollback_takes_the_same_commits_away(changed):
    """Asked for the other way round."""
    found = await changed(4, 1)
    assert (True, "") == (found.is_taken_away, found.unknown)
    assert ["Change 4", "Change 3", "Change 2"] == [commit.message for commit in found.commits]


async def test_a_build_that_is_gone_is_told(changed, jenkins_world):
    """Jenkins has discarded what is in the stage: nobody knows what came after it."""
    jenkins_world.state.job("team/app").builds.pop(1)
    found = await changed(1, 4)
    assert ((), True) == (found.commits, "commits unknown" in found.unknown)
