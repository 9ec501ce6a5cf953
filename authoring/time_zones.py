"""The time zones a pipeline names. Which there are is known to the machine, so no rule of the domain can tell."""

from functools import cache
from zoneinfo import available_timezones

from domain.pipeline import Pipeline
from domain.pipeline_rules import BrokenRule

_OF_A_MACHINE = {"localtime", "Factory"}  # other times on every machine, or none


def unknown_time_zones(pipeline: Pipeline) -> list[BrokenRule]:
    """What is wrong with the business hours of approvals, and with schedules."""
    schedules = [
        BrokenRule(
            path=("schedules", at, "timezone"),
            message=f"there is no time zone {schedule.timezone}",
            known=_zones(),
            wrong=schedule.timezone,
        )
        for at, schedule in enumerate(pipeline.schedules)
        if schedule.timezone not in _zones()
    ]
    return schedules + [
        BrokenRule(
            path=("stages", at, where, "approval", "business_hours", "timezone"),
            message=f"there is no time zone {zone}",
            known=_zones(),
            wrong=zone,
        )
        for at, stage in enumerate(pipeline.stages)
        for where, checks in (("before", stage.before), ("after_deployment", stage.after_deployment))
        if checks.approval
        and checks.approval.business_hours
        and (zone := checks.approval.business_hours.timezone) not in _zones()
    ]


@cache
def _zones() -> tuple[str, ...]:
    return tuple(sorted(available_timezones() - _OF_A_MACHINE))
