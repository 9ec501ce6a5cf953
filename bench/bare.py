"""The same release without Slipway: a bare Temporal workflow with as many activities, all of which do nothing.

A release of one stage and one step is a parent workflow with two records (local activities) and a child with five,
and five activities: ask for a turn, find an agent, hold it, run the step, give it back. What this leaves out is what
Slipway is for: the queue of the environment, tables, agents, processes, logs.
"""

import asyncio
import time
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

_QUEUE = "bench-bare"
_RECORDS = 5
_ACTIVITIES = 5
_WITHIN = timedelta(seconds=30)


@activity.defn
async def nothing() -> None:
    """Do nothing."""


@workflow.defn
class BareDeployment:
    """As many activities as a deployment."""

    @workflow.run
    async def run(self) -> None:
        for _ in range(_RECORDS):
            await workflow.execute_local_activity(nothing, start_to_close_timeout=_WITHIN)
        for _ in range(_ACTIVITIES):
            await workflow.execute_activity(nothing, start_to_close_timeout=_WITHIN)


@workflow.defn
class BareRelease:
    """As many activities and children as a release."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity(nothing, start_to_close_timeout=_WITHIN)
        await workflow.execute_child_workflow(BareDeployment.run, id=f"{workflow.info().workflow_id}/deployment")
        await workflow.execute_local_activity(nothing, start_to_close_timeout=_WITHIN)


async def seconds_for(address: str, releases: int) -> float:
    """How long this many bare releases take, started together."""
    client = await Client.connect(address)
    async with Worker(
        client,
        task_queue=_QUEUE,
        workflows=[BareRelease, BareDeployment],
        activities=[nothing],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        began = time.monotonic()
        handles = [
            await client.start_workflow(BareRelease.run, id=f"bare/{uuid.uuid4()}", task_queue=_QUEUE)
            for _ in range(releases)
        ]
        await asyncio.gather(*(handle.result() for handle in handles))
        return time.monotonic() - began
