"""Manual interventions over HTTP: what people are asked about steps, and how they decide that a job goes on."""

from datetime import datetime
from uuid import uuid4

import structlog
from fastapi import APIRouter, Response
from pydantic import Field

from api.auth import Caller, Releaser, needs
from api.errors import documented
from api.inputs import Body, StepRun
from api.orchestrator import NothingRuns
from api.people import person_of
from api.queries import intervention_view
from api.services import Services, ServicesHere
from api.view import View
from api.views import InterventionView
from domain.ids import deployment_of_run
from domain.intervention import Decision, DecisionReceipt, Intervention, ReceiptKind, Remedy, decide, describe
from domain.refusal import NotFound
from domain.role import Role
from storage import deployments
from storage.tables import StepRunRow

router = APIRouter(tags=["interventions"], responses=documented(401, 403, 422))
STORED = "What you decided is stored and will count as soon as a worker is back."
_log = structlog.get_logger("slipway.api")


class NobodyIsAsked(NotFound):
    """People are, and were, asked nothing about this step run."""


class NewDecision(Body):
    """How the job is to go on. ``decision_id`` makes sending again harmless."""

    remedy: Remedy
    comment: str = Field(default="", max_length=4000, description="Kept in the history.")
    decision_id: str = Field(
        default_factory=lambda: uuid4().hex,
        pattern=r"^[A-Za-z0-9._:-]{1,64}$",
        description="Your own name for this; sent again, it counts once.",
    )


class DecisionReceiptView(View):
    """What became of a decision, ``message`` in words. ``kind`` is ``stored`` while no worker has told."""

    decision_id: str
    kind: str
    message: str
    stands: bool


class AskedView(View):
    """One step run that people are asked about."""

    run_id: str
    deployment: str
    title: str
    finished_at: datetime | None
    intervention: InterventionView


@router.get(
    "/interventions",
    dependencies=[needs(Role.VIEWER)],
    operation_id="list_interventions",
    summary="List what people are asked about steps",
)
async def list_interventions(services: ServicesHere) -> list[AskedView]:
    """Oldest first; only what nobody has decided yet."""
    async with services.database.reading() as session:
        return [asked for row in await deployments.asked_runs(session) if (asked := _asked(row)) is not None]


@router.post(
    "/step-runs/{run_id:path}/decision",
    operation_id="decide_intervention",
    summary="Decide how a job goes on",
    responses=documented(404, 503),
)
async def decide_intervention(
    run_id: StepRun, new: NewDecision, caller: Releaser, services: ServicesHere, response: Response
) -> DecisionReceiptView:
    """The receipt says whether it counts; the first decision does. Accepted (202) while no worker has told."""
    receipt = await decided(services, run_id, new, caller)
    if receipt is None:
        response.status_code = 202
        return DecisionReceiptView(decision_id=new.decision_id, kind="stored", message=STORED, stands=False)
    return DecisionReceiptView(**dict(receipt), stands=receipt.stands)


async def decided(services: Services, run_id: str, new: NewDecision, caller: Caller) -> DecisionReceipt | None:
    """Deliver the decision. Raises NobodyIsAsked, and TemporalUnavailable when it could not be stored."""
    async with services.database.reading() as session:
        asked = _stored(await deployments.step_run(session, run_id), run_id)
        person = await person_of(session, caller)
    decision = Decision(
        decision_id=new.decision_id,
        by=person.address,
        remedy=new.remedy,
        comment=new.comment,
        sent_at=services.clock(),
    )
    _, outlook = decide(asked, decision, services.clock())
    if outlook.kind in {ReceiptKind.ALREADY_COUNTED, ReceiptKind.ALREADY_DECIDED, ReceiptKind.NOT_AN_OPTION}:
        return outlook
    try:
        receipt = await services.orchestrator.decide(run_id, decision)
    except NothingRuns:
        message = f"The deployment is over. {describe(asked)}"
        return DecisionReceipt(decision_id=decision.decision_id, kind=ReceiptKind.NOT_OPEN, message=message)
    _log.info("decided", run=run_id, remedy=new.remedy, by=person.address)
    return receipt


def _stored(row: StepRunRow | None, run_id: str) -> Intervention:
    if row is None or row.intervention is None:
        raise NobodyIsAsked(f"nobody is asked about the step run {run_id}")
    return Intervention.model_validate(row.intervention)


def _asked(row: StepRunRow) -> AskedView | None:
    view = intervention_view(row)
    if view is None:
        return None
    return AskedView(
        run_id=row.id,
        deployment=str(deployment_of_run(row.id)),
        title=row.title,
        finished_at=row.finished_at,
        intervention=view,
    )
