"""Files that steps want kept.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op


revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "step_file_chunks",
        sa.Column("run_id", sa.String(length=270), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "number", "offset", name=op.f("pk_step_file_chunks")),
    )


def downgrade() -> None:
    op.drop_table("step_file_chunks")
