"""The page behind a mailed link: whoever holds it is the person it was mailed to, for this one approval.

Opening it never answers, however often and by whatever program; only the form with an explicit choice does.
"""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.acting import act
from api.auth import PUBLIC, ForeignOrigin
from api.pages.answering import Notice, is_to_be_repeated, page_content, question, read_vote, status_of, told
from api.pages.forms import SentForm
from api.pages.rendering import render
from api.services import Services, ServicesHere
from domain.approval import Channel
from storage import approvals
from storage.tables import ApprovalLinkRow
from storage.token_hash import token_hash

router = APIRouter(dependencies=[PUBLIC], include_in_schema=False)
Token = Annotated[str, Path(max_length=200)]
_CHOOSE = "Choose Approve or Reject first; nothing was sent."


@router.api_route("/approve/{token}", methods=["GET", "HEAD"])
async def show(request: Request, token: Token, services: ServicesHere) -> Response:
    """Show the question, or what was decided."""
    link = await _link(services, token)
    if link is None or link.expires_at <= services.clock():
        return _no_link(request, link)
    return await _page(request, services, token, link)


@router.post("/approve/{token}")
async def decide(request: Request, token: Token, form: SentForm, services: ServicesHere) -> Response:
    """Take the answer. The same answer again is the same vote, so a reload does no harm."""
    _require_own_page(request)
    link = await _link(services, token)
    if link is None or link.expires_at <= services.clock():
        return _no_link(request, link)
    vote = read_vote(form, link.person, Channel.LINK, hashlib.sha256(token.encode()).hexdigest()[:32])
    if vote is None:
        return await _page(request, services, token, link, status=422, problem=_CHOOSE, given=form.text("comment"))
    answer = await act(services, link.approval_id, vote)
    shown_again = form.text("comment") if is_to_be_repeated(answer) else None
    return await _page(
        request, services, token, link, status=status_of(answer), receipt=told(answer), given=shown_again
    )


async def _link(services: Services, token: str) -> ApprovalLinkRow | None:
    async with services.database.reading() as session:
        return await approvals.link(session, token_hash(token))


async def _page(  # noqa: PLR0913  what differs between asking, asking again and answering
    request: Request,
    services: Services,
    token: str,
    link: ApprovalLinkRow,
    *,
    status: int = 200,
    problem: str = "",
    receipt: Notice | None = None,
    given: str | None = None,
) -> Response:
    async with services.database.reading() as session:
        asked = await question(session, link.approval_id)
    content = page_content(asked, services, link.person)
    if receipt is not None and given is None:
        content["may_answer"] = False
    return render(
        request,
        "approve_link.html",
        http_status=status,
        **content,
        person=link.person,
        via_group=link.approver.removeprefix("group:") if link.approver.startswith("group:") else "",
        action=f"/approve/{token}",
        receipt=receipt,
        problem=problem,
        given=given or "",
    )


def _no_link(request: Request, link: ApprovalLinkRow | None) -> Response:
    """One page for every link that leads nowhere; it tells nothing about any release."""
    if link is None:
        return render(
            request,
            "error.html",
            http_status=404,
            status=404,
            title="This link is not valid",
            detail="Open it exactly as it stands in your mail. It may have been cut at the end of a line.",
            trace_id=None,
        )
    detail = "The time to answer is over. If your answer is still wanted, you will be asked again by mail."
    return render(
        request, "error.html", http_status=410, status=410, title="This link has expired", detail=detail, trace_id=None
    )


def _require_own_page(request: Request) -> None:
    """Turn away another site's page that sends our form, where the browser tells (mail programs' may not).

    ``no-referrer`` makes browsers send ``Origin: null`` with our own form, so Origin is looked at only when it names
    somebody; what keeps others out is that they do not know the link.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    ours = {f"{request.url.scheme}://{request.url.netloc}", request.app.state.services.public_url.rstrip("/")}
    is_foreign = site not in {"same-origin", "none"} if site is not None else origin not in {None, "null", *ours}
    if is_foreign:
        raise ForeignOrigin("this answer did not come from the page of the link; open the link from your mail again")
