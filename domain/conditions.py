"""Whether a job or a step runs, by how those before it ended."""

from collections.abc import Iterable

from domain.pipeline import Condition
from domain.status import RunStatus


def should_run(condition: Condition, earlier: Iterable[RunStatus]) -> bool:
    """Decide by the runs before. A canceled run counts as failed here; a skipped one counts for nothing.

    Whether a deployment that is being canceled goes on is not decided here.
    """
    has_failed = any(run.is_failure or run == RunStatus.CANCELED for run in earlier)
    if condition == Condition.ALWAYS:
        return True
    return has_failed if condition == Condition.FAILED else not has_failed
