"""Write what a workflow decided into the tables: the projection that pages and lists are read from.

The workflow is the only author. Each entry is keyed by (workflow id, run id, sequence) and applied once, in one
transaction, however often it is sent.
"""

from datetime import datetime
from typing import Annotated, Literal, Protocol

from pydantic import Field
from temporalio import activity

from domain.approval import Approval
from domain.artifact import PinnedArtifact
from domain.frozen import Frozen
from domain.intervention import Intervention
from domain.outputs import Issue, NotedFile, Summary
from domain.status import ReleaseStatus, RunStatus, StageStatus


class ReleaseFact(Frozen):
    """Where a release stands. ``digest`` and ``artifacts`` are given once the artifacts are pinned."""

    fact: Literal["release"] = "release"
    release: str
    status: ReleaseStatus
    waiting_for: str = ""
    reason: str = ""
    digest: str | None = None
    artifacts: tuple[PinnedArtifact, ...] | None = None
    finished_at: datetime | None = None


class PlanFact(Frozen):
    """What is deployed was changed after the release had begun."""

    fact: Literal["plan"] = "plan"
    release: str
    digest: str
    variables: dict[str, str]
    changed_by: tuple[str, ...]
    requester_addresses: tuple[str, ...]


class StageFact(Frozen):
    """Where a stage of a release stands."""

    fact: Literal["stage"] = "stage"
    release: str
    stage: str
    status: StageStatus
    reason: str = ""
    attempt: int = 0


class DeploymentFact(Frozen):
    """Where one deployment stands; ``waiting_for`` is one sentence."""

    fact: Literal["deployment"] = "deployment"
    deployment: str
    status: StageStatus
    requested_by: str
    waiting_for: str = ""
    reason: str = ""
    started_at: datetime
    finished_at: datetime | None = None


class ApprovalFact(Frozen):
    """An approval as it stands, with its votes."""

    fact: Literal["approval"] = "approval"
    approval_id: str
    deployment: str
    moment: str
    approval: Approval


class JobFact(Frozen):
    """Where a job stands, and which agent has it."""

    fact: Literal["job"] = "job"
    job_id: str
    deployment: str
    position: int
    job: str
    status: RunStatus
    pool: str
    demands: tuple[str, ...] = ()
    agent: str | None = None
    lease_id: str | None = None
    waiting_for: str = ""
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class StepFact(Frozen):
    """One run of one step (step 0 is the artifact download).

    By environment name: ``secrets`` are names of stored secrets, ``secret_outputs`` tell where earlier steps set them.
    """

    fact: Literal["step"] = "step"
    run_id: str
    job_id: str
    step: int
    try_number: int
    title: str
    status: RunStatus
    secrets: dict[str, str] = {}
    secret_outputs: dict[str, str] = {}
    exit_code: int | None = None
    reason: str = ""
    log_size: int | None = None
    log_sha256: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    issues: tuple[Issue, ...] = ()
    errors: int = 0
    warnings: int = 0
    summaries: tuple[Summary, ...] = ()
    files: tuple[NotedFile, ...] = ()
    progress: int | None = None
    progress_text: str = ""
    intervention: Intervention | None = None


class NameFact(Frozen):
    """A step gave the release another name."""

    fact: Literal["name"] = "name"
    release: str
    name: str


class Event(Frozen):
    """A line of the release's history, in words."""

    fact: Literal["event"] = "event"
    release: str
    deployment: str | None = None
    text: str
    by: str = ""


Fact = Annotated[
    ReleaseFact | PlanFact | StageFact | DeploymentFact | ApprovalFact | JobFact | StepFact | NameFact | Event,
    Field(discriminator="fact"),
]


class Entry(Frozen):
    """Facts that became true together."""

    workflow_id: str
    run_id: str
    sequence: int
    at: datetime
    facts: tuple[Fact, ...]


class RecordStore(Protocol):
    """Where entries are applied."""

    async def apply(self, entry: Entry) -> None:
        """Apply all facts in one transaction; do nothing when this entry was applied before."""
        ...


class Records:
    """Local activity of the release worker. Safe to run twice: an entry is applied once."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store

    @activity.defn
    async def record(self, entry: Entry) -> None:
        await self._store.apply(entry)
