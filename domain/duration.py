"""Durations as people write them: ``90s``, ``10m``, ``3h``, ``30d``."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LARGEST_FIRST = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
PATTERN = r"^[0-9]{1,9}[smhd]$"
LONGEST = timedelta(days=3650)


def parse(text: object) -> timedelta:
    """Read ``"10m"``; raises ValueError naming the accepted forms. A timedelta passes unchanged.

    Ten years are the most: more than that overflows the timers of Temporal and the calendar.
    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not re.fullmatch(PATTERN, text):
        message = "write a duration as a whole number and a unit, such as 90s, 10m, 3h or 30d"
        raise ValueError(message)
    duration = timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    if duration > LONGEST:
        message = f"must be at most {render(LONGEST)}"
        raise ValueError(message)
    return duration


def render(duration: timedelta) -> str:
    """Write a duration in its largest whole unit: one hour is ``1h``, ninety seconds ``90s``."""
    seconds = int(duration.total_seconds())
    for unit, size in _LARGEST_FIRST:
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse),
    PlainSerializer(render, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "10m", "3h", "30d"]}),
]


def _more_than_nothing(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        message = "must be more than 0"
        raise ValueError(message)
    return duration


# A timeout of nothing would mean "no timeout" to Temporal.
PositiveDuration = Annotated[Duration, AfterValidator(_more_than_nothing)]
