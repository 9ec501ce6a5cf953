"""The schema's revisions, run and compared on a connection that is in a transaction already."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from storage.tables import Table

_LOCK = 5_317_004  # any number; the same for every process that migrates this database


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run what is missing. Waits for another process that is migrating the same database."""
    _wait_for_others(connection)
    command.upgrade(config_on(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Go back to a revision (``-1``: the one before)."""
    _wait_for_others(connection)
    command.downgrade(config_on(connection), revision)


def is_at_head(connection: Connection) -> bool:
    """Whether nothing is left to run."""
    head = ScriptDirectory.from_config(config_on(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


def drift(connection: Connection) -> list[str]:
    """How the database differs from ``storage.tables``, one difference a line; nothing when all is well."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
    return [str(difference) for difference in compare_metadata(context, Table.metadata)]


def config_on(connection: Connection) -> Config:
    """Alembic's settings, which stand here instead of in an ini file so that they are there when installed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _wait_for_others(connection: Connection) -> None:
    """SQLite's BEGIN IMMEDIATE waited already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
