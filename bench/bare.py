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
from temporalio.client import Client, WorkflowHandle
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


@workflow.defn
class BareCount:
    """Counts signals, and says by query which it has counted."""

    def __init__(self) -> None:
        self._counted: list[str] = []

    @workflow.run
    async def run(self, wanted: int) -> None:
        await workflow.wait_condition(lambda: len(self._counted) >= wanted)

    @workflow.signal
    def count(self, one: str) -> None:
        self._counted.append(one)

    @workflow.query
    def is_counted(self, one: str) -> bool:
        return one in self._counted


async def seconds_for_signals(address: str, workflows: int, signals: int, at_once: int) -> float:
    """How long it takes to send each of some workflows so many signals, with a query after each."""
    client = await Client.connect(address)
    turns = asyncio.Semaphore(at_once)
    async with Worker(client, task_queue=_QUEUE, workflows=[BareCount], workflow_runner=UnsandboxedWorkflowRunner()):
        handles = [
            await client.start_workflow(BareCount.run, signals + 1, id=f"bare/{uuid.uuid4()}", task_queue=_QUEUE)
            for _ in range(workflows)
        ]

        async def send(handle: WorkflowHandle[BareCount, None], one: str) -> None:
            async with turns:
                await handle.signal(BareCount.count, one)
                await handle.query(BareCount.is_counted, one)

        began = time.monotonic()
        await asyncio.gather(*(send(handle, str(one)) for one in range(signals) for handle in handles))
        took = time.monotonic() - began
        for handle in handles:
            await handle.terminate()
        return took
