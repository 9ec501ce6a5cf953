"""Where a page of a list ended, as one opaque word: the time and id of its last row.

Lists are read on from there by comparing keys, so rows that arrive meanwhile neither repeat nor hide others.
"""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from domain.refusal import Refusal
from storage.column_types import UtcDateTime


class BadCursor(Refusal):
    """The cursor is none that a list gave out."""


def write(at: datetime, key: str) -> str:
    """The cursor of a row."""
    word = f"{at.astimezone(UTC).isoformat()}|{key}"
    return base64.urlsafe_b64encode(word.encode()).decode().rstrip("=")


def read(cursor: str) -> tuple[datetime, str]:
    """Time and id of the row; raises BadCursor."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        at, separator, key = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition("|")
        moment = datetime.fromisoformat(at)
        moment.astimezone(UTC)  # the ends of time have none
    except (ValueError, OverflowError, binascii.Error):
        raise BadCursor("this cursor was not given out by this list") from None
    if not separator or moment.tzinfo is None or "\0" in key:
        raise BadCursor("this cursor was not given out by this list")
    return moment, key


def older(at: InstrumentedAttribute[datetime], key: InstrumentedAttribute[Any], cursor: str) -> ColumnElement[bool]:
    """The rows after the cursor's in a list from newest to oldest."""
    moment, last = read(cursor)
    return tuple_(at, key) < tuple_(literal(moment, UtcDateTime()), literal(last))


def newer(at: InstrumentedAttribute[datetime], key: InstrumentedAttribute[Any], cursor: str) -> ColumnElement[bool]:
    """The rows after the cursor's in a list from oldest to newest."""
    moment, last = read(cursor)
    return tuple_(at, key) > tuple_(literal(moment, UtcDateTime()), literal(last))
