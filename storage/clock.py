"""What time it is, for adapters whose callers do not say."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The computer's time, aware."""
    return datetime.now(UTC)
