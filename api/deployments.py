"""Deployments over HTTP: look at one, cancel one."""

# ruff: noqa: FAST003  the parts of a deployment's path are read by a dependency

from fastapi import APIRouter

from api.auth import Releaser, needs
from api.cancellation import AlreadyOver, Cancellation
from api.errors import documented
from api.inputs import Deployment
from api.queries import deployment_view
from api.services import ServicesHere
from api.views import DeploymentView
from domain.role import Role
from workflows.stopping import CancelRequest

router = APIRouter(prefix="/deployments", tags=["deployments"], responses=documented(401, 403, 404, 422))


@router.get(
    "/{pipeline}/{number}/{stage}/{attempt}",
    dependencies=[needs(Role.VIEWER)],
    operation_id="get_deployment",
    summary="Show one attempt at one stage",
)
async def get_deployment(deployment: Deployment, services: ServicesHere) -> DeploymentView:
    """Its approvals, jobs and steps."""
    async with services.database.reading() as session:
        return await deployment_view(session, services, deployment)


@router.post(
    "/{pipeline}/{number}/{stage}/{attempt}/cancel",
    status_code=202,
    operation_id="cancel_deployment",
    summary="Cancel a deployment",
    responses=documented(409),
)
async def cancel_deployment(
    deployment: Deployment, why: Cancellation, caller: Releaser, services: ServicesHere
) -> DeploymentView:
    """Accepted; the deployment is canceled once what runs has stopped."""
    async with services.database.reading() as session:
        view = await deployment_view(session, services, deployment)
    if view.status.is_final:
        raise AlreadyOver(f"deployment {deployment} is {view.status}")
    await services.orchestrator.cancel_deployment(deployment, CancelRequest(by=caller.subject, reason=why.reason))
    return view
