"""Which artifacts an agent may fetch before they are needed: those of jobs it could take once people have approved."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.approval import Moment, Verdict
from domain.artifact import PinnedArtifact
from domain.ids import DeploymentId
from domain.matching import Capabilities, missing
from domain.release import ReleasePlan
from storage.agents import agent, capabilities_of, why_closed
from storage.tables import ApprovalRow, DeploymentRow, ReleaseRow

_MOST_DEPLOYMENTS = 20
_MOST_ARTIFACTS = 50


async def wanted_soon(session: AsyncSession, name: str) -> list[PinnedArtifact]:
    """For the agent of this name, each once, those of the newest approvals first; none while it takes no jobs.

    What the tables say already is enough: an approval before a deployment waits, and the release is pinned.
    """
    row = await agent(session, name)
    if row is None or why_closed(row):
        return []
    waiting = await session.execute(
        select(ApprovalRow.deployment, ReleaseRow.plan)
        .join(DeploymentRow, DeploymentRow.id == ApprovalRow.deployment)
        .join(ReleaseRow, ReleaseRow.id == DeploymentRow.release)
        .where(
            ApprovalRow.verdict == Verdict.PENDING,
            ApprovalRow.moment == Moment.BEFORE,
            DeploymentRow.finished_at.is_(None),
        )
        .order_by(ApprovalRow.opened_at.desc(), ApprovalRow.id)
        .limit(_MOST_DEPLOYMENTS)
    )
    found: dict[str, PinnedArtifact] = {}
    for deployment, written in waiting:
        plan, stage = ReleasePlan.model_validate(written), DeploymentId.parse(deployment).stage
        for pin in _of_jobs_it_could_take(plan, stage, row.pool, capabilities_of(row)):
            found.setdefault(pin.manifest_id, pin)
    return list(found.values())[:_MOST_ARTIFACTS]


def _of_jobs_it_could_take(
    plan: ReleasePlan, stage: str, pool: str, capabilities: Capabilities
) -> Iterator[PinnedArtifact]:
    for job in plan.pipeline.stage(stage).jobs:
        if job.pool == pool and not missing(capabilities, job.demands):
            yield from plan.artifacts_of(job)
