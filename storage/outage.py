"""Which errors of the database are passing: it is away, full or busy for now, and the same request will do later."""

from sqlalchemy.exc import DBAPIError

# Classes of SQLSTATE: connection, no such database (yet), rolled back for another, no resources, locked, stopped,
# input and output.
_PASSING = {"08", "3D", "40", "53", "55", "57", "58"}
_READ_ONLY = "25006"  # the server we write to became a standby


def is_passing(error: DBAPIError) -> bool:
    """Whether it is no fault of the statement."""
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state[:2] in _PASSING or state == _READ_ONLY
