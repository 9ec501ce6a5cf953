"""Telling those who requested a deployment that a job of it asks people. The job never waits for a mail."""

from datetime import timedelta

from temporalio import workflow

from activities.notifications import LetterKind, Notifications, TellDecisionWanted
from activities.records import StepFact
from domain.ids import DeploymentId
from domain.intervention import Intervention
from domain.person import Requester
from domain.release import ReleasePlan
from workflows.abandoned import let_go
from workflows.options import MAIL_HEARTBEAT, MAIL_RETRY, MAIL_TIMEOUT


class Telling:
    """Of one deployment. A service reads no mail: the person whom it acted for is told, else its owner."""

    def __init__(self, deployment: DeploymentId, plan: ReleasePlan, requester: Requester) -> None:
        self._deployment = deployment
        self._plan = plan
        behind = plan.requested_for if requester.name == plan.requested_by else ""
        names = tuple(name for name in dict.fromkeys((requester.name, behind)) if "@" in name)
        self._people = names or requester.addresses[:1]

    def tell(self, run: StepFact, asked: Intervention) -> None:
        """Mail the question, where there is somebody to tell; tried until its time is up."""
        left = asked.expires_at - workflow.now()
        if not self._people or left <= timedelta(0):
            return
        mail = workflow.start_activity_method(
            Notifications.tell_decision_wanted,
            TellDecisionWanted(
                run_id=run.run_id,
                deployment=str(self._deployment),
                people=self._people,
                title=run.title,
                question=asked.question,
                choices=tuple(remedy.words for remedy in asked.options),
                expires_at=asked.expires_at,
                release_name=self._plan.name,
                pipeline=self._plan.id.pipeline,
                stage=self._deployment.stage,
            ),
            schedule_to_close_timeout=left,
            start_to_close_timeout=min(MAIL_TIMEOUT, left),
            heartbeat_timeout=MAIL_HEARTBEAT,
            retry_policy=MAIL_RETRY,
            summary=f"{LetterKind.DECISION}: {run.title}"[:200],
        )
        let_go(mail)
