"""An approval with all that one must know to answer it."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from api.acting import NoSuchApproval
from api.approval_view import approval_view_of
from api.approval_views import ApprovalView
from api.pages.changes import changes_of
from api.queries import release_row
from domain.approval import Approval
from domain.changes import StageChanges
from domain.ids import DeploymentId
from domain.release import ReleasePlan
from storage import approvals
from storage.deliveries import deliveries


@dataclass(frozen=True)
class Question:
    """``plan`` is the release as it is now, which may be another one than was asked about."""

    approval: Approval
    view: ApprovalView
    plan: ReleasePlan
    changes: StageChanges

    @property
    def is_of_this_plan(self) -> bool:
        """Whether what is shown is what the approval binds to.

        A release and its deployments tell the tables of a change one after the other.
        """
        return self.plan.digest == self.approval.digest


async def question(session: AsyncSession, approval_id: str) -> Question:
    """Raises NoSuchApproval."""
    row = await approvals.get(session, approval_id)
    if row is None:
        raise NoSuchApproval(f"nobody is asked for the approval {approval_id}")
    deployment = DeploymentId.parse(row.deployment)
    plan = ReleasePlan.model_validate((await release_row(session, deployment.release)).plan)
    return Question(
        approval=Approval.model_validate(row.approval),
        view=approval_view_of(row, await deliveries(session, approval_id)),
        plan=plan,
        changes=await changes_of(session, plan, deployment),
    )
