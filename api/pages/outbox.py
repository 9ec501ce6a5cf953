"""The local outbox: mails that were kept here instead of being sent. They hold approval links, so admins only."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from api.auth import Admin
from api.outbox import NoSuchMail
from api.pages.rendering import render
from api.services import Services, ServicesHere
from storage import mails

router = APIRouter(prefix="/outbox", include_in_schema=False)
MailId = Annotated[int, Path(ge=1, le=2**53)]
_AT_ONCE = 50
_MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; form-action 'none'; frame-ancestors 'self'"
)
_MAIL_HEADERS = {
    "Content-Security-Policy": _MAIL_POLICY,
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


@router.get("")
async def mail_list(
    request: Request,
    caller: Admin,
    services: ServicesHere,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> Response:
    """Newest first."""
    async with services.database.reading() as session:
        rows = await mails.outbox(session, limit=_AT_ONCE + 1, before=before)
    older = f"/outbox?before={rows[_AT_ONCE - 1].id}" if len(rows) > _AT_ONCE else ""
    return render(
        request,
        "outbox.html",
        caller=caller,
        section="Outbox",
        mails=rows[:_AT_ONCE],
        older_href=older,
        is_outbox=services.mail == "outbox",
    )


@router.get("/{mail_id}")
async def mail_page(request: Request, mail_id: MailId, caller: Admin, services: ServicesHere) -> Response:
    """The mail in a frame of its own, where nothing of it can touch the console."""
    mail = await _mail(services, mail_id)
    return render(request, "mail.html", caller=caller, section="Outbox", mail=mail)


@router.get("/{mail_id}/html")
async def mail_html(mail_id: MailId, caller: Admin, services: ServicesHere) -> Response:  # noqa: ARG001  the right
    """The mail's own HTML, as an origin of its own without script. Its links open in a new tab."""
    mail = await _mail(services, mail_id)
    return HTMLResponse(_with_links_outside(mail.html), headers=_MAIL_HEADERS)


async def _mail(services: Services, mail_id: int) -> mails.Mail:
    async with services.database.reading() as session:
        mail = await mails.mail(session, services.sealing, mail_id)
    if mail is None:
        raise NoSuchMail(f"there is no mail {mail_id}")
    return mail


def _with_links_outside(html: str) -> str:
    base = '<base target="_blank">'
    return html.replace("<head>", f"<head>{base}", 1) if "<head>" in html else base + html
