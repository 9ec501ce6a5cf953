"""Record the histories that `test_replay.py` replays: ``make histories``.

Recorded histories are kept for ever: they stand for workflows that were under way when Slipway was upgraded. Record
under a new name when a sequence of commands changes on purpose (guarded by ``workflow.patched``).
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fakes.release_world import World, plan_of, stage, start, vote
from fakes.temporal_binaries import DEV_SERVER
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from activities import search_attributes
from domain.approval import Choice, Moment
from workflows.release import ReleaseWorkflow
from workflows.stopping import CancelRequest

_HERE = Path(__file__).parent
_APPROVAL = {"approval": {"approvers": ["ana@example.com", "group:ops"]}}


async def fan(world: World) -> None:
    """Artifacts, fan-out and fan-in, a step that is tried again."""
    artifacts = {"web": {"jenkins": {"server": "ci", "job": "web"}}}
    steps = [{"run": "flaky 1", "retries": 1}]
    flaky = {"stage": "us", "after": ["test"], "jobs": [{"job": "deploy", "steps": steps}]}
    stages = [stage("test"), stage("eu", after=("test",)), flaky, stage("prod", after=("eu", "us"))]
    await (await start(world, plan_of({"pipeline": "fan", "artifacts": artifacts, "stages": stages}))).result()


async def approved(world: World) -> None:
    """Approved before and after, a rejection afterwards in the next stage."""
    stages = [stage("test", before=_APPROVAL), stage("prod", after=("test",), after_deployment=_APPROVAL)]
    handle = await start(world, plan_of({"pipeline": "approved", "stages": stages}))
    await vote(world, "approved/1/test/1", "ana@example.com")
    await vote(world, "approved/1/test/1", "otto@example.com")
    await vote(world, "approved/1/prod/1", "ana@example.com", Choice.REJECT, moment=Moment.AFTER)
    await handle.result()


async def canceled(world: World) -> None:
    """Canceled while a step runs."""
    handle = await start(world, plan_of({"pipeline": "canceled", "stages": [stage("test", "hang")]}))
    while not world.agent.runs:
        await asyncio.sleep(0.01)
    await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com", reason="wrong build"))
    await handle.result()


async def queued(world: World) -> None:
    """A second release waits for its turn."""
    definition = {"pipeline": "queued", "stages": [stage("prod", before=_APPROVAL)]}
    first = await start(world, plan_of(definition, 1))
    await world.open_approval("queued/1/prod/1/before")
    second = await start(world, plan_of(definition, 2))
    while "held by" not in str(world.tables.waited_for()):
        await asyncio.sleep(0.01)
    await vote(world, "queued/1/prod/1", "ana@example.com", Choice.REJECT)
    await vote(world, "queued/2/prod/1", "ana@example.com", Choice.REJECT)
    await first.result()
    await second.result()


SCENARIOS: list[Callable[[World], Awaitable[None]]] = [fan, approved, canceled, queued]


async def main(version: str) -> None:
    """Play every scenario on a real server and keep the history of each workflow."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=DEV_SERVER,
        search_attributes=list(search_attributes.ALL),
        data_converter=pydantic_data_converter,
    ) as environment:
        for scenario in SCENARIOS:
            world = World(environment.client)
            async with world.running():
                await scenario(world)
        await _keep_all(environment.client, version)


async def _keep_all(client: Client, version: str) -> None:
    while not [w async for w in client.list_workflows("ExecutionStatus != 'Running'")]:
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)  # the server's list lags behind
    async for found in client.list_workflows():
        history: Any = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        name = found.id.replace("/", "_")
        (_HERE / f"{version}-{name}.json").write_text(history.to_json())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
