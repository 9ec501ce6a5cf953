"""Moments as people write them on a command line."""

from datetime import datetime

import typer


def moment(written: str) -> str:
    """Read ``2026-12-01 08:00`` (by the clock of this machine) or a time with its zone; gives RFC 3339."""
    try:
        return datetime.fromisoformat(written.strip()).astimezone().isoformat()
    except (ValueError, OverflowError) as error:
        text = f"{written!r} is no time; write 2026-12-01 08:00, or with its zone 2026-12-01T08:00Z"
        raise typer.BadParameter(text) from error
