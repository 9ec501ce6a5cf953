"""An approval that is open in a world of the API: its workflow waits, and the tables show it."""

from collections.abc import Mapping
from typing import Any

from fakes.api_world import NOW, World

from activities.records import ApprovalFact, DeploymentFact
from domain.approval import Approval, Asked, Moment
from domain.approval_policy import ApprovalPolicy
from domain.ids import DeploymentId
from domain.status import StageStatus

ANA, RITA, BEN = "ana@example.com", "rita@example.com", "ben@example.com"
PROD = DeploymentId.parse("webshop/1/prod/1")
DIGEST = "d" * 64
PATH = f"/approvals/{PROD}/before"


async def ask(
    world: World,
    deployment: DeploymentId = PROD,
    members: Mapping[str, tuple[str, ...]] | None = None,
    **policy: Any,
) -> None:
    """Ana and Rita are asked, or who the policy says; Rita requested the deployment. ``members`` by group."""
    approvers = policy.pop("approvers", (ANA, RITA))
    approval = Approval(
        policy=ApprovalPolicy(approvers=approvers, **policy),
        asked=tuple(Asked(approver=one, members=(members or {}).get(one, (one,))) for one in approvers),
        digest=DIGEST,
        requesters=(RITA,),
        requester_addresses=(RITA,),
        opened_at=world.clock(),
    )
    world.orchestrator.ask(deployment, Moment.BEFORE, approval)
    await write(world, approval, deployment)


async def write(world: World, approval: Approval, deployment: DeploymentId = PROD) -> None:
    """Let the tables show it so."""
    await world.record(
        deployment.workflow_id,
        DeploymentFact(deployment=str(deployment), status=StageStatus.WAITING, requested_by=RITA, started_at=NOW),
        ApprovalFact(
            approval_id=f"{deployment}/before", deployment=str(deployment), moment="before", approval=approval
        ),
    )


async def catch_up(world: World, deployment: DeploymentId = PROD) -> Approval:
    """Let the tables show what the workflow knows."""
    approval = world.orchestrator.approvals[deployment, Moment.BEFORE]
    await write(world, approval, deployment)
    return approval
