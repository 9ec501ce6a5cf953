"""Outputs, issues and summaries of steps.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op


revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = ("secret_outputs", "issues", "errors", "warnings", "summaries", "files", "progress", "progress_text")


def upgrade() -> None:
    op.create_table(
        "secret_outputs",
        sa.Column("run_id", sa.String(length=270), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("job_id", sa.String(length=250), nullable=False),
        sa.Column("deployment", sa.String(length=180), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name", name=op.f("pk_secret_outputs")),
    )
    op.create_index(op.f("ix_secret_outputs_deployment"), "secret_outputs", ["deployment"])
    op.create_index(op.f("ix_secret_outputs_job_id"), "secret_outputs", ["job_id"])
    for column in (
        sa.Column("secret_outputs", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("issues", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("errors", sa.Integer(), server_default="0", nullable=False),
        sa.Column("warnings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("summaries", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("files", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("progress", sa.Integer(), nullable=True),
        sa.Column("progress_text", sa.String(), server_default="", nullable=False),
    ):
        op.add_column("step_runs", column)


def downgrade() -> None:
    for column in reversed(_COLUMNS):
        op.drop_column("step_runs", column)
    op.drop_index(op.f("ix_secret_outputs_job_id"), "secret_outputs")
    op.drop_index(op.f("ix_secret_outputs_deployment"), "secret_outputs")
    op.drop_table("secret_outputs")
