"""Clocks that are wrong: what is told of them, and times by them that are made to fit ours."""

from datetime import datetime, timedelta

_WORTH_TELLING = 5.0
_UNITS = ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def clock_warning(ahead: float | None) -> str:
    """``its clock is 3 min ahead``; empty for one that is right, give or take the way of a message."""
    if ahead is None or abs(ahead) < _WORTH_TELLING:
        return ""
    size, unit = next(known for known in _UNITS if abs(ahead) >= known[0])
    count = round(abs(ahead) / size)
    return (
        f"its clock is {count} {'day' if (unit, count) == ('days', 1) else unit} {'ahead' if ahead > 0 else 'behind'}"
    )


def between(asked: datetime, heard: datetime, started: datetime, finished: datetime) -> tuple[datetime, datetime]:
    """When something started and finished that was asked for and told of at these times of ours.

    Told by a clock that is right, it lies between them and is believed. Otherwise only how long it took is.
    """
    if asked <= started <= finished <= heard:
        return started, finished
    took = max(finished - started, timedelta(0))
    return asked, min(asked + took, max(asked, heard))
