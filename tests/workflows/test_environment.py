"""The queue in front of an environment."""

import asyncio
from datetime import timedelta
from typing import Any

from fakes.release_world import World, plan_of, stage, start, vote
from temporalio.testing import WorkflowEnvironment

from domain.approval import Choice
from domain.ids import RELEASE_QUEUE
from domain.pipeline import EnvironmentQueue
from domain.queueing import Ticket
from domain.status import ReleaseStatus, StageStatus
from workflows.environment import EnvironmentState, EnvironmentWorkflow

APPROVED = {"approval": {"approvers": ["ana@example.com"]}}


def guarded(**environment: Any) -> dict[str, Any]:
    return {"pipeline": "webshop", "stages": [stage("prod", before=APPROVED, environment=environment)]}


async def test_the_second_release_waits_and_its_approvers_are_not_asked(world: World, eventually: Any) -> None:
    """One at a time: the turn covers the approval, and the page names who holds it."""
    async with world.running():
        first = await start(world, plan_of(guarded(), 1))
        await eventually(lambda: world.surroundings.mails)
        second = await start(world, plan_of(guarded(), 2))
        sentence = "its turn in webshop.prod, held by webshop/1/prod/1"
        await eventually(lambda: sentence in world.tables.waited_for())
        assert len(world.surroundings.mails) == 1
        await vote(world, "webshop/1/prod/1", "ana@example.com")
        await first.result()
        await vote(world, "webshop/2/prod/1", "ana@example.com")
        end = await second.result()
    assert end.status == ReleaseStatus.SUCCEEDED
    assert world.agent.most_held == 1


async def test_only_the_latest_of_those_who_wait_goes_on(world: World, eventually: Any) -> None:
    """latest_only: the older waiting release is superseded at once."""
    async with world.running():
        handles = []
        for number in (1, 2, 3):
            handles.append(await start(world, plan_of(guarded(queue="latest_only"), number)))
            waiting = f"webshop/{number}/prod/1"
            await eventually(
                lambda waiting=waiting, number=number: (
                    world.surroundings.mails
                    if number == 1
                    else "held by" in getattr(world.tables.deployments().get(waiting), "waiting_for", "")
                )
            )
        assert (await handles[1].result()).stages == {"prod": StageStatus.SUPERSEDED}
        await vote(world, "webshop/1/prod/1", "ana@example.com", Choice.REJECT)
        await vote(world, "webshop/3/prod/1", "ana@example.com")
        assert (await handles[2].result()).stages == {"prod": StageStatus.SUCCEEDED}


async def test_a_holder_that_is_gone_loses_its_turn(
    world: World, environment: WorkflowEnvironment, eventually: Any
) -> None:
    """A deployment that was terminated never gives back; its turn is noticed within a minute and passed on."""
    gone = Ticket(
        deployment="webshop/0/prod/1",
        workflow_id="deployment/webshop/0/prod/1",
        line="webshop/prod",
        at_once=1,
        queue=EnvironmentQueue.ALL_IN_ORDER,
    )
    async with world.running():
        await world.client.start_workflow(
            EnvironmentWorkflow.run,
            EnvironmentState(holders=(gone,)),
            id="environment/webshop.prod",
            task_queue=RELEASE_QUEUE,
        )
        waiting = await start(world, plan_of(guarded()))
        await eventually(lambda: "held by webshop/0/prod/1" in str(world.tables.waited_for()))
        await environment.sleep(timedelta(seconds=61))
        await vote(world, "webshop/1/prod/1", "ana@example.com")
        assert (await waiting.result()).status == ReleaseStatus.SUCCEEDED


async def test_a_shared_environment_takes_as_many_as_it_says(world: World, eventually: Any) -> None:
    """at_once: 2 lets two in together."""
    async with world.running():
        handles = [await start(world, plan_of(guarded(name="shared", at_once=2), n)) for n in (1, 2)]
        await eventually(lambda: len(world.surroundings.mails) == 2)
        for number, handle in enumerate(handles, start=1):
            await vote(world, f"webshop/{number}/prod/1", "ana@example.com")
            assert (await handle.result()).status == ReleaseStatus.SUCCEEDED


async def test_the_cancel_button_does_not_lose_the_queue(world: World, eventually: Any) -> None:
    """Who waits for a turn would wait for ever if the environment's workflow could be canceled under them."""
    async with world.running(), asyncio.timeout(30):
        first = await start(world, plan_of(guarded(), 1))
        await eventually(lambda: world.surroundings.mails)
        second = await start(world, plan_of(guarded(), 2))
        await eventually(lambda: "held by" in str(world.tables.waited_for()))
        await world.client.get_workflow_handle("environment/webshop.prod").cancel()
        await vote(world, "webshop/1/prod/1", "ana@example.com")
        await first.result()
        await vote(world, "webshop/2/prod/1", "ana@example.com")
        assert (await second.result()).status == ReleaseStatus.SUCCEEDED
