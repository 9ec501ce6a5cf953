"""The agents: who is online, what each can do, and what it is busy with."""

from fastapi import APIRouter, Request, Response

from api.auth import Viewer
from api.pages.rendering import render
from api.queries import agent_views
from api.services import ServicesHere
from domain.ids import DeploymentId
from storage import deployments
from storage.tables import JobRow

router = APIRouter(include_in_schema=False)


@router.get("/agents")
async def agent_list(request: Request, caller: Viewer, services: ServicesHere) -> Response:
    """By pool and name."""
    async with services.database.reading() as session:
        views = await agent_views(session, services)
        jobs = await deployments.jobs_of_agents(session, [agent.name for agent in views])
    agents = [{**agent.model_dump(), "jobs": [_job(row) for row in jobs if row.agent == agent.name]} for agent in views]
    return render(request, "agents.html", caller=caller, section="Agents", agents=agents)


def _job(row: JobRow) -> dict[str, str]:
    deployment = DeploymentId.parse(row.deployment)
    return {"id": row.id, "href": f"/releases/{deployment.release}#stage-{deployment.stage}"}
