"""The local outbox over HTTP. Mails hold approval links, so only admins read them."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.auth import needs
from api.errors import documented
from api.inputs import Limit
from api.services import ServicesHere
from api.views import MailText, MailView
from domain.refusal import NotFound
from domain.role import Role
from storage import mails

router = APIRouter(
    prefix="/outbox", tags=["outbox"], dependencies=[needs(Role.ADMIN)], responses=documented(401, 403, 422)
)


class NoSuchMail(NotFound):
    """There is no mail of that number."""


@router.get("", operation_id="list_mails", summary="List mails, newest first")
async def list_mails(
    services: ServicesHere,
    to: Annotated[str | None, Query(max_length=320)] = None,
    limit: Limit = 50,
    before: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Id of the last mail of the page before.")
    ] = None,
) -> list[MailView]:
    """Without their bodies."""
    async with services.database.reading() as session:
        rows = await mails.outbox(session, person=to, limit=limit, before=before)
    return [MailView(id=row.id, to=row.person, subject=row.subject, sent_at=row.sent_at) for row in rows]


@router.get("/{mail_id}", operation_id="get_mail", summary="Read a mail", responses=documented(404))
async def get_mail(mail_id: Annotated[int, Path(ge=1, le=2**31 - 1)], services: ServicesHere) -> MailText:
    """With its body, as text and HTML."""
    async with services.database.reading() as session:
        mail = await mails.mail(session, services.sealing, mail_id)
    if mail is None:
        raise NoSuchMail(f"there is no mail {mail_id}")
    return MailText(
        id=mail.id, to=mail.person, subject=mail.subject, sent_at=mail.sent_at, text=mail.text, html=mail.html
    )
