"""The agents: who is online, what each can do, what it is busy with; and what admins do with them."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api import agent_care
from api.agents import Search
from api.auth import Admin, Viewer
from api.inputs import Slug
from api.pages.forms import SentForm
from api.pages.rendering import render
from api.pages.viewer import require_own_form
from api.queries import agent_views
from api.services import ServicesHere
from api.views import AgentJobView, AgentView
from domain.ids import DeploymentId

router = APIRouter(prefix="/agents", include_in_schema=False)


@router.get("")
async def agent_list(request: Request, caller: Viewer, services: ServicesHere, q: Search = "") -> Response:
    """By pool and name; those that fit what is searched for."""
    async with services.database.reading() as session:
        found = await agent_views(session, services, q)
    agents = [_shown(agent) for agent in found]
    return render(request, "agents.html", caller=caller, section="Agents", agents=agents, wanted=q)


@router.post("/{name}/approval")
async def approve(request: Request, name: Slug, caller: Admin, form: SentForm, services: ServicesHere) -> Response:
    """Let an agent take jobs, and show the agents."""
    require_own_form(request, form.text("csrf"))
    await agent_care.approve_agent(name, caller, services)
    return RedirectResponse(f"/agents#agent-{name}", 303)


@router.post("/{name}/maintenance")
async def maintain(request: Request, name: Slug, caller: Admin, form: SentForm, services: ServicesHere) -> Response:
    """Take an agent out, or back, and show the agents."""
    require_own_form(request, form.text("csrf"))
    new = agent_care.Maintenance(on=form.text("on", 10) == "yes", reason=form.text("reason", 500))
    await agent_care.maintain_agent(name, new, caller, services)
    return RedirectResponse(f"/agents#agent-{name}", 303)


def _shown(agent: AgentView) -> dict[str, object]:
    return agent.model_dump() | {"jobs": [_job(job) for job in agent.jobs]}


def _job(job: AgentJobView) -> dict[str, str]:
    deployment = DeploymentId.parse(job.deployment)
    return {"id": job.id, "href": f"/releases/{deployment.release}#stage-{deployment.stage}"}
