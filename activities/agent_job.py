"""What runs on an agent: hold it for a job, download the artifacts, run the steps, let it go.

``hold_agent`` is dispatched to the task queue of a demand set, everything else to the agent's own queue. All of them
are safe to run again: a lease that is held is re-taken, a step that was started is joined and never started twice.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from domain.artifact import PinnedArtifact
from domain.frozen import Frozen
from domain.pipeline import Shell
from domain.refusal import Kind, Refusal


class HoldRequest(Frozen):
    """Take one of the agent's slots for a job until released; ``rejoin`` is how long an absent agent is awaited."""

    lease_id: str
    job_id: str
    rejoin: timedelta = timedelta(seconds=60)


class AgentReady(Frozen):
    """Signal ``agent_ready`` from the held agent to the workflow that asked: where the rest of the job goes."""

    lease_id: str
    agent: str
    queue: str


class HoldEnded(Frozen):
    """Why the hold ended."""

    why: str


class ReleaseAgent(Frozen):
    """End the lease: kill what still runs, remove the workspace, free the slot."""

    lease_id: str


class DownloadRequest(Frozen):
    """Fetch these artifacts into the workspace, each into the folder of its alias. Logs as step run ``run_id``."""

    lease_id: str
    run_id: str
    artifacts: tuple[PinnedArtifact, ...]
    unpack: tuple[str, ...] = ()


class RunStep(Frozen):
    """Run one script once. ``secrets`` maps environment names to names of stored secrets."""

    lease_id: str
    run_id: str
    title: str
    script: str
    shell: Shell
    timeout: timedelta
    working_directory: str = "."
    environment: dict[str, str] = {}
    secrets: dict[str, str] = {}


class CancelStep(Frozen):
    """Kill the process tree of a running step."""

    lease_id: str
    run_id: str


class StepOutcome(StrEnum):
    """How a run ended. ``unknown``: it was started, and nobody saw it end."""

    EXITED = "exited"
    TIMED_OUT = "timed out"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


class StepEnd(Frozen):
    """The end of a run; its log is complete on the server when this is told. ``exit_code`` is 128+n for signal n."""

    outcome: StepOutcome
    exit_code: int | None = None
    reason: str = ""
    log_size: int = 0
    log_sha256: str = ""
    started_at: datetime
    finished_at: datetime


class AgentBusy(Exception):  # noqa: N818  reads as what happened
    """All slots are taken; another agent, or a later try, will do."""


class LeaseGone(Refusal):
    """The agent does not hold this lease (any more)."""

    kind = Kind.CONFLICT
