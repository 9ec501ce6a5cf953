"""The shapes of the API's answers, as far as the command line reads them. Fields it does not know are left alone."""

from typing import TypedDict


class Artifact(TypedDict):
    """A pinned artifact of a release."""

    alias: str
    version: str


class Commit(TypedDict):
    """A commit that comes with a release, or is taken away."""

    commit: str
    message: str
    author: str | None


class ArtifactChange(TypedDict):
    """One artifact of a release beside the one that is in the stage."""

    alias: str
    way: str
    before: Artifact | None
    after: Artifact | None
    note: str
    is_taken_away: bool
    commits: list[Commit]
    left_out: int
    unknown: str


class Changes(TypedDict):
    """What a release changes in a stage."""

    summary: str
    artifacts: list[ArtifactChange]


class Mail(TypedDict):
    """One mail to one person, and what became of it."""

    person: str
    kind: str
    status: str
    error: str


class AskedApprover(TypedDict):
    """One approver, who may answer for them, and what was answered."""

    approver: str
    members: list[str]
    deputies: list[str]
    instead_of: str
    answered: str | None
    mails: list[Mail]


class Happening(TypedDict):
    """A line of an approval's history."""

    at: str
    by: str
    text: str


class Approval(TypedDict):
    """One approval of one deployment."""

    id: str
    release: str
    moment: str
    verdict: str
    standing: str
    digest: str
    needed: int
    is_automatic: bool
    proof: str
    comment_required: bool
    asked: list[AskedApprover]
    history: list[Happening]
    expires_at: str
    decided_by: str | None
    instructions: str


class Intervention(TypedDict):
    """What people are, or were, asked about one run of a step; ``options`` while nobody decided."""

    text: str
    options: list[str]
    expires_at: str
    is_open: bool


class StepRun(TypedDict):
    """One run of one step."""

    run_id: str
    title: str
    status: str
    exit_code: int | None
    log_size: int | None
    intervention: Intervention | None


class JobRun(TypedDict):
    """One job of a deployment."""

    job: str
    status: str
    agent: str | None
    waiting_for: str
    reason: str
    steps: list[StepRun]


class Deployment(TypedDict):
    """One attempt to deploy to one stage."""

    id: str
    stage: str
    attempt: int
    status: str
    waiting_for: str
    reason: str
    started_at: str | None
    finished_at: str | None
    approvals: list[Approval]
    jobs: list[JobRun]


class Stage(TypedDict):
    """A stage of a release."""

    stage: str
    status: str
    reason: str
    attempt: int
    waiting_for: str


class Links(TypedDict):
    """Where to look at it."""

    console: str


class Release(TypedDict):
    """One release with everything in it."""

    id: str
    pipeline: str
    name: str
    status: str
    waiting_for: str
    reason: str
    description: str
    requested_by: str
    requested_for: str
    created_at: str
    finished_at: str | None
    artifacts: list[Artifact]
    stages: list[Stage]
    deployments: list[Deployment]
    temporal_url: str
    links: Links


class Receipt(TypedDict):
    """What became of something done to an approval."""

    kind: str
    message: str
    verdict: str
    stands: bool


class Asked(TypedDict):
    """One run of a step that people are asked about."""

    run_id: str
    title: str
    intervention: Intervention


class DecisionReceipt(TypedDict):
    """What became of a decision about a step."""

    kind: str
    message: str
    stands: bool


class Problem(TypedDict):
    """Why something could not be done."""

    status: int
    detail: str


class BallotResult(TypedDict):
    """What became of one of several ballots: one of the two."""

    approval: str
    receipt: Receipt | None
    problem: Problem | None


class Me(TypedDict):
    """Who the API takes the caller for."""

    subject: str
    role: str
