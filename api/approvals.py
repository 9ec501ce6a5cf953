"""Approvals over HTTP: what waits for me, one approval, and votes."""

# ruff: noqa: FAST003  the parts of a deployment's path are read by a dependency

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.acting import STORED, Told, act
from api.auth import Approver, Viewer, needs
from api.errors import documented
from api.inputs import Body, Cursor, Deployment, Limit
from api.queries import approval_page, approval_view
from api.services import ServicesHere
from api.views import ApprovalPage, ApprovalView, ReceiptView
from domain.approval import Channel, Choice, Moment, Verdict, Vote
from domain.ids import approval_id
from domain.role import Role

router = APIRouter(prefix="/approvals", tags=["approvals"], responses=documented(401, 403, 422))


def _approval_id(deployment: Deployment, moment: Moment) -> str:
    return approval_id(deployment, moment)


ApprovalId = Annotated[str, Depends(_approval_id)]


class Ballot(Body):
    """An answer. ``digest`` is that of the approval as it was shown; ``vote_id`` makes sending again harmless."""

    choice: Choice
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    comment: str = Field(default="", max_length=4000)
    vote_id: str = Field(default_factory=lambda: uuid4().hex, pattern=r"^[A-Za-z0-9._:-]{1,64}$")


@router.get("", operation_id="list_approvals", summary="List approvals, oldest first")
async def list_approvals(
    caller: Viewer,
    services: ServicesHere,
    *,
    mine: Annotated[bool, Query(description="Only those that ask me, now for pending ones.")] = False,
    verdict: Verdict | None = Verdict.PENDING,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ApprovalPage:
    """Go on with ``next_cursor`` as ``cursor``."""
    person = caller.subject if mine else None
    async with services.database.reading() as session:
        return await approval_page(session, person=person, verdict=verdict, limit=limit, cursor=cursor)


@router.get(
    "/{pipeline}/{number}/{stage}/{attempt}/{moment}",
    dependencies=[needs(Role.VIEWER)],
    operation_id="get_approval",
    summary="Show one approval",
    responses=documented(404),
)
async def get_approval(approval: ApprovalId, services: ServicesHere) -> ApprovalView:
    """Who is asked, who has answered, and the digest that a vote sends back."""
    async with services.database.reading() as session:
        return await approval_view(session, approval)


@router.post(
    "/{pipeline}/{number}/{stage}/{attempt}/{moment}/votes",
    operation_id="vote",
    summary="Answer an approval",
    responses=documented(404, 503)
    | {202: {"model": ReceiptView, "description": "Stored; it is counted when a worker is back"}},
)
async def vote(
    approval: ApprovalId, ballot: Ballot, caller: Approver, services: ServicesHere, response: Response
) -> ReceiptView:
    """The receipt says whether the vote counts, and why not otherwise."""
    given = Vote(
        action_id=ballot.vote_id,
        by=caller.subject,
        choice=ballot.choice,
        digest=ballot.digest,
        comment=ballot.comment,
        channel=Channel.CONSOLE if caller.is_browser else Channel.API,
    )
    answer = await act(services, approval, given)
    if answer.is_stored:
        response.status_code = 202
    return _receipt(given, answer)


def _receipt(given: Vote, answer: Told) -> ReceiptView:
    receipt = answer.receipt
    if receipt is None:
        return ReceiptView(
            vote_id=given.action_id, kind="stored", message=STORED, verdict=Verdict.PENDING, counted=False
        )
    return ReceiptView(
        vote_id=receipt.action_id,
        kind=receipt.kind,
        message=receipt.message,
        verdict=receipt.verdict,
        counted=receipt.stands,
    )
