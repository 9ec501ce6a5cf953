"""Releases over HTTP: make one, look at them, cancel one, change one, deploy a stage again."""

# ruff: noqa: FAST003  the parts of a release's path are read by a dependency

import hashlib
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field, StringConstraints

from api.auth import Caller, Releaser, Viewer, needs
from api.cancellation import (
    AlreadyOver,
    CanceledRelease,
    Cancellation,
    require_canceler,
    what_happens_to_release,
)
from api.errors import documented
from api.inputs import Body, Cursor, Limit, Mail, Release, Slug, SlugText
from api.people import person_of, requester_of
from api.queries import release_page, release_row, release_view
from api.release_start import KEY_REUSED, KeyReused, Order, make_release, start
from api.services import Services, ServicesHere
from api.views import ReleasePage, ReleaseView
from domain.ids import SLUG_PATTERN, ReleaseId
from domain.nearest import did_you_mean
from domain.pipeline import VariableName
from domain.refusal import Kind, NotFound, Refusal
from domain.release import ReleasePlan, ReleaseRequest, require_settable
from domain.role import Role
from domain.status import ReleaseStatus, StageStatus
from storage import releases
from storage.tables import ReleaseRow
from workflows.deployment import PlanChange
from workflows.release import DeployRequest, ReleaseInput
from workflows.stopping import CancelRequest

router = APIRouter(prefix="/releases", tags=["releases"], responses=documented(401, 403, 422))
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="The same key with the same body gives the same release, for 24 hours.",
    ),
]
_Value = Annotated[str, StringConstraints(max_length=32_768)]
_MOST_VARIABLES = 200
_RequestedFor = Annotated[
    Mail | None, Field(description="For whom a service asks; that person counts as a requester, too.")
]


class NewRelease(Body):
    """What to release. ``versions`` by artifact alias, ``variables`` by name, both only where not the default."""

    pipeline: SlugText
    versions: dict[SlugText, Annotated[str, StringConstraints(min_length=1, max_length=200)]] = Field(
        default_factory=dict, max_length=100
    )
    variables: dict[VariableName, _Value] = Field(default_factory=dict, max_length=_MOST_VARIABLES)
    manual_stages: tuple[SlugText, ...] = Field(default=(), max_length=100)
    description: str = Field(default="", max_length=4000)
    requested_for: _RequestedFor = None

    @property
    def request(self) -> ReleaseRequest:
        return ReleaseRequest(
            versions=self.versions,
            variables=self.variables,
            manual_stages=self.manual_stages,
            description=self.description,
            requested_for=self.requested_for or "",
        )


class StageDeployment(Body):
    """Why the stage is deployed (again)."""

    comment: str = Field(default="", max_length=1000)
    requested_for: _RequestedFor = None


class VariableChange(Body):
    """Variables that are set otherwise in a release that is under way. ``change_id`` makes sending again harmless."""

    variables: dict[VariableName, _Value] = Field(min_length=1, max_length=_MOST_VARIABLES)
    comment: str = Field(default="", max_length=1000)
    requested_for: _RequestedFor = None
    change_id: str = Field(default_factory=lambda: uuid4().hex, pattern=r"^[A-Za-z0-9._:-]{1,64}$")


class NoSuchStage(NotFound):
    """The release has no stage of that name."""


class Abandoned(Refusal):
    """An abandoned release is never deployed again."""

    kind = Kind.CONFLICT


@router.post(
    "",
    status_code=201,
    operation_id="create_release",
    summary="Make a release and start it",
    responses=documented(404),
)
async def create_release(
    new: NewRelease,
    caller: Releaser,
    services: ServicesHere,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> ReleaseView:
    """The answer to a repeated request is the same release, told by the header ``Idempotent-Replayed``."""
    async with services.database.reading() as session:
        requester = await requester_of(session, caller, new.requested_for or "")
    order = Order(pipeline=new.pipeline, request=new.request, requester=requester, key=idempotency_key)
    made = await make_release(services, order)
    async with services.database.reading() as session:
        view = await release_view(session, services, made.release)
    response.headers["Location"] = view.links.self
    if not made.is_new:
        response.headers["Idempotent-Replayed"] = "true"
    return view


@router.get("", dependencies=[needs(Role.VIEWER)], operation_id="list_releases", summary="List releases, newest first")
async def list_releases(
    services: ServicesHere,
    pipeline: Annotated[str | None, Query(pattern=SLUG_PATTERN)] = None,
    status: ReleaseStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ReleasePage:
    """Go on with ``next_cursor`` as ``cursor``."""
    async with services.database.reading() as session:
        return await release_page(session, services, pipeline=pipeline, status=status, limit=limit, cursor=cursor)


@router.get(
    "/{pipeline}/{number}",
    dependencies=[needs(Role.VIEWER)],
    operation_id="get_release",
    summary="Show a release with all that belongs to it",
    responses=documented(404),
)
async def get_release(release: Release, services: ServicesHere) -> ReleaseView:
    """Its stages, deployments, approvals, jobs, steps and history."""
    async with services.database.reading() as session:
        return await release_view(session, services, release)


@router.post(
    "/{pipeline}/{number}/cancel",
    status_code=202,
    operation_id="cancel_release",
    summary="Cancel a release and its deployments",
    responses=documented(404, 409, 503),
)
async def cancel_release(
    release: Release, why: Cancellation, caller: Viewer, services: ServicesHere
) -> CanceledRelease:
    """For releasers, and for who made it. Accepted; it is canceled once its deployments have stopped."""
    async with services.database.reading() as session:
        view = await release_view(session, services, release)
        row = await release_row(session, release)
        person = await person_of(session, caller)
    plan = ReleasePlan.model_validate(row.plan)
    require_canceler(caller, person, (plan.requested_by, *plan.requester_addresses))
    await _require_running(services, row, plan)
    await services.orchestrator.cancel_release(release, CancelRequest(by=person.address, reason=why.reason))
    return CanceledRelease(**dict(view), message=what_happens_to_release(view))


@router.post(
    "/{pipeline}/{number}/variables",
    status_code=202,
    operation_id="change_variables",
    summary="Set variables of a release that is under way",
    responses=documented(404, 409, 503),
)
async def change_variables(
    release: Release, change: VariableChange, caller: Releaser, services: ServicesHere
) -> ReleaseView:
    """For what has not begun to be deployed. Approvers are asked anew, and the caller counts as a requester."""
    async with services.database.reading() as session:
        row = await release_row(session, release)
        requester = await requester_of(session, caller, change.requested_for or "")
    plan = ReleasePlan.model_validate(row.plan)
    require_settable(plan, change.variables)
    await _require_running(services, row, plan)
    await services.orchestrator.change_plan(
        release,
        PlanChange(
            change_id=f"{caller.subject} {change.change_id}",
            variables=change.variables,
            requester=requester,
            comment=change.comment,
        ),
    )
    async with services.database.reading() as session:
        return await release_view(session, services, release)


@router.post(
    "/{pipeline}/{number}/stages/{stage}/deploy",
    status_code=202,
    operation_id="deploy_stage",
    summary="Deploy a stage, again or for the first time",
    responses=documented(404, 409, 503),
)
async def deploy_stage(
    release: Release,
    stage: Slug,
    why: StageDeployment,
    caller: Releaser,
    services: ServicesHere,
    idempotency_key: IdempotencyKey = None,
) -> ReleaseView:
    """Also for a release that ended long ago: that is how one rolls back."""
    asked = hashlib.sha256(f"deploy\0{release}\0{stage}".encode()).hexdigest()
    if await _was_asked_before(services, caller, idempotency_key, asked):
        async with services.database.reading() as session:
            return await release_view(session, services, release)
    resumed = await _resumed(services, release, stage)
    async with services.database.reading() as session:
        requester = await requester_of(session, caller, why.requested_for or "")
    request = DeployRequest(
        stage=stage,
        requested_by=requester.name,
        requester_addresses=requester.addresses,
        request_id=f"{caller.subject} {idempotency_key or uuid4().hex}",
        comment=why.comment,
    )
    await services.orchestrator.deploy_stage(resumed, request)
    if idempotency_key:
        # A release that runs knows the request by its id; one that has ended since would start all over.
        async with services.database.transaction() as session:
            await releases.remember(session, caller.subject, idempotency_key, asked, release, services.clock())
    async with services.database.reading() as session:
        return await release_view(session, services, release)


async def _was_asked_before(services: Services, caller: Caller, key: str | None, asked: str) -> bool:
    """Raises KeyReused for the key of another request."""
    if key is None:
        return False
    async with services.database.reading() as session:
        known = await releases.remembered(session, caller.subject, key)
    if known is not None and known.request_hash != asked:
        raise KeyReused(KEY_REUSED)
    return known is not None


async def _require_running(services: Services, row: ReleaseRow, plan: ReleasePlan) -> None:
    """Raise AlreadyOver, or make sure that the workflow is there to be told something."""
    if ReleaseStatus(row.status).is_final:
        raise AlreadyOver(f"release {row.id} is {row.status}")
    if row.started_at is None:
        await start(services, plan)


async def _resumed(services: Services, release: ReleaseId, stage: str) -> ReleaseInput:
    """What a release that has ended goes on from: its plan with the pinned artifacts, and how its stages stand."""
    async with services.database.reading() as session:
        row = await release_row(session, release)
        stages = await releases.stages(session, release)
    if row.status == ReleaseStatus.ABANDONED:
        raise Abandoned(f"release {release} is abandoned")
    names = [known.stage for known in stages]
    if stage not in names:
        raise NoSuchStage(f"release {release} has no stage {stage}{did_you_mean(stage, names)}")
    return ReleaseInput(
        plan=ReleasePlan.model_validate(row.plan),
        statuses={known.stage: _carried(StageStatus(known.status)) for known in stages},
        attempts={known.stage: known.attempt for known in stages},
        is_resumed=row.started_at is not None,
    )


def _carried(status: StageStatus) -> StageStatus:
    """A stage that still seems to run in a release that has ended was cut off by an operator."""
    return StageStatus.CANCELED if status.is_running else status
