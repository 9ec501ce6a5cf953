"""What an agent may fetch while people still think: the artifacts of jobs that it could take once they approve."""

import structlog
from fastapi import APIRouter

from activities.artifact_source import UnknownConnection
from api.agent_connections import connection_of
from api.auth import AgentCaller
from api.errors import documented
from api.services import ServicesHere
from api.views import ArtifactsToFetch, ArtifactToFetch
from storage import manifests
from storage.prefetch import wanted_soon

router = APIRouter(tags=["agent work"], responses=documented(401, 403, 422))
_log = structlog.get_logger("slipway.api")


@router.get(
    "/agent/upcoming-artifacts",
    operation_id="get_upcoming_artifacts",
    summary="Fetch what jobs will need once their deployment is approved",
)
async def get_upcoming_artifacts(caller: AgentCaller, services: ServicesHere) -> ArtifactsToFetch:
    """Only of deployments that wait for an approval now, and of jobs that this agent could take.

    With the connections where the files are, as a job gets them. An artifact whose connection is gone is left out.
    """
    async with services.database.reading() as session:
        pins = await wanted_soon(session, caller.subject)
        found = [(pin.alias, await manifests.get(session, pin.manifest_id)) for pin in pins]
    offered = []
    for alias, manifest in found:
        try:
            connection = await connection_of(services, manifest)
        except UnknownConnection:
            continue
        offered.append(ArtifactToFetch(alias=alias, manifest=manifest, connection=connection))
    if offered:
        _log.info("artifacts offered ahead", agent=caller.subject, artifacts=[pin.digest for pin in pins])
    return ArtifactsToFetch(artifacts=offered)
