"""The tables. Rows have no methods; JSON columns hold domain models as they dump themselves.

Times are UTC and aware (``UtcDateTime``). Ids are spelt as in ``domain.ids``.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.column_types import Prose, UtcDateTime

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, datetime: UtcDateTime}


class PipelineRow(Table):
    """A pipeline; its definitions are its revisions."""

    __tablename__ = "pipelines"
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    revision: Mapped[int]
    last_number: Mapped[int] = mapped_column(default=0)
    updated_at: Mapped[datetime]


class PipelineRevisionRow(Table):
    """One revision: the text as written and the definition it came to."""

    __tablename__ = "pipeline_revisions"
    pipeline: Mapped[str] = mapped_column(ForeignKey("pipelines.name"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    definition: Mapped[dict[str, Any]]
    author: Mapped[str] = mapped_column(String(320))
    created_at: Mapped[datetime]


class ReleaseRow(Table):
    """A release. ``plan`` is the frozen ReleasePlan; status columns are written by its workflow alone."""

    __tablename__ = "releases"
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63), index=True)
    number: Mapped[int]
    name: Mapped[str] = mapped_column(Prose(200))
    plan: Mapped[dict[str, Any]]
    digest: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(30), index=True)
    waiting_for: Mapped[str] = mapped_column(Prose(), default="")
    reason: Mapped[str] = mapped_column(Prose(), default="")
    requested_by: Mapped[str] = mapped_column(String(320))
    created_at: Mapped[datetime] = mapped_column(index=True)
    started_at: Mapped[datetime | None] = mapped_column(doc="When its workflow was first seen started.")
    finished_at: Mapped[datetime | None] = mapped_column(index=True)
    run_id: Mapped[str | None] = mapped_column(String(64), doc="Temporal run id, for the link to its UI.")
    kept_by: Mapped[str | None] = mapped_column(String(320), doc="Who said that its logs are kept for ever.")
    logs_removed_at: Mapped[datetime | None] = mapped_column(doc="When the logs of all that had ended were removed.")
    logs_kept_days: Mapped[int | None] = mapped_column(doc="How many days they had been kept then.")
    __table_args__ = (UniqueConstraint("pipeline", "number"),)


class StageRow(Table):
    """The latest state of one stage of one release."""

    __tablename__ = "stages"
    release: Mapped[str] = mapped_column(String(100), primary_key=True)
    stage: Mapped[str] = mapped_column(String(63), primary_key=True)
    status: Mapped[str] = mapped_column(String(30))
    reason: Mapped[str] = mapped_column(Prose(), default="")
    attempt: Mapped[int] = mapped_column(default=0)
    updated_at: Mapped[datetime]


class DeploymentRow(Table):
    """One attempt at one stage."""

    __tablename__ = "deployments"
    id: Mapped[str] = mapped_column(String(180), primary_key=True)
    release: Mapped[str] = mapped_column(String(100), index=True)
    stage: Mapped[str] = mapped_column(String(63))
    attempt: Mapped[int]
    status: Mapped[str] = mapped_column(String(30))
    requested_by: Mapped[str] = mapped_column(String(320))
    waiting_for: Mapped[str] = mapped_column(Prose(), default="")
    reason: Mapped[str] = mapped_column(Prose(), default="")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    run_id: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (Index("ix_deployments_by_stage", "stage", "finished_at", "id"),)


class ApprovalRow(Table):
    """One approval of one deployment; ``approval`` is the domain's Approval with its votes."""

    __tablename__ = "approvals"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    deployment: Mapped[str] = mapped_column(String(180), index=True)
    release: Mapped[str] = mapped_column(String(100), index=True, server_default="")
    pipeline: Mapped[str] = mapped_column(String(63), index=True, server_default="")
    stage: Mapped[str] = mapped_column(String(63), server_default="")
    moment: Mapped[str] = mapped_column(String(10))
    verdict: Mapped[str] = mapped_column(String(20))
    approval: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_approvals_by_verdict", "verdict", "opened_at", "id"),
        Index("ix_approvals_by_age", "opened_at", "id"),
    )


class ApproverRow(Table):
    """Who may answer an approval: one row per person, and one per group that is asked, for the inbox.

    A group is its own ``person``, spelt ``group:ops``.
    """

    __tablename__ = "approvers"
    approval_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    person: Mapped[str] = mapped_column(String(320), primary_key=True)
    approver: Mapped[str] = mapped_column(String(320))
    is_asked: Mapped[bool] = mapped_column(doc="Whether this answer is awaited now.")
    __table_args__ = (Index("ix_approvers_inbox", "person", "is_asked"),)


class ApprovalLinkRow(Table):
    """A mailed link, as the SHA-256 of its token. Of its six digits, if any, nothing is kept."""

    __tablename__ = "approval_links"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    approval_id: Mapped[str] = mapped_column(String(200), index=True)
    approver: Mapped[str] = mapped_column(String(320))
    person: Mapped[str] = mapped_column(String(320))
    round: Mapped[int] = mapped_column(default=0, server_default="0")
    level: Mapped[str] = mapped_column(String(10), default="link", server_default="link")
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    wrong_codes: Mapped[int] = mapped_column(default=0, server_default="0")


class DeliveryRow(Table):
    """One mail to one person, sent once: about an approval, or about a decision (then under the deployment's id)."""

    __tablename__ = "deliveries"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    approval_id: Mapped[str] = mapped_column(String(200))
    person: Mapped[str] = mapped_column(String(320))
    kind: Mapped[str] = mapped_column(String(400), doc="Such as ``reminder 2, round 1``; may name an approver.")
    status: Mapped[str] = mapped_column(
        String(20), doc="pending, sent, failed, delivered, bounced, dropped or deferred"
    )
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    message_id: Mapped[str] = mapped_column(Prose(200), default="")
    error: Mapped[str] = mapped_column(Prose(), default="")
    updated_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("approval_id", "person", "kind"),)


class OutboxMailRow(Table):
    """A mail that the local outbox took instead of a mail service. The body holds links, so it is sealed."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    delivery_id: Mapped[str] = mapped_column(String(64), unique=True)
    person: Mapped[str] = mapped_column(String(320), index=True)
    subject: Mapped[str] = mapped_column(Prose())
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    sent_at: Mapped[datetime]


class JobRow(Table):
    """One job of one deployment."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(250), primary_key=True)
    deployment: Mapped[str] = mapped_column(String(180), index=True)
    position: Mapped[int]
    job: Mapped[str] = mapped_column(String(63))
    status: Mapped[str] = mapped_column(String(30))
    pool: Mapped[str] = mapped_column(String(63))
    demands: Mapped[list[Any]]
    agent: Mapped[str | None] = mapped_column(String(63), index=True)
    lease_id: Mapped[str | None] = mapped_column(String(300))
    waiting_for: Mapped[str] = mapped_column(Prose(), default="")
    reason: Mapped[str] = mapped_column(Prose(), default="")
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class StepRunRow(Table):
    """One run of one step. ``secrets`` are names only. ``log_size`` is what the run wrote, once it ended.

    ``is_asked``: people are asked how the job goes on after it.
    """

    __tablename__ = "step_runs"
    id: Mapped[str] = mapped_column(String(270), primary_key=True)
    job_id: Mapped[str] = mapped_column(String(250), index=True)
    step: Mapped[int]
    try_number: Mapped[int]
    title: Mapped[str] = mapped_column(Prose(200))
    status: Mapped[str] = mapped_column(String(30))
    secrets: Mapped[dict[str, Any]]
    exit_code: Mapped[int | None]
    reason: Mapped[str] = mapped_column(Prose(), default="")
    log_size: Mapped[int | None] = mapped_column(BigInteger)
    log_sha256: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    intervention: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    is_asked: Mapped[bool] = mapped_column(default=False, server_default=false(), index=True)
    secret_outputs: Mapped[dict[str, Any]] = mapped_column(
        default=dict, server_default="{}", doc="Where earlier steps set them, by environment name."
    )
    issues: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    errors: Mapped[int] = mapped_column(default=0, server_default="0")
    warnings: Mapped[int] = mapped_column(default=0, server_default="0")
    summaries: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    files: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    progress: Mapped[int | None]
    progress_text: Mapped[str] = mapped_column(Prose(), default="", server_default="")


class SecretOutputRow(Table):
    """A secret that a step set, sealed with AES-GCM bound to this row. ``#`` stands for values without a name."""

    __tablename__ = "secret_outputs"
    run_id: Mapped[str] = mapped_column(String(270), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    job_id: Mapped[str] = mapped_column(String(250), index=True)
    deployment: Mapped[str] = mapped_column(String(180), index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class LogChunkRow(Table):
    """Bytes of a step run's log, from ``offset`` on; chunks neither overlap nor leave gaps.

    ``lines`` counts its line feeds, ``lines_before`` those of the chunks before it.
    """

    __tablename__ = "log_chunks"
    run_id: Mapped[str] = mapped_column(String(270), primary_key=True)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]
    lines: Mapped[int] = mapped_column(default=0, server_default="0")
    lines_before: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    __table_args__ = (Index("ix_log_chunks_by_line", "run_id", "lines_before", "offset"),)


class StepFileChunkRow(Table):
    """Bytes of a file that a step wants kept, from ``offset`` on; ``number`` is its place in the run's ``files``."""

    __tablename__ = "step_file_chunks"
    run_id: Mapped[str] = mapped_column(String(270), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    size: Mapped[int]  # in front of the bytes, so that it is found without reading them
    data: Mapped[bytes] = mapped_column(LargeBinary)


class DeploymentChangesRow(Table):
    """What a deployment changes in its stage, as it was found when it began; ``content`` is a StageChanges."""

    __tablename__ = "deployment_changes"
    deployment: Mapped[str] = mapped_column(String(180), primary_key=True)
    content: Mapped[dict[str, Any]]


class ManifestRow(Table):
    """The files of a pinned artifact; the id is the SHA-256 of the stored content."""

    __tablename__ = "manifests"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[dict[str, Any]]


class EventRow(Table):
    """A line of a release's history."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    release: Mapped[str] = mapped_column(String(100), index=True)
    deployment: Mapped[str | None] = mapped_column(String(180))
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Prose())
    by: Mapped[str] = mapped_column(String(320), default="")


class AppliedEntryRow(Table):
    """Which entries of which workflow run are in the tables already."""

    __tablename__ = "applied_entries"
    workflow_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)


class IdempotencyKeyRow(Table):
    """A POST that was answered: the same key from the same caller gives the same answer for 24 hours."""

    __tablename__ = "idempotency_keys"
    caller: Mapped[str] = mapped_column(String(320), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    release: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]


class TokenRow(Table):
    """A bearer token or browser session, as the SHA-256 of its value."""

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(Prose(200))
    subject: Mapped[str] = mapped_column(
        String(320), doc="Mail address of the person, service:<name>, or the agent's name."
    )
    owner: Mapped[str | None] = mapped_column(String(320), doc="Mail address of who answers for the service.")
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class EnrolmentTokenRow(Table):
    """A one-time token with which an agent enrols, as the SHA-256 of its value."""

    __tablename__ = "enrolment_tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    pool: Mapped[str] = mapped_column(String(63))
    created_by: Mapped[str] = mapped_column(String(320))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    needs_approval: Mapped[bool] = mapped_column(default=False, server_default=false())


class AgentRow(Table):
    """An enrolled agent: what it says of itself, and what admins say of it.

    ``instance_id`` is the installation that bears the name; ``clock_ahead`` is in seconds.
    """

    __tablename__ = "agents"
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    pool: Mapped[str] = mapped_column(String(63), index=True)
    instance_id: Mapped[str] = mapped_column(String(64))
    capabilities: Mapped[dict[str, Any]]
    slots: Mapped[int]
    busy: Mapped[int]
    version: Mapped[str] = mapped_column(Prose(40), default="")
    enrolled_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    clock_ahead: Mapped[float | None]
    is_draining: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_approved: Mapped[bool] = mapped_column(default=True, server_default=true())
    labels: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    set_slots: Mapped[int | None]
    in_maintenance: Mapped[bool] = mapped_column(default=False, server_default=false())
    maintenance_reason: Mapped[str] = mapped_column(Prose(500), default="", server_default="")


class DemandSetRow(Table):
    """A set of demands some job has had; able agents poll its queue."""

    __tablename__ = "demand_sets"
    queue: Mapped[str] = mapped_column(String(255), primary_key=True)
    pool: Mapped[str] = mapped_column(String(63), index=True)
    demands: Mapped[list[Any]]
    wanted_at: Mapped[datetime]


class GroupRow(Table):
    """A group of people who may answer for each other."""

    __tablename__ = "groups"
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    members: Mapped[list[Any]]


class PersonRow(Table):
    """A person, by the address that everything of theirs is kept under."""

    __tablename__ = "people"
    address: Mapped[str] = mapped_column(String(320), primary_key=True)
    name: Mapped[str] = mapped_column(Prose(200), default="")
    updated_at: Mapped[datetime]


class PersonAliasRow(Table):
    """A further address of a person; nobody else's."""

    __tablename__ = "person_aliases"
    alias: Mapped[str] = mapped_column(String(320), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("people.address"), index=True)


class SecretRow(Table):
    """A secret, sealed with AES-GCM bound to its name."""

    __tablename__ = "secrets"
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    updated_by: Mapped[str] = mapped_column(String(320))
    updated_at: Mapped[datetime]


class ConnectionRow(Table):
    """A connection to Jenkins or Azure DevOps; its token is sealed."""

    __tablename__ = "connections"
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(30))
    url: Mapped[str] = mapped_column(Text)
    user: Mapped[str] = mapped_column(String(320), default="")
    sealed_token: Mapped[bytes] = mapped_column(LargeBinary)
    ca: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime]


class TriggerEventRow(Table):
    """What was to start a release, told once or often, and what became of it. ``request`` is a ReleaseRequest."""

    __tablename__ = "trigger_events"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63))
    key: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(20))
    via: Mapped[str] = mapped_column(Prose(200), default="")
    alias: Mapped[str] = mapped_column(String(63), default="")
    version: Mapped[str] = mapped_column(Prose(300), default="")
    label: Mapped[str] = mapped_column(Prose(200), default="")
    branch: Mapped[str | None] = mapped_column(Prose(300))
    url: Mapped[str | None] = mapped_column(Prose(2000))
    people: Mapped[list[Any]]
    request: Mapped[dict[str, Any]]
    outcome: Mapped[str] = mapped_column(String(20), index=True)
    reason: Mapped[str] = mapped_column(Prose(2000), default="")
    release: Mapped[str | None] = mapped_column(String(100))
    received_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None] = mapped_column(doc="When it was handed on that it failed.")
    __table_args__ = (
        UniqueConstraint("pipeline", "key"),
        Index("ix_trigger_events_by_age", "pipeline", "received_at", "id"),
    )


class TriggerPauseRow(Table):
    """A pipeline whose triggers and schedules make no releases for the time being."""

    __tablename__ = "trigger_pauses"
    pipeline: Mapped[str] = mapped_column(ForeignKey("pipelines.name"), primary_key=True)
    by: Mapped[str] = mapped_column(String(320))
    reason: Mapped[str] = mapped_column(Prose(500), default="")
    at: Mapped[datetime]


class TriggerPositionRow(Table):
    """How far the versions of a polled artifact were seen. ``source`` is the identity of where they come from."""

    __tablename__ = "trigger_positions"
    pipeline: Mapped[str] = mapped_column(String(63), primary_key=True)
    alias: Mapped[str] = mapped_column(String(63), primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    seen: Mapped[list[Any]]
    polled_at: Mapped[datetime]
    error: Mapped[str] = mapped_column(Prose(1000), default="")
    failing_since: Mapped[datetime | None]


class HookRow(Table):
    """A named place where other systems tell of builds, or ask for releases; whoever tells knows its secret.

    Only the hash of the secret is kept, but for signatures, which cannot be checked without the secret itself.
    """

    __tablename__ = "hooks"
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    connection: Mapped[str | None] = mapped_column(String(63))
    project: Mapped[str | None] = mapped_column(Prose(200))
    pipelines: Mapped[list[Any]]
    owner: Mapped[str] = mapped_column(String(320))
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    sealed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_by: Mapped[str] = mapped_column(String(320))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
