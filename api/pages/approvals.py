"""Approvals in the console: what waits for me, and answering as the person who is signed in."""

# ruff: noqa: FAST003  the parts of a deployment's path are read by a dependency

import hashlib
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from api.acting import act
from api.auth import Approver, Caller, Viewer
from api.inputs import Cursor, Deployment
from api.pages.answering import Notice, is_to_be_repeated, outlook, page_content, question, read_vote, status_of, told
from api.pages.forms import SentForm
from api.pages.rendering import render
from api.pages.viewer import require_own_form
from api.queries import approval_page
from api.services import Services, ServicesHere
from domain.approval import Channel, Moment
from domain.ids import approval_id
from domain.role import Role
from storage import releases

router = APIRouter(prefix="/approvals", include_in_schema=False)
_CHOOSE = "Choose Approve or Reject first; nothing was sent."
_NEEDS_ROLE = "Your token has the role viewer; answering needs the role approver."


def _approval_id(deployment: Deployment, moment: Moment) -> str:
    return approval_id(deployment, moment)


ApprovalId = Annotated[str, Depends(_approval_id)]


@router.get("")
async def inbox(
    request: Request,
    caller: Viewer,
    services: ServicesHere,
    everybody: Annotated[str, Query(max_length=10)] = "",
    cursor: Cursor = None,
) -> Response:
    """What waits for this person; for an admin who asks, what waits for anybody."""
    is_everybody = bool(everybody) and caller.role.includes(Role.ADMIN)
    async with services.database.reading() as session:
        person = None if is_everybody else caller.subject
        page = await approval_page(session, person=person, limit=50, cursor=cursor)
        names = await releases.names_of(session, {item.release for item in page.items})
    more = {"cursor": page.next_cursor} | ({"everybody": "yes"} if is_everybody else {})
    return render(
        request,
        "approvals.html",
        caller=caller,
        section="Approvals",
        everybody=is_everybody,
        approvals=[{**item.model_dump(), "release_name": names[item.release]} for item in page.items],
        next_href=f"/approvals?{urlencode(more)}" if page.next_cursor else "",
    )


@router.get("/{pipeline}/{number}/{stage}/{attempt}/{moment}")
async def show(request: Request, approval: ApprovalId, caller: Viewer, services: ServicesHere) -> Response:
    """The question, and the form for those who are asked."""
    return await _page(request, services, approval, caller)


@router.post("/{pipeline}/{number}/{stage}/{attempt}/{moment}")
async def decide(
    request: Request, approval: ApprovalId, caller: Approver, form: SentForm, services: ServicesHere
) -> Response:
    """Take the answer of the person who is signed in. The same answer again is the same vote."""
    require_own_form(request, form.text("csrf"))
    vote = read_vote(form, caller.subject, Channel.CONSOLE, _vote_id(approval, caller))
    if vote is None:
        given = form.text("comment")
        return await _page(request, services, approval, caller, status=422, problem=_CHOOSE, given=given)
    answer = await act(services, approval, vote)
    shown_again = form.text("comment") if is_to_be_repeated(answer) else None
    return await _page(
        request, services, approval, caller, status=status_of(answer), receipt=told(answer), given=shown_again
    )


def _vote_id(approval: str, caller: Caller) -> str:
    return hashlib.sha256(f"console\0{approval}\0{caller.subject}".encode()).hexdigest()[:32]


async def _page(  # noqa: PLR0913  what differs between asking, asking again and answering
    request: Request,
    services: Services,
    approval: str,
    caller: Caller,
    *,
    status: int = 200,
    problem: str = "",
    receipt: Notice | None = None,
    given: str | None = None,
) -> Response:
    async with services.database.reading() as session:
        asked = await question(session, approval)
    content = page_content(asked, services, caller.subject)
    if not caller.role.includes(Role.APPROVER) or (receipt is not None and given is None):
        content["may_answer"] = False
    content["why_not"] = (
        outlook(asked.approval, caller.subject, services.clock()).message
        if caller.role.includes(Role.APPROVER)
        else _NEEDS_ROLE
    )
    return render(
        request,
        "approval.html",
        caller=caller,
        http_status=status,
        section="Approvals",
        **content,
        action=f"/approvals/{approval}",
        receipt=receipt,
        problem=problem,
        given=given or "",
    )
