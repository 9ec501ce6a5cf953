"""How long a command that follows something waits for a server that is away: long enough for a restart of it."""

import time

from cli.exit_codes import ExitCode
from cli.failure import Failure

_SECONDS = 60.0


class Patience:
    """Counts from the first failure after the last success."""

    def __init__(self) -> None:
        self._away_since: float | None = None

    def bear(self, failure: Failure) -> None:
        """Raise the failure when it is no absent server, or when that has been away for too long."""
        now = time.monotonic()
        self._away_since = now if self._away_since is None else self._away_since
        if failure.code != ExitCode.CANNOT_REACH or now - self._away_since > _SECONDS:
            raise failure

    def renew(self) -> None:
        """It answered."""
        self._away_since = None
