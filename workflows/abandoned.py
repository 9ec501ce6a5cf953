"""Activities that a workflow starts and does not wait for."""

from typing import Any

from temporalio.workflow import ActivityHandle


def let_go(handle: ActivityHandle[Any]) -> None:
    """Take note of the outcome, so that a failure nobody awaits is not reported as unhandled."""
    handle.add_done_callback(lambda task: task.cancelled() or task.exception())
