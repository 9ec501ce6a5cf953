"""Deployments over HTTP: look at one, cancel one."""

# ruff: noqa: FAST003  the parts of a deployment's path are read by a dependency

from fastapi import APIRouter

from api.auth import Viewer, needs
from api.cancellation import (
    AlreadyOver,
    CanceledDeployment,
    Cancellation,
    require_canceler,
    what_happens_to_deployment,
)
from api.errors import documented
from api.inputs import Deployment
from api.people import person_of
from api.queries import deployment_view, release_row
from api.services import ServicesHere
from api.views import DeploymentView
from domain.release import ReleasePlan
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
    responses=documented(409, 503),
)
async def cancel_deployment(
    deployment: Deployment, why: Cancellation, caller: Viewer, services: ServicesHere
) -> CanceledDeployment:
    """For releasers, and for who started it. Accepted; it is canceled once what runs has stopped."""
    async with services.database.reading() as session:
        view = await deployment_view(session, services, deployment)
        plan = ReleasePlan.model_validate((await release_row(session, deployment.release)).plan)
        person = await person_of(session, caller)
    require_canceler(caller, person, (view.requested_by, plan.requested_by, *plan.requester_addresses))
    if view.status.is_final:
        raise AlreadyOver(f"deployment {deployment} is {view.status}")
    await services.orchestrator.cancel_deployment(deployment, CancelRequest(by=person.address, reason=why.reason))
    return CanceledDeployment(**dict(view), message=what_happens_to_deployment(view))
