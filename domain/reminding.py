"""When people who were asked are reminded, and when their deputies are asked too."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, tzinfo

from domain.approval_policy import ApprovalPolicy
from domain.business_hours import later
from domain.frozen import Frozen

LONGEST_WAIT = timedelta(days=30)


class Reminding(Frozen):
    """The moments at which one who was asked is reminded, in order, and the one at which deputies are asked too."""

    reminders: tuple[datetime, ...] = ()
    escalate_at: datetime | None = None

    def next_moment(self, reminded: int) -> datetime | None:
        """What comes next for somebody who was reminded so often."""
        coming = [*self.reminders[reminded : reminded + 1], *([self.escalate_at] if self.escalate_at else [])]
        return min(coming, default=None)


def plan_reminding(
    policy: ApprovalPolicy, asked_at: datetime, expires_at: datetime, zone: tzinfo | None = None
) -> Reminding:
    """Plan the moments up to the expiry. ``zone`` is that of the business hours; without it every hour counts.

    Waits double, up to thirty days, so that a year of waiting is some twenty mails.
    """

    def after(elapsed: timedelta) -> datetime:
        if policy.business_hours is None or zone is None:
            return asked_at + elapsed
        return later(asked_at, elapsed, policy.business_hours, zone, expires_at)

    escalate_at = after(policy.escalate.after) if policy.escalate else None
    return Reminding(
        reminders=tuple(_reminders(policy, after, expires_at)),
        escalate_at=escalate_at if escalate_at and escalate_at < expires_at else None,
    )


def _reminders(
    policy: ApprovalPolicy, after: Callable[[timedelta], datetime], expires_at: datetime
) -> Iterator[datetime]:
    if policy.remind == "never":
        return
    wait = elapsed = policy.remind
    while (moment := after(elapsed)) < expires_at:
        yield moment
        wait = min(2 * wait, LONGEST_WAIT)
        elapsed += wait
