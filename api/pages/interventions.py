"""The buttons by which people decide how a job goes on."""

from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import Releaser
from api.inputs import StepRun
from api.interventions import NewDecision, decided
from api.pages.forms import SentForm
from api.pages.viewer import require_own_form
from api.services import ServicesHere
from domain.ids import deployment_of_run
from domain.intervention import Remedy

router = APIRouter(include_in_schema=False)


@router.post("/step-runs/{run_id:path}/decision")
async def decide(
    request: Request, run_id: StepRun, caller: Releaser, form: SentForm, services: ServicesHere
) -> Response:
    """Deliver the decision, and show the release: its page says what was decided, and by whom."""
    require_own_form(request, form.text("csrf"))
    new = NewDecision(
        remedy=Remedy(form.text("remedy", 20)),
        comment=form.text("comment", 4000),
        decision_id=form.text("decision_id", 64) or uuid4().hex,
    )
    await decided(services, run_id, new, caller)
    deployment = deployment_of_run(run_id)
    return RedirectResponse(f"/releases/{deployment.release}#stage-{deployment.stage}", 303)
