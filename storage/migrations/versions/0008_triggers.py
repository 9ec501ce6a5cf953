"""Releases that start themselves.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op


revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trigger_events",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("pipeline", sa.String(63), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("via", sa.String(200), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("version", sa.String(300), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("branch", sa.String(300), nullable=True),
        sa.Column("url", sa.String(2000), nullable=True),
        sa.Column("people", sa.JSON(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(2000), nullable=False),
        sa.Column("release", sa.String(100), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trigger_events")),
        sa.UniqueConstraint("pipeline", "key", name=op.f("uq_trigger_events_pipeline")),
    )
    op.create_index("ix_trigger_events_by_age", "trigger_events", ["pipeline", "received_at", "id"])
    op.create_index(op.f("ix_trigger_events_outcome"), "trigger_events", ["outcome"])
    op.create_table(
        "trigger_pauses",
        sa.Column("pipeline", sa.String(63), nullable=False),
        sa.Column("by", sa.String(320), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipelines.name"], name=op.f("fk_trigger_pauses_pipeline")),
        sa.PrimaryKeyConstraint("pipeline", name=op.f("pk_trigger_pauses")),
    )
    op.create_table(
        "trigger_positions",
        sa.Column("pipeline", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.String(1000), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("pipeline", "alias", name=op.f("pk_trigger_positions")),
    )
    op.create_table(
        "hooks",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("connection", sa.String(63), nullable=True),
        sa.Column("project", sa.String(200), nullable=True),
        sa.Column("pipelines", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String(320), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=True),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=True),
        sa.Column("created_by", sa.String(320), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_hooks")),
    )


def downgrade() -> None:
    op.drop_table("hooks")
    op.drop_table("trigger_positions")
    op.drop_table("trigger_pauses")
    op.drop_index(op.f("ix_trigger_events_outcome"), table_name="trigger_events")
    op.drop_index("ix_trigger_events_by_age", table_name="trigger_events")
    op.drop_table("trigger_events")
