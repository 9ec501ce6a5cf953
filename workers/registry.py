"""Every workflow there is, and the activities of the release worker. A test compares this with what is decorated."""

from collections.abc import Callable
from typing import Any

from activities.agents import Agents
from activities.changes import Changes
from activities.notifications import Notifications
from activities.pinning import Pinning
from activities.records import Records
from activities.reminding import BusinessClock
from activities.triggers import Triggers
from activities.turns import EnvironmentQueues
from workflows.deployment import DeploymentWorkflow
from workflows.environment import EnvironmentWorkflow
from workflows.no_release import NoReleaseWorkflow
from workflows.polling import PollWorkflow, ScheduledReleaseWorkflow
from workflows.release import ReleaseWorkflow

WORKFLOWS: list[type] = [
    ReleaseWorkflow,
    DeploymentWorkflow,
    EnvironmentWorkflow,
    PollWorkflow,
    ScheduledReleaseWorkflow,
    NoReleaseWorkflow,
]


def release_activities(
    records: Records,
    pinning: Pinning,
    agents: Agents,
    notifications: Notifications,
    changes: Changes,
    triggers: Triggers,
) -> list[Callable[..., Any]]:
    """What the release worker runs itself; all else runs on agents."""
    queues, clock = EnvironmentQueues(), BusinessClock()
    return [
        records.record,
        pinning.pin_artifact,
        agents.find_agent,
        changes.find_changes,
        triggers.look_for_versions,
        triggers.note_firing,
        notifications.ask_approver,
        notifications.tell_unreachable,
        notifications.tell_decision_wanted,
        notifications.tell_no_release,
        clock.plan_reminding,
        queues.ask_for_turn,
        queues.still_open,
    ]
