"""When people are reminded, and when their deputies are asked."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.approval_policy import ApprovalPolicy
from domain.business_hours import BusinessHours, later
from domain.reminding import Reminding, plan_reminding

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
BERLIN = ZoneInfo("Europe/Berlin")
HOURS = BusinessHours(timezone="Europe/Berlin", opens="09:00", closes="17:00")
LATEST = NOON + timedelta(days=1000)


def policy(**keys: Any) -> ApprovalPolicy:
    """A policy that asks Ana."""
    return ApprovalPolicy.model_validate({"approvers": ["ana@example.com"], **keys})


def hours_of(moments: tuple[datetime, ...]) -> list[int]:
    return [round((moment - NOON) / timedelta(hours=1)) for moment in moments]


def test_each_wait_for_a_reminder_is_twice_the_one_before() -> None:
    """So that nobody is pestered, and nobody forgets."""
    reminding = plan_reminding(policy(), NOON, NOON + timedelta(days=30))
    assert [4, 12, 28, 60, 124, 252, 508] == hours_of(reminding.reminders)
    assert reminding.escalate_at is None


def test_a_year_of_waiting_is_some_twenty_mails() -> None:
    """No wait is longer than thirty days."""
    reminders = plan_reminding(policy(timeout="365d"), NOON, NOON + timedelta(days=365)).reminders
    assert 18 == len(reminders)
    assert timedelta(days=30) == reminders[-1] - reminders[-2]


def test_nothing_is_planned_beyond_the_expiry() -> None:
    """Neither a reminder nor an escalation."""
    wanted = policy(remind="1h", escalate={"after": "5h", "to": ["dee@example.com"]}, timeout="6h")
    short = plan_reminding(wanted, NOON, NOON + timedelta(hours=4))
    assert [1, 3] == hours_of(short.reminders)
    assert short.escalate_at is None
    assert NOON + timedelta(hours=5) == plan_reminding(wanted, NOON, NOON + timedelta(hours=6)).escalate_at


def test_who_wants_no_reminders_gets_none() -> None:
    """The escalation stands for itself."""
    wanted = policy(remind="never", escalate={"to": ["dee@example.com"]})
    reminding = plan_reminding(wanted, NOON, NOON + timedelta(days=30))
    assert () == reminding.reminders
    assert NOON + timedelta(hours=24) == reminding.next_moment(0)


def test_the_next_moment_is_the_earlier_of_reminder_and_escalation() -> None:
    """And nothing once both have passed."""
    wanted = policy(remind="4h", escalate={"after": "6h", "to": ["dee@example.com"]}, timeout="8h")
    reminding = plan_reminding(wanted, NOON, NOON + timedelta(hours=8))
    assert NOON + timedelta(hours=4) == reminding.next_moment(0)
    assert NOON + timedelta(hours=6) == reminding.next_moment(1)
    assert reminding.model_copy(update={"escalate_at": None}).next_moment(1) is None


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2026-11-23T12:00+01:00", 4, "2026-11-23T16:00+01:00"),  # Monday noon
        ("2026-11-23T15:00+01:00", 4, "2026-11-24T11:00+01:00"),  # over the night
        ("2026-11-27T16:00+01:00", 4, "2026-11-30T12:00+01:00"),  # over the weekend
        ("2026-11-28T03:00+01:00", 1, "2026-11-30T10:00+01:00"),  # asked on a Saturday night
        ("2026-11-23T13:00+01:00", 4, "2026-11-23T17:00+01:00"),  # just as they close
        ("2026-11-23T12:00+01:00", 80, "2026-12-07T12:00+01:00"),  # two weeks of eight-hour days
        ("2026-03-27T16:00+01:00", 2, "2026-03-30T10:00+02:00"),  # over the night that lacks an hour
        ("2026-10-23T16:00+02:00", 2, "2026-10-26T10:00+01:00"),  # over the night with one too many
    ],
)
def test_business_time_passes_while_business_is_open(start: str, hours: int, expected: str) -> None:
    """By the clocks of the place, whatever they do."""
    moment = later(datetime.fromisoformat(start).astimezone(UTC), timedelta(hours=hours), HOURS, BERLIN, LATEST)
    assert datetime.fromisoformat(expected) == moment
    assert UTC == moment.tzinfo


@given(
    st.integers(0, 365 * 24 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes)),
    st.timedeltas(timedelta(minutes=1), timedelta(hours=40)),
    st.timedeltas(timedelta(0), timedelta(hours=40)),
)
def test_business_time_adds_up(start: datetime, first: timedelta, more: timedelta) -> None:
    """Waiting twice is waiting once for as long as both together."""
    midway = later(start, first, HOURS, BERLIN, LATEST)
    assert later(start, first + more, HOURS, BERLIN, LATEST) == later(midway, more, HOURS, BERLIN, LATEST)


def test_business_of_a_minute_a_week_ends_with_the_approval() -> None:
    """Nobody counts to the end of the calendar: what comes after the expiry does not come."""
    hours = {"days": ["mon"], "opens": "00:00", "closes": "00:01"}
    wanted = policy(remind="3650d", escalate={"after": "364d", "to": ["dee@example.com"]}, business_hours=hours)
    assert Reminding() == plan_reminding(wanted, NOON, NOON + timedelta(days=365), UTC)


def test_hours_that_close_before_they_open_are_refused() -> None:
    """Such a day would never pass."""
    with pytest.raises(ValueError, match="closes must be later than opens"):
        BusinessHours(opens="17:00", closes="09:00")


def test_reminders_keep_to_business_hours_where_the_policy_has_them() -> None:
    """Friday afternoon's four hours end on Monday."""
    asked = datetime(2026, 11, 27, 15, tzinfo=UTC)  # 16:00 in Berlin
    wanted = policy(business_hours={"timezone": "Europe/Berlin", "opens": "09:00", "closes": "17:00"})
    reminding = plan_reminding(wanted, asked, asked + timedelta(days=10), BERLIN)
    assert datetime(2026, 11, 30, 11, tzinfo=UTC) == reminding.reminders[0]
