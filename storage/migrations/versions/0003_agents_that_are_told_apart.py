"""What agents say of themselves and what admins say of them.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NO = sa.false()


def upgrade() -> None:
    with op.batch_alter_table("agents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("clock_ahead", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("is_draining", sa.Boolean(), server_default=_NO, nullable=False))
        batch_op.add_column(sa.Column("is_approved", sa.Boolean(), server_default=sa.true(), nullable=False))
        batch_op.add_column(sa.Column("labels", sa.JSON(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("set_slots", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("in_maintenance", sa.Boolean(), server_default=_NO, nullable=False))
        batch_op.add_column(sa.Column("maintenance_reason", sa.String(500), server_default="", nullable=False))

    with op.batch_alter_table("enrolment_tokens", schema=None) as batch_op:
        batch_op.add_column(sa.Column("needs_approval", sa.Boolean(), server_default=_NO, nullable=False))


def downgrade() -> None:
    # Nobody let these in yet, and the version before would give them jobs.
    op.execute(sa.text("DELETE FROM agents WHERE NOT is_approved"))
    op.execute(sa.text("DELETE FROM enrolment_tokens WHERE needs_approval"))

    with op.batch_alter_table("enrolment_tokens", schema=None) as batch_op:
        batch_op.drop_column("needs_approval")

    with op.batch_alter_table("agents", schema=None) as batch_op:
        batch_op.drop_column("maintenance_reason")
        batch_op.drop_column("in_maintenance")
        batch_op.drop_column("set_slots")
        batch_op.drop_column("labels")
        batch_op.drop_column("is_approved")
        batch_op.drop_column("is_draining")
        batch_op.drop_column("clock_ahead")
