"""Runs revisions on the connection that ``storage.schema`` hands over; it owns the transaction."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from storage.column_types import Prose, UtcDateTime
from storage.tables import Table


def _render(_kind: str, written: object, _context: AutogenContext) -> str | Literal[False]:
    """Old revisions must not change when our column types do, so they name none of them."""
    if isinstance(written, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(written, Prose):
        return f"sa.String({written.length or ''})"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
