"""Plan reminders by the clocks of a time zone. Its rules are read from disk, which no workflow may do."""

import logging
from datetime import datetime
from zoneinfo import ZoneInfo

from temporalio import activity

from domain.approval_policy import ApprovalPolicy
from domain.frozen import Frozen
from domain.reminding import Reminding, plan_reminding

_logger = logging.getLogger(__name__)


class RemindingRequest(Frozen):
    """Who was asked when, under which policy."""

    policy: ApprovalPolicy
    asked_at: datetime
    expires_at: datetime


class BusinessClock:
    """Local activity of the release worker; pure but for the rules of time zones."""

    @activity.defn
    async def plan_reminding(self, request: RemindingRequest) -> Reminding:
        hours = request.policy.business_hours
        return plan_reminding(
            request.policy, request.asked_at, request.expires_at, _zone(hours.timezone) if hours else None
        )


def _zone(name: str) -> ZoneInfo:
    """UTC where this machine does not know the zone: a reminder at another hour is better than none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):
        _logger.warning("unknown time zone, reminders follow UTC", extra={"timezone": name})
        return ZoneInfo("UTC")
