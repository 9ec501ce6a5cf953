"""Record the histories that `test_replay.py` replays: ``make histories``.

Recorded histories are kept for ever: they stand for workflows that were under way when Slipway was upgraded. Record
under a new name when a sequence of commands changes on purpose (guarded by ``workflow.patched``).
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from fakes.release_world import World, act, decide, deployment_handle, plan_of, stage, start, vote
from fakes.temporal_binaries import DEV_SERVER
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from activities import search_attributes
from domain.approval import Choice, Moment
from domain.approval_actions import Override, Reassignment, Withdrawal
from domain.intervention import Remedy
from domain.person import Requester
from workflows.approval import MailBounced, OverrideApproval, Reassign, Withdraw
from workflows.deployment import DeploymentWorkflow, PlanChange
from workflows.release import ReleaseWorkflow
from workflows.stopping import CancelRequest

_HERE = Path(__file__).parent
_ANA, _BEN, _DORA, _MONA = "ana@example.com", "ben@example.com", "dora@example.com", "mona@example.com"
_APPROVAL = {"approval": {"approvers": [_ANA, "group:ops"]}}
_AT_ANY_TIME = {
    "timezone": "Europe/Berlin",
    "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "opens": "00:00",
    "closes": "23:59",
}


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


async def reconsidered(world: World) -> None:
    """An answer taken back and given anew, a place given to somebody else, and an override afterwards."""
    stages = [stage("test", before=_APPROVAL, after_deployment=_APPROVAL)]
    handle = await start(world, plan_of({"pipeline": "reconsidered", "stages": stages}))
    deployment = "reconsidered/1/test/1"
    await vote(world, deployment, _ANA, action_id="first")
    back = Withdrawal(action_id="back", by=_ANA, vote_id="first", comment="not yet")
    await act(world, deployment, Withdraw(moment=Moment.BEFORE, withdrawal=back), back)
    await vote(world, deployment, _ANA, action_id="first")
    change = Reassignment(action_id="1", by=_ANA, approver=_ANA, to=_BEN, members=(_BEN,), comment="on holiday")
    await act(world, deployment, Reassign(moment=Moment.BEFORE, reassignment=change), change)
    await vote(world, deployment, _BEN)
    await vote(world, deployment, "otto@example.com")
    approval = await world.open_approval(f"{deployment}/after")
    decision = Override(action_id="2", by=_MONA, choice=Choice.REJECT, digest=approval.digest, comment="it is down")
    await act(world, deployment, OverrideApproval(moment=Moment.AFTER, override=decision), decision)
    await handle.result()


async def replanned(world: World) -> None:
    """Other values while people are asked: they are asked anew; and while the jobs run: for the stage to come."""
    variables = {"LEVEL": {"value": "info", "settable": True}}
    stages = [stage("test", before=_APPROVAL, after_deployment=_APPROVAL), stage("prod", after=("test",))]
    handle = await start(world, plan_of({"pipeline": "replanned", "variables": variables, "stages": stages}))
    deployment, dora = "replanned/1/test/1", Requester(name=_DORA, addresses=(_DORA,))
    old = await world.open_approval(f"{deployment}/before")
    await vote(world, deployment, _ANA, action_id="old")
    await handle.signal(
        ReleaseWorkflow.change_plan, PlanChange(change_id="1", variables={"LEVEL": "debug"}, requester=dora)
    )
    while world.tables.approvals()[f"{deployment}/before"].digest == old.digest:
        await asyncio.sleep(0.01)
    await vote(world, deployment, _ANA)
    await vote(world, deployment, "otto@example.com")
    await world.open_approval(f"{deployment}/after")
    await handle.signal(
        ReleaseWorkflow.change_plan, PlanChange(change_id="2", variables={"LEVEL": "warn"}, requester=dora)
    )
    await vote(world, deployment, _ANA, moment=Moment.AFTER)
    await vote(world, deployment, "otto@example.com", moment=Moment.AFTER)
    await handle.result()


async def deferred(world: World) -> None:
    """Approved from a moment on; carried over to the next stage, which asks nobody else."""
    again = {"approval": {"approvers": [_ANA], "skip_if_approved_before": True}}
    stages = [stage("test", before={"approval": {"approvers": [_ANA]}}), stage("prod", after=("test",), before=again)]
    handle = await start(world, plan_of({"pipeline": "deferred", "stages": stages}))
    approval = await world.open_approval("deferred/1/test/1/before")
    await vote(world, "deferred/1/test/1", _ANA, not_before=approval.opened_at + timedelta(seconds=2))
    await handle.result()


async def silent(world: World) -> None:
    """Reminders and deputies, by all hours and by business hours; one is answered by a deputy, the other expires."""
    policy = {"approvers": [_ANA], "remind": "1s", "escalate": {"after": "2s", "to": [_DORA]}, "timeout": "4s"}
    stages = [
        stage("test", before={"approval": {**policy, "business_hours": _AT_ANY_TIME, "timeout": "30d"}}),
        stage("prod", after=("test",), before={"approval": policy}),
    ]
    handle = await start(world, plan_of({"pipeline": "silent", "stages": stages}))
    await world.open_approval("silent/1/test/1/before")
    while not world.tables.approvals()["silent/1/test/1/before"].asked[0].deputies:
        await asyncio.sleep(0.01)
    await vote(world, "silent/1/test/1", _DORA)
    await handle.result()


async def unreachable(world: World) -> None:
    """A mail that comes back, one that is refused, and a group of nobody."""
    world.surroundings.refused_people = (_BEN,)
    stages = [
        stage("eu", before={"approval": {"approvers": [_ANA], "escalate": {"to": [_DORA]}}}),
        stage("us", before={"approval": {"approvers": [_BEN]}}),
        stage("asia", before={"approval": {"approvers": ["group:nobody"]}}),
    ]
    handle = await start(world, plan_of({"pipeline": "unreachable", "stages": stages}))
    while len(world.surroundings.mails) < 2 or len(world.surroundings.unreachable) < 2:
        await asyncio.sleep(0.01)
    bounced = MailBounced(moment=Moment.BEFORE, person=_ANA, reason="550 no such user")
    await deployment_handle(world, "unreachable/1/eu/1").signal(DeploymentWorkflow.mail_bounced, bounced)
    while not world.tables.approvals()["unreachable/1/eu/1/before"].asked[0].deputies:
        await asyncio.sleep(0.01)
    await vote(world, "unreachable/1/eu/1", _DORA)
    await vote(world, "unreachable/1/us/1", _BEN)
    await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com", reason="nobody to ask"))
    await handle.result()


async def asked(world: World) -> None:
    """People decide about a failed step, and about one whose agent was lost; both run again, one elsewhere."""
    steps = [{"run": "flaky 1", "on_failure": "ask"}, {"run": "deploy"}]
    jobs = [{"job": "deploy", "steps": steps, "on_agent_lost": "ask"}]
    world.agent.gives_up_after = "asked/1/test/1/deploy/2/1"
    handle = await start(world, plan_of({"pipeline": "asked", "stages": [{"stage": "test", "jobs": jobs}]}))
    await decide(world, "asked/1/test/1/deploy/1/1", Remedy.RETRY)
    await decide(world, "asked/1/test/1/deploy/2/1", Remedy.RETRY)
    await handle.result()


async def restarted(world: World) -> None:
    """A job that may run twice starts anew, three times, before it fails."""
    jobs = [{"job": "deploy", "steps": [{"run": "vanish 9"}], "on_agent_lost": "restart"}]
    await (await start(world, plan_of({"pipeline": "restarted", "stages": [{"stage": "test", "jobs": jobs}]}))).result()


SCENARIOS: list[Callable[[World], Awaitable[None]]] = [
    fan,
    approved,
    canceled,
    queued,
    reconsidered,
    replanned,
    deferred,
    silent,
    unreachable,
    asked,
    restarted,
]


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
