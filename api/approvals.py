"""Approvals over HTTP: what waits for whom, one approval, and what people do to it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from api.acting import act, stored_approval
from api.approval_actions import Ballot, NewOverride, NewReassignment, NewWithdrawal, author, successors
from api.approval_filter import ApprovalFilter
from api.approval_views import ApprovalPage, ApprovalView, ReceiptView
from api.auth import Approver, ReleaseManager, Viewer, needs
from api.bulk_votes import BallotResults, Ballots, cast_all
from api.errors import documented
from api.inputs import Cursor, Deployment, Limit
from api.people import person_of
from api.queries import approval_page, approval_view
from api.receipts import receipt_view
from api.services import Services, ServicesHere
from domain.approval import Action, Moment
from domain.ids import approval_id
from domain.role import Role

router = APIRouter(prefix="/approvals", tags=["approvals"], responses=documented(401, 403, 422))


def _approval_id(deployment: Deployment, moment: Moment) -> str:
    return approval_id(deployment, moment)


ApprovalId = Annotated[str, Depends(_approval_id)]
_ONE = "/{pipeline}/{number}/{stage}/{attempt}/{moment}"
_ACTED: dict[int | str, dict[str, Any]] = documented(404, 503) | {
    202: {"model": ReceiptView, "description": "Stored; it is done when a worker is back"}
}


@router.get("", operation_id="list_approvals", summary="List approvals, oldest first")
async def list_approvals(
    caller: Viewer,
    services: ServicesHere,
    wanted: Annotated[ApprovalFilter, Depends()],
    *,
    mine: Annotated[
        bool, Query(description="Only mine and my groups'; of pending ones, those that wait for me.")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ApprovalPage:
    """Go on with ``next_cursor`` as ``cursor``."""
    async with services.database.reading() as session:
        person = (await person_of(session, caller)).address if mine else None
        return await approval_page(session, person=person, wanted=wanted, limit=limit, cursor=cursor)


@router.post(
    "/votes", operation_id="vote_on_several", summary="Answer several approvals at once", responses=documented(503)
)
async def vote_on_several(given: Ballots, caller: Approver, services: ServicesHere) -> BallotResults:
    """Each ballot has a result of its own, in their order; one that fails does not stop the others."""
    return await cast_all(services, await author(services, caller), given.ballots)


@router.get(
    _ONE,
    dependencies=[needs(Role.VIEWER)],
    operation_id="get_approval",
    summary="Show one approval",
    responses=documented(404),
)
async def get_approval(approval: ApprovalId, services: ServicesHere) -> ApprovalView:
    """Who is asked, who has answered, and the digest that a vote sends back."""
    async with services.database.reading() as session:
        return await approval_view(session, approval)


@router.post(f"{_ONE}/votes", operation_id="vote", summary="Answer an approval", responses=_ACTED)
async def vote(
    approval: ApprovalId, ballot: Ballot, caller: Approver, services: ServicesHere, response: Response
) -> ReceiptView:
    """The receipt says whether the vote counts, and why not otherwise."""
    acting = await author(services, caller)
    return await _act(services, approval, acting.vote(ballot), response)


@router.post(f"{_ONE}/withdrawals", operation_id="withdraw_vote", summary="Take a vote back", responses=_ACTED)
async def withdraw_vote(
    approval: ApprovalId, new: NewWithdrawal, caller: Approver, services: ServicesHere, response: Response
) -> ReceiptView:
    """Before the decision; then one may answer anew."""
    acting = await author(services, caller)
    withdrawal = acting.withdrawal(new, await stored_approval(services, approval))
    return await _act(services, approval, withdrawal, response)


@router.post(
    f"{_ONE}/reassignments", operation_id="reassign_approval", summary="Let somebody else be asked", responses=_ACTED
)
async def reassign_approval(
    approval: ApprovalId, new: NewReassignment, caller: Approver, services: ServicesHere, response: Response
) -> ReceiptView:
    """In the caller's own place; a release manager may reassign anybody's. The links of who was asked end."""
    acting = await author(services, caller)
    stored = await stored_approval(services, approval)
    async with services.database.reading() as session:
        members = await successors(session, new.to)
    return await _act(services, approval, acting.reassignment(new, stored, members), response)


@router.post(
    f"{_ONE}/overrides",
    operation_id="override_approval",
    summary="Decide instead of the approvers",
    responses=_ACTED,
)
async def override_approval(
    approval: ApprovalId, new: NewOverride, caller: ReleaseManager, services: ServicesHere, response: Response
) -> ReceiptView:
    """At once and visibly, with the comment as the reason. Who requested the deployment may not."""
    acting = await author(services, caller)
    return await _act(services, approval, acting.override(new), response)


async def _act(services: Services, approval: str, action: Action, response: Response) -> ReceiptView:
    told = await act(services, approval, action)
    if told.is_stored:
        response.status_code = 202
    return receipt_view(action, told)
