"""Business hours: the time that counts until somebody is reminded. Values in, value out; the zone is an argument.

Reading a time zone's rules is I/O, and rules change, so workflows leave that to an activity.
"""

from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from domain.frozen import Frozen


class Weekday(StrEnum):
    """Days as authors write them, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


_DAYS = tuple(Weekday)
CLOCK_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
TIME_ZONE_PATTERN = r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$"
_Clock = Annotated[str, StringConstraints(pattern=CLOCK_PATTERN)]


class BusinessHours(Frozen):
    """From ``opens`` to ``closes`` on ``days``, by the clocks of ``timezone``."""

    timezone: Annotated[str, StringConstraints(pattern=TIME_ZONE_PATTERN)] = Field(
        default="UTC", description="Such as Europe/Berlin."
    )
    days: tuple[Weekday, ...] = Field(
        default=_DAYS[:5], min_length=1, max_length=7, description="mon, tue, wed, thu, fri, sat, sun."
    )
    opens: _Clock = Field(default="08:00", description="Such as 08:00.")
    closes: _Clock = Field(default="18:00", description="Such as 18:00; later than opens.")

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.opens >= self.closes:
            message = "closes must be later than opens"
            raise ValueError(message)
        return self


def later(start: datetime, elapsed: timedelta, hours: BusinessHours, zone: tzinfo, latest: datetime) -> datetime:
    """When so much business time has passed since ``start``, in UTC terms of ``start``'s own zone.

    An hour that the clocks skip or repeat counts as it really passes. ``latest`` stands for all that is later: business
    of a minute a week would count a year's time beyond the end of the calendar.
    """
    opening, closing = time.fromisoformat(hours.opens), time.fromisoformat(hours.closes)
    day, last = start.astimezone(zone).date(), latest.astimezone(zone).date()
    left = elapsed
    while day <= last:
        if _DAYS[day.weekday()] in hours.days:
            opens = datetime.combine(day, opening, zone).astimezone(start.tzinfo)
            closes = datetime.combine(day, closing, zone).astimezone(start.tzinfo)
            begin = max(start, opens)
            if begin < closes:
                if left <= closes - begin:
                    return min(begin + left, latest)
                left -= closes - begin
        day += timedelta(days=1)
    return latest
