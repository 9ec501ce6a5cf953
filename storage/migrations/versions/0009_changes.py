"""What changes with a deployment.

Revision 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op


revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deployment_changes",
        sa.Column("deployment", sa.String(length=180), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("deployment", name=op.f("pk_deployment_changes")),
    )
    op.create_index("ix_deployments_by_stage", "deployments", ["stage", "finished_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_deployments_by_stage", "deployments")
    op.drop_table("deployment_changes")
