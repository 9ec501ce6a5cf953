"""What deployments change: the right release to compare with, and keeping what was found."""

from datetime import timedelta

import pytest

from activities.records import DeploymentFact, Entry
from domain.artifact import Change, PinnedArtifact
from domain.changes import Found, Way, with_found
from domain.ids import DeploymentId, ReleaseId
from domain.status import StageStatus
from storage import changes, releases
from storage.changes import SqlChanges
from storage.records import SqlRecords


@pytest.fixture
def deployed(database, plan, now):
    """Deploys a release, which is made first, so many minutes after noon; every version is the release's number."""

    async def deploy(name: str, minute: int, status: StageStatus = StageStatus.SUCCEEDED) -> None:
        deployment = DeploymentId.parse(name)
        async with database.transaction() as session:
            if await releases.get(session, deployment.release) is None:
                await releases.add(session, _plan(plan, deployment.release), now)
        at = now + timedelta(minutes=minute)
        fact = DeploymentFact(
            deployment=name,
            status=status,
            requested_by="bob@example.com",
            started_at=at,
            finished_at=at if status.is_final else None,
        )
        entry = Entry(workflow_id=name, run_id="run", sequence=minute + 1, at=at, facts=(fact,))
        await SqlRecords(database).apply(entry)

    return deploy


def _plan(plan, release):
    number = str(release.number)
    pin = PinnedArtifact(
        alias="app", kind="Jenkins", version=number, digest=number, manifest_id="m", file_count=1, size=1
    )
    return plan.model_copy(update={"id": release, "name": f"webshop-{number}", "artifacts": (pin,)})


async def _base(database, deployment):
    found = await SqlChanges(database).compared(DeploymentId.parse(deployment))
    assert found is not None
    return found.changes.base.deployment if found.changes.base else None


async def test_the_base_is_the_last_good_deployment_of_another_release(database, deployed):
    """Whichever number it has; partially good is good enough, failed is not; other stages do not count."""
    await deployed("webshop/5/prod/1", 1)
    await deployed("webshop/9/prod/1", 2, StageStatus.PARTIALLY_SUCCEEDED)
    await deployed("webshop/6/prod/1", 3, StageStatus.FAILED)
    await deployed("webshop/6/test/1", 4)
    await deployed("webshop/7/prod/1", 5, StageStatus.WAITING)
    assert "webshop/9/prod/1" == await _base(database, "webshop/7/prod/1")
    found = await SqlChanges(database).compared(DeploymentId.parse("webshop/7/prod/1"))
    assert [("9", "7", Way.ROLLED_BACK)] == [
        (one.before.version, one.after.version, one.way) for one in found.changes.artifacts
    ]


async def test_a_stage_deployed_again_is_not_compared_with_itself(database, deployed):
    """The last good one of another release counts, however often this one was deployed since."""
    await deployed("webshop/5/prod/1", 1)
    await deployed("webshop/6/prod/1", 2)
    await deployed("webshop/6/prod/2", 3)
    await deployed("webshop/6/prod/3", 4, StageStatus.WAITING)
    assert "webshop/5/prod/1" == await _base(database, "webshop/6/prod/3")
    assert "webshop/5/prod/1" == await _base(database, "webshop/6/prod/2")


async def test_what_was_deployed_back_and_forth_is_compared_with_what_was_there_then(database, deployed):
    """Each with the one just before it, also when it is looked at later."""
    await deployed("webshop/5/prod/1", 1)
    await deployed("webshop/6/prod/1", 2)
    await deployed("webshop/5/prod/2", 3)
    await deployed("webshop/6/prod/2", 4, StageStatus.WAITING)
    assert "webshop/6/prod/1" == await _base(database, "webshop/5/prod/2")
    assert "webshop/5/prod/2" == await _base(database, "webshop/6/prod/2")
    assert "webshop/5/prod/1" == await _base(database, "webshop/6/prod/1")


async def test_a_release_that_alone_was_ever_there_is_the_first(database, deployed):
    """Deploying it again makes it no other one; of what does not exist, nothing is known."""
    await deployed("webshop/5/prod/1", 1)
    await deployed("webshop/5/prod/2", 2, StageStatus.WAITING)
    assert None is await _base(database, "webshop/5/prod/2")
    assert None is await SqlChanges(database).compared(DeploymentId.parse("webshop/8/prod/1"))


async def test_what_was_found_is_kept_whole_and_once(database, deployed):
    """The newest word counts."""
    deployment = DeploymentId.parse("webshop/6/prod/1")
    await deployed("webshop/5/prod/1", 1)
    await deployed(str(deployment), 2, StageStatus.WAITING)
    store = SqlChanges(database)
    compared = await store.compared(deployment)
    commit = Change(version="6", commit="c0ffee", message="Fix\0 the cart ✓", author="Ana")
    with_commits = with_found(compared.changes.artifacts[0], Found(commits=(commit,)))
    found = compared.changes.model_copy(update={"artifacts": (with_commits,)})
    await store.keep(deployment, compared.changes)
    await store.keep(deployment, found)
    async with database.reading() as session:
        assert found == await changes.kept(session, deployment)
        assert {str(deployment): found} == await changes.kept_of(session, [str(deployment), "webshop/5/prod/1"])
        assert None is await changes.kept(session, DeploymentId.parse("webshop/5/prod/1"))


async def test_a_stage_to_come_is_previewed(database, deployed, plan):
    """Beside what is there now."""
    await deployed("webshop/5/test/1", 1)
    await deployed("webshop/5/prod/1", 2)
    await deployed("webshop/6/test/1", 3)
    await deployed("webshop/7/test/1", 4)
    seventh = _plan(plan, ReleaseId.parse("webshop/7"))
    async with database.reading() as session:
        found = {stage: await changes.preview(session, seventh, stage) for stage in ("test", "prod", "moon")}
    assert {"test": "webshop-6", "prod": "webshop-5", "moon": None} == {
        stage: one.base.name if one.base else None for stage, one in found.items()
    }
