"""What the API answers: models of their own, apart from the domain and the tables, changed only by adding to them."""

from datetime import datetime

from api.approval_views import ApprovalView
from api.view import View
from domain.artifact import Manifest
from domain.connection import ConnectionKind
from domain.intervention import Cause, Remedy
from domain.outputs import Issue, NotedFile, Summary
from domain.role import Role
from domain.status import ReleaseStatus, RunStatus, StageStatus


class ArtifactView(View):
    """One pinned artifact: this version, exactly these bytes (``digest`` is SHA-256 over all its files)."""

    alias: str
    kind: str
    version: str
    digest: str
    file_count: int
    size: int
    branch: str | None = None
    commit: str | None = None
    author: str | None = None
    built_at: datetime | None = None
    url: str | None = None


class StageView(View):
    """Where one stage stands. ``attempt`` is its latest deployment, 0 for none."""

    stage: str
    status: StageStatus
    reason: str
    attempt: int
    after: list[str]
    manual: bool
    waiting_for: str


class InterventionView(View):
    """What people are asked about a step that has ended; ``options`` while nobody decided. ``text`` is one sentence."""

    cause: Cause
    text: str
    options: list[Remedy]
    asked_at: datetime
    expires_at: datetime
    is_open: bool
    remedy: Remedy | None
    decided_by: str | None
    comment: str
    ended_at: datetime | None


class StepView(View):
    """One run of one step; step 0 is the download of the artifacts. Its log is at ``/logs/{run_id}``.

    ``issues`` are the first ten; ``errors`` and ``warnings`` count all. ``progress`` is in percent, as last told.
    The ``files`` are numbered from 1 on.
    """

    run_id: str
    step: int
    try_number: int
    title: str
    status: RunStatus
    exit_code: int | None
    reason: str
    log_size: int | None
    started_at: datetime | None
    finished_at: datetime | None
    intervention: InterventionView | None = None
    errors: int
    warnings: int
    issues: list[Issue]
    summaries: list[Summary]
    files: list[NotedFile]
    progress: int | None


class JobView(View):
    """One job of a deployment and its steps so far."""

    id: str
    job: str
    status: RunStatus
    agent: str | None
    pool: str
    demands: list[str]
    waiting_for: str
    reason: str
    started_at: datetime | None
    finished_at: datetime | None
    steps: list[StepView]


class DeploymentView(View):
    """One attempt at one stage."""

    id: str
    release: str
    stage: str
    attempt: int
    status: StageStatus
    requested_by: str
    waiting_for: str
    reason: str
    started_at: datetime
    finished_at: datetime | None
    approvals: list[ApprovalView]
    jobs: list[JobView]
    temporal_url: str


class EventView(View):
    """A line of the release's history."""

    at: datetime
    text: str
    by: str
    deployment: str | None


class LinksView(View):
    """Where the same thing is found again: in this API, and in the console."""

    self: str
    console: str


class ReleaseSummary(View):
    """A release in a list. ``requested_for`` is the person a service asked for; else empty."""

    id: str
    pipeline: str
    number: int
    name: str
    status: ReleaseStatus
    waiting_for: str
    reason: str
    requested_by: str
    requested_for: str
    created_at: datetime
    finished_at: datetime | None
    links: LinksView


class ReleaseView(ReleaseSummary):
    """A release with everything that belongs to it."""

    description: str
    revision: int
    digest: str | None
    variables: dict[str, str]
    artifacts: list[ArtifactView]
    stages: list[StageView]
    deployments: list[DeploymentView]
    events: list[EventView]
    temporal_url: str


class ReleasePage(View):
    """Releases, newest first; ``next_cursor`` is None on the last page."""

    items: list[ReleaseSummary]
    next_cursor: str | None


class SavedView(View):
    """The revision a pipeline was saved as."""

    pipeline: str
    revision: int


class PipelineView(View):
    """A pipeline in the list."""

    name: str
    revision: int
    updated_at: datetime


class RevisionView(View):
    """One revision of a pipeline: who saved it, and when."""

    pipeline: str
    revision: int
    author: str
    created_at: datetime


class RevisionText(RevisionView):
    """A revision with the text as it was written."""

    text: str


class AgentJobView(View):
    """A job that runs on an agent, and its place in the console."""

    id: str
    deployment: str
    started_at: datetime | None
    console: str


class AgentView(View):
    """One agent: what it can do, what it does, and whether it takes jobs; if not, ``closed_because`` of it.

    ``status`` is online, offline, draining, maintenance or waiting for approval, in one word for people.
    ``capabilities`` include the ``labels``, which go before the agent's own; ``slots`` is what an admin set, or else
    ``own_slots``. ``clock_ahead`` is in seconds, and ``clock_warning`` says it in words when it matters.
    """

    name: str
    pool: str
    status: str
    is_online: bool
    takes_jobs: bool
    closed_because: str
    is_approved: bool
    is_draining: bool
    in_maintenance: bool
    maintenance_reason: str
    capabilities: dict[str, str]
    labels: dict[str, str]
    slots: int
    own_slots: int
    busy: int
    jobs: list[AgentJobView]
    version: str
    clock_ahead: float | None
    clock_warning: str
    enrolled_at: datetime
    last_seen_at: datetime | None


class TokenView(View):
    """A token, without its value. ``owner`` is who answers for the service whose token it is."""

    id: str
    name: str
    subject: str
    owner: str | None
    role: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class IssuedToken(TokenView):
    """A token that was just issued; its value is shown this once."""

    value: str


class MailView(View):
    """A mail in the outbox."""

    id: int
    to: str
    subject: str
    sent_at: datetime


class MailText(MailView):
    """A mail with its body."""

    text: str
    html: str


class CallerView(View):
    """Who calls, and with which role; of a service also who answers for it."""

    subject: str
    role: Role
    owner: str | None


class PersonView(View):
    """A person: the address everything of theirs is kept under, and their further ones."""

    address: str
    name: str
    aliases: list[str]


class ConnectionView(View):
    """A connection, without its token."""

    name: str
    kind: ConnectionKind
    url: str
    user: str
    ca: str | None


class GroupView(View):
    """A group and the people in it."""

    name: str
    members: list[str]


class EnrolmentView(View):
    """A one-time token that lets an agent in."""

    token: str
    pool: str
    expires_at: datetime
    needs_approval: bool


class EnrolledView(View):
    """A new agent's name and pool, and the bearer token it uses from now on."""

    name: str
    pool: str
    credential: str


class PulseView(View):
    """The answer to a heartbeat: the task queues that the agent polls, and how many jobs it runs at once."""

    pool: str
    queues: list[str]
    slots: int
    server_time: datetime


class SecretValues(View):
    """Secrets of one step run, by environment name; and what else of its job must not be shown in its log."""

    values: dict[str, str]
    masks: list[str]


class ConnectionWithToken(View):
    """A connection with its token, for the agent that holds the job."""

    name: str
    kind: ConnectionKind
    url: str
    user: str
    token: str
    ca: str | None


class ArtifactToFetch(View):
    """One artifact of a download: its files, and how to sign in where they are."""

    alias: str
    manifest: Manifest
    connection: ConnectionWithToken | None


class ArtifactsToFetch(View):
    """The artifacts of a download."""

    artifacts: list[ArtifactToFetch]


class LogSize(View):
    """How many bytes of the log, or of the file, have arrived."""

    size: int


class HealthView(View):
    """The process lives."""

    status: str


class ReadinessView(View):
    """Whether the process can work, and how each part is: ok or failed."""

    status: str
    parts: dict[str, str]


class VersionView(View):
    """The version of the server."""

    version: str


class ValidView(View):
    """A pipeline file without problems."""

    pipeline: str
    stages: list[str]
