"""Writes the next revision, which brings the schema to ``storage.tables``: ``python -m storage.migrations "why"``."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from storage import schema


def write_revision(why: str) -> None:
    """Compare with a fresh database at head. Read the file before you commit it."""
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{Path(folder) / 'head.db'}")
        with engine.begin() as connection:
            schema.upgrade(connection)
            config = schema.config_on(connection)
            command.revision(config, message=why, autogenerate=True, rev_id=_next_number(config))
        engine.dispose()


def _next_number(config: Config) -> str:
    head = ScriptDirectory.from_config(config).get_current_head()
    return f"{int(head or 0) + 1:04}"


if __name__ == "__main__":
    write_revision(sys.argv[1])
