"""The page behind a mailed link: whoever holds it is the person it was mailed to, for this one approval.

Opening it never answers, however often and by whatever program; only a form with an explicit choice does.
"""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.approval_actions import Author
from api.auth import PUBLIC, SESSION_COOKIE, ForeignOrigin, NotAuthenticated, caller_by_cookie
from api.pages.approval_forms import NotFilledIn
from api.pages.approval_page import ApprovalPage, Outcome
from api.pages.dead_link import dead_link, is_dead
from api.pages.forms import Form, SentForm
from api.pages.notices import Notice
from api.pages.visitor import Visitor
from api.people import person_of
from api.services import Services, ServicesHere
from domain.answering import is_one_of
from domain.approval import Channel
from domain.approval_policy import LinkLevel, Proof
from domain.person import Person
from domain.refusal import Kind
from storage import approvals, people
from storage.tables import ApprovalLinkRow
from storage.token_hash import token_hash

router = APIRouter(dependencies=[PUBLIC], include_in_schema=False)
Token = Annotated[str, Path(max_length=200)]
_CODE = re.compile(r"[0-9]{6}")
_NO_TRIES = "The tries for the six digits of this link are used up, so that nobody can guess them."
_SIX_DIGITS = "Type the six digits that stand in your mail; nothing was sent."


class WrongCode(NotFilledIn):
    """The six digits are not those of the mail."""

    kind = Kind.FORBIDDEN


@router.api_route("/approve/{token}", methods=["GET", "HEAD"])
async def show(request: Request, token: Token, services: ServicesHere) -> Response:
    """Show the question, or what was decided."""
    link = await _link(services, token)
    if link is None or is_dead(link, services):
        return await dead_link(request, link)
    return await (await _page(request, services, token, link)).show()


@router.post("/approve/{token}")
async def act(request: Request, token: Token, form: SentForm, services: ServicesHere) -> Response:
    """Do what one of the forms asks for. The same form again is the same action, so a reload does no harm."""
    _require_own_page(request)
    link = await _link(services, token)
    if link is None or is_dead(link, services):
        return await dead_link(request, link)
    page = await _page(request, services, token, link)
    if page.visitor.barred is not None:
        return await page.show(Outcome(status=403))
    try:
        action = await page.read(form)
        if page.visitor.wants_code:
            await _require_code(services, token, form)
    except NotFilledIn as missing:
        page = await _page(request, services, token, await _link(services, token) or link)  # with one try less
        return await page.show_again(form, missing)
    return await page.do(action, form)


async def _link(services: Services, token: str) -> ApprovalLinkRow | None:
    async with services.database.reading() as session:
        return await approvals.link(session, token_hash(token))


async def _page(request: Request, services: Services, token: str, link: ApprovalLinkRow) -> ApprovalPage:
    has_tries = link.wrong_codes < approvals.MOST_WRONG_CODES
    is_code = link.level == LinkLevel.CODE
    async with services.database.reading() as session:
        person = await people.person(session, link.person)
    visitor = Visitor(
        author=Author(
            person=person,
            channel=Channel.LINK,
            proof=Proof.CODE if is_code and has_tries else Proof.LINK,
            is_manager=False,
        ),
        path=f"/approve/{token}",
        wants_code=is_code and has_tries,
        barred=await _somebody_else(request, services, person),
        weak_because=_NO_TRIES if is_code and not has_tries else "",
    )
    via_group = link.approver.removeprefix("group:") if link.approver.startswith("group:") else ""
    return ApprovalPage(request, link.approval_id, visitor, "approve_link.html", content={"via_group": via_group})


async def _somebody_else(request: Request, services: Services, person: Person) -> Notice | None:
    """That the browser is signed in as another person: the link was forwarded."""
    cookie = request.cookies.get(SESSION_COOKIE)
    if not cookie:
        return None
    try:
        caller = await caller_by_cookie(services, cookie)
    except NotAuthenticated:
        return None
    async with services.database.reading() as session:
        signed_in = await person_of(session, caller)
    if is_one_of(signed_in.addresses, person.addresses):
        return None
    message = (
        f"You are signed in as {caller.subject}, and this link answers for {person.address} only. "
        f"If you are {person.address}, sign out first. If you are asked yourself, answer in the console."
    )
    return Notice("warn", "user", f"This link was mailed to {person.address}", message)


async def _require_code(services: Services, token: str, form: Form) -> None:
    """Count the try, then compare. Raises NotFilledIn for what can be no code, which costs no try, and WrongCode."""
    typed = "".join(form.text("code", 20).split())
    if not _CODE.fullmatch(typed):
        raise NotFilledIn(_SIX_DIGITS)
    async with services.database.transaction() as session:
        if not await approvals.try_code(session, token_hash(token)):
            raise WrongCode(_NO_TRIES)
    if not services.link_codes.is_code(token, typed):
        raise WrongCode("These are not the six digits from your mail; nothing was sent.")
    async with services.database.transaction() as session:
        await approvals.right_code(session, token_hash(token))


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
