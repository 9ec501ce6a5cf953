"""What a deployment changes is found before people are asked, and never waited for in vain."""

from typing import Any

from fakes.release_world import World, plan_of, stage, start, vote

from domain.status import StageStatus
from workflows.release import ReleaseWorkflow
from workflows.stopping import CancelRequest

ANA = "ana@example.com"
APPROVAL = {"approval": {"approvers": [ANA]}}
ARTIFACTS = {"web": {"jenkins": {"server": "ci", "job": "web"}}}


def definition(**others: Any) -> dict[str, Any]:
    return {"pipeline": "webshop", "stages": [stage("test", before=APPROVAL)], **others}


async def test_the_mail_tells_what_changes(world: World) -> None:
    """It was found once, when the deployment had its turn, and is told before and after."""
    stages = [stage("test", before=APPROVAL, after_deployment=APPROVAL)]
    async with world.running():
        handle = await start(world, plan_of(definition(artifacts=ARTIFACTS, stages=stages)))
        await vote(world, "webshop/1/test/1", ANA)
        await vote(world, "webshop/1/test/1", ANA, moment="after")
        await handle.result()
    around = world.surroundings
    assert ["webshop/1/test/1"] == around.changes_asked
    assert [around.outline] * 2 == [mail.changes for mail in around.mails]


async def test_a_release_without_artifacts_asks_nobody(world: World) -> None:
    """There is nothing to compare."""
    async with world.running():
        handle = await start(world, plan_of(definition()))
        await vote(world, "webshop/1/test/1", ANA)
        await handle.result()
    assert ([], [None]) == (world.surroundings.changes_asked, [mail.changes for mail in world.surroundings.mails])


async def test_people_are_asked_also_when_nothing_was_found(world: World) -> None:
    """The mail then names the versions alone."""
    world.surroundings.outline = None
    async with world.running():
        handle = await start(world, plan_of(definition(artifacts=ARTIFACTS)))
        await vote(world, "webshop/1/test/1", ANA)
        end = await handle.result()
    assert {"test": StageStatus.SUCCEEDED} == end.stages
    assert 2 == len(world.surroundings.changes_asked)
    assert [(None, ("web 142",))] == [(mail.changes, mail.artifacts) for mail in world.surroundings.mails]


async def test_a_deployment_is_canceled_while_it_looks_for_changes(world: World, eventually) -> None:
    """What a source takes its time for holds nobody up."""
    around = world.surroundings
    around.is_slow_to_find = True
    async with world.running():
        handle = await start(world, plan_of(definition(artifacts=ARTIFACTS)))
        await eventually(lambda: around.changes_asked)
        await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com"))
        end = await handle.result()
        assert around.is_slow_to_find
        around.is_slow_to_find = False
    assert ({"test": StageStatus.CANCELED}, []) == (end.stages, around.mails)
