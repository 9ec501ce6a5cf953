"""Questions that a job asks people.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op


revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("step_runs", sa.Column("intervention", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("step_runs", sa.Column("is_asked", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(op.f("ix_step_runs_is_asked"), "step_runs", ["is_asked"])


def downgrade() -> None:
    op.drop_index(op.f("ix_step_runs_is_asked"), table_name="step_runs")
    op.drop_column("step_runs", "is_asked")
    op.drop_column("step_runs", "intervention")
