"""Histories recorded by earlier versions replay on this one, in the sandbox that audits our own code."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from workers.registry import WORKFLOWS
from workers.sandbox import shared, strict

HISTORIES = sorted((Path(__file__).parents[1] / "histories").glob("*.json"))
# Our own code is loaded anew for each, which takes long: those that go the longest way are enough.
LONGEST = sorted(HISTORIES, key=lambda path: (-path.stat().st_size, path.name))[:5]


def test_there_are_histories_of_every_workflow() -> None:
    """Nothing to replay would prove nothing."""
    kinds = {path.stem.split("-")[1].split("_")[0] for path in HISTORIES}
    assert kinds == {"release", "deployment", "environment"}


@pytest.mark.parametrize(("sandbox", "histories"), [(shared(), HISTORIES), (strict(), LONGEST)], ids=["all", "audited"])
async def test_recorded_histories_replay(sandbox: SandboxedWorkflowRunner, histories: list[Path]) -> None:
    """The commands come in the order they were recorded in; a ``datetime.now()`` on the way fails the audited ones."""
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=sandbox)
    async with replayer.workflow_replay_iterator(recorded(histories)) as results:
        failures = {result.history.workflow_id: result.replay_failure async for result in results}
    assert len(failures) == len(histories)
    assert [(name, failure) for name, failure in failures.items() if failure] == []


async def recorded(histories: list[Path]) -> AsyncIterator[WorkflowHistory]:
    for path in histories:
        yield WorkflowHistory.from_json(path.stem, path.read_text())
