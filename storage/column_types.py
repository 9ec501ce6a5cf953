"""Column types that behave the same on SQLite and PostgreSQL."""

import re
from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite forgets time zones, so it is stored as UTC and given back as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time without a zone reached the store"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_LONGEST_PROSE = 20_000


class Prose(TypeDecorator[str]):
    """Words of people and of other systems, made fit to be written: a fact must never fail for its wording.

    PostgreSQL refuses NUL and overlong text, both refuse half characters; SQLite takes the rest as it comes.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        """Cut to ``length`` characters; None: to 20,000, in a column without a limit."""
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else _UNWRITABLE.sub("\ufffd", value)[: self.length or _LONGEST_PROSE]


LARGEST_INTEGER = 2**31 - 1  # of an Integer column; PostgreSQL refuses to compare it with more
