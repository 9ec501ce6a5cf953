"""Lines of logs, and how long logs are kept.

Revision 0005, after 0004.
"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BATCH = 16  # chunks of up to a mebibyte

_chunks = sa.table(
    "log_chunks",
    sa.column("run_id", sa.String),
    sa.column("offset", sa.BigInteger),
    sa.column("data", sa.LargeBinary),
    sa.column("lines", sa.Integer),
    sa.column("lines_before", sa.BigInteger),
)


def upgrade() -> None:
    # Added in place: log_chunks may hold gigabytes, and a batch would copy them on SQLite.
    op.add_column("log_chunks", sa.Column("lines", sa.Integer(), server_default="0", nullable=False))
    op.add_column("log_chunks", sa.Column("lines_before", sa.BigInteger(), server_default="0", nullable=False))
    _count_lines()
    op.create_index("ix_log_chunks_by_line", "log_chunks", ["run_id", "lines_before", "offset"], unique=False)
    op.add_column("releases", sa.Column("kept_by", sa.String(length=320), nullable=True))
    op.add_column("releases", sa.Column("logs_removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("releases", sa.Column("logs_kept_days", sa.Integer(), nullable=True))
    op.create_index("ix_releases_finished_at", "releases", ["finished_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_releases_finished_at", table_name="releases")
    op.drop_column("releases", "logs_kept_days")
    op.drop_column("releases", "logs_removed_at")
    op.drop_column("releases", "kept_by")
    op.drop_index("ix_log_chunks_by_line", table_name="log_chunks")
    op.drop_column("log_chunks", "lines_before")
    op.drop_column("log_chunks", "lines")


def _count_lines() -> None:
    connection = op.get_bind()
    for run_id in connection.scalars(sa.select(_chunks.c.run_id).distinct()).all():
        before = 0
        for batch in _in_batches(connection, run_id):
            counted = []
            for offset, data in batch:
                lines = data.count(b"\n")
                counted.append({"at": offset, "lines": lines, "lines_before": before})
                before += lines
            connection.execute(
                sa.update(_chunks)
                .where(_chunks.c.run_id == run_id, _chunks.c.offset == sa.bindparam("at"))
                .values(lines=sa.bindparam("lines"), lines_before=sa.bindparam("lines_before")),
                counted,
            )


def _in_batches(connection: sa.Connection, run_id: str) -> Iterator[list[tuple[int, bytes]]]:
    """The chunks of one log in their order, of which no more than a batch is in memory."""
    last = -1
    while rows := connection.execute(
        sa.select(_chunks.c.offset, _chunks.c.data)
        .where(_chunks.c.run_id == run_id, _chunks.c.offset > last)
        .order_by(_chunks.c.offset)
        .limit(_BATCH)
    ).all():
        yield [(row.offset, bytes(row.data)) for row in rows]
        last = rows[-1].offset
