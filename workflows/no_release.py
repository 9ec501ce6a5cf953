"""The tiny workflow that mails that a release did not start itself. Nobody waits for it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.notifications import LetterKind, Notifications, TellNoRelease
from workflows.options import MAIL_HEARTBEAT, MAIL_RETRY, MAIL_TIMEOUT

_WORTH_TELLING_FOR = timedelta(days=1)


@workflow.defn
class NoReleaseWorkflow:
    """Of one trigger event; it is told once."""

    @workflow.run
    async def run(self, told: TellNoRelease) -> str:
        try:
            await workflow.execute_activity_method(
                Notifications.tell_no_release,
                told,
                schedule_to_close_timeout=_WORTH_TELLING_FOR,
                start_to_close_timeout=MAIL_TIMEOUT,
                heartbeat_timeout=MAIL_HEARTBEAT,
                retry_policy=MAIL_RETRY,
                summary=f"{LetterKind.NO_RELEASE}: {told.pipeline}"[:200],
            )
        except ActivityError:
            return "not told"
        return "told"
