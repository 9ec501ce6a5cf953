"""Times as cron writes them, read as Temporal reads them: five fields, each a list of numbers, ranges and steps.

Temporal fires when *all* fields fit; other crons are content with one of day and weekday where both are given.
"""

import re
from typing import NamedTuple

_FIELDS = 5
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_PART = re.compile(r"(\*|[0-9]{1,4}|[A-Z]{3})(?:-([0-9]{1,4}|[A-Z]{3}))?(?:/([0-9]{1,4}))?")


class _Field(NamedTuple):
    title: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_ALL = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _WEEKDAYS),
)


def what_is_wrong(cron: str) -> str:
    """In words; empty when Temporal would take it, and it fires at all."""
    fields = cron.split()
    if len(fields) != _FIELDS:
        return f"has {len(fields)} fields; write five: minute, hour, day, month, weekday, such as 0 6 * * MON-FRI"
    read = list[set[int]]()
    for text, field in zip(fields, _ALL, strict=True):
        numbers = _numbers(text, field)
        if isinstance(numbers, str):
            return numbers
        read.append(numbers)
    _, _, days, months, _ = read
    if all(min(days) > _LONGEST_MONTHS.get(month, 31) for month in months):
        return "never comes: no such month has that day"
    return ""


def _numbers(text: str, field: _Field) -> set[int] | str:
    """All that the field stands for, or what is wrong with it."""
    found = set[int]()
    for part in text.upper().split(","):
        read = _PART.fullmatch(part)
        if read is None:
            return f"{field.title}: {part or 'nothing'} is none of *, 5, 1-5, */10, 1-5/2 or a list of them"
        first, last, step = read.groups()
        low = field.first if first == "*" else _number(first, field)
        high = field.last if first == "*" else _number(last or first, field)
        if low is None or high is None or (first == "*" and last):
            what = "a number" if not field.names else f"a number or a name such as {field.names[1]}"
            return f"{field.title}: {part} is outside {field.first}-{field.last}; write {what}"
        if low > high:
            return f"{field.title}: {part} ends before it begins"
        if step is not None and (int(step) == 0 or (first != "*" and last is None)):
            return f"{field.title}: {part} makes no sense; write steps as */10 or 1-5/2"
        found.update(range(low, high + 1, int(step or 1)))
    return found


def _number(text: str, field: _Field) -> int | None:
    if text in field.names:
        return field.names.index(text) + (field.first if field.title == "month" else 0)
    return int(text) if text.isdecimal() and field.first <= int(text) <= field.last else None
