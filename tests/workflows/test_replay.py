"""Histories recorded by earlier versions replay on this one, in the sandbox that audits our own code."""

from collections.abc import AsyncIterator
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from workers.registry import WORKFLOWS
from workers.sandbox import strict

HISTORIES = sorted((Path(__file__).parents[1] / "histories").glob("*.json"))


def test_there_are_histories_of_every_workflow() -> None:
    """Nothing to replay would prove nothing."""
    kinds = {path.stem.split("-")[1].split("_")[0] for path in HISTORIES}
    assert kinds == {"release", "deployment", "environment"}


async def test_recorded_histories_replay() -> None:
    """The commands come in the order they were recorded in; a ``datetime.now()`` on the way fails here."""
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=strict())
    async with replayer.workflow_replay_iterator(recorded()) as results:
        failures = {result.history.workflow_id: result.replay_failure async for result in results}
    assert len(failures) == len(HISTORIES)
    assert [(name, failure) for name, failure in failures.items() if failure] == []


async def recorded() -> AsyncIterator[WorkflowHistory]:
    for path in HISTORIES:
        yield WorkflowHistory.from_json(path.stem, path.read_text())
