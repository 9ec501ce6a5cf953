"""The buttons by which people decide how a job goes on."""

import re
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import Releaser
from api.inputs import StepRun
from api.interventions import STORED, NewDecision, decided
from api.pages.approval_forms import NotFilledIn
from api.pages.forms import Form, SentForm
from api.pages.rendering import render
from api.pages.viewer import require_own_form
from api.services import ServicesHere
from domain.ids import deployment_of_run
from domain.intervention import Remedy
from domain.refusal import Kind, Refusal

router = APIRouter(include_in_schema=False)
_LONGEST_COMMENT = 4000
_DECISION_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class NotCounted(Refusal):
    """Somebody decided before, or it is too late."""

    kind = Kind.CONFLICT


@router.post("/step-runs/{run_id:path}/decision")
async def decide(
    request: Request, run_id: StepRun, caller: Releaser, form: SentForm, services: ServicesHere
) -> Response:
    """Deliver the decision, and show the release: its page says what was decided, and by whom."""
    require_own_form(request, form.text("csrf"))
    receipt = await decided(services, run_id, _read(form), caller)
    deployment = deployment_of_run(run_id)
    back = f"/releases/{deployment.release}#stage-{deployment.stage}"
    if receipt is None:
        return render(
            request,
            "stored.html",
            caller=caller,
            http_status=202,
            title="Your decision is stored",
            text=STORED,
            back=back,
        )
    if not receipt.stands:
        raise NotCounted(f"your decision was not counted: {receipt.message}")
    return RedirectResponse(back, 303)


def _read(form: Form) -> NewDecision:
    """The same form sent twice is the same decision. Raises NotFilledIn."""
    remedy = form.text("remedy", 20)
    if remedy not in set(Remedy):
        raise NotFilledIn("Choose how the job goes on; nothing was sent.")
    sent = form.text("decision_id", 64)
    return NewDecision(
        remedy=Remedy(remedy),
        comment=form.text("comment", _LONGEST_COMMENT),
        decision_id=f"{sent}-{remedy}"[:64] if _DECISION_ID.fullmatch(sent) else uuid4().hex,
    )
