"""Where the mail service tells what became of our mails. Public: what counts is the signature."""

from collections.abc import Sequence
from contextlib import suppress

from fastapi import APIRouter, Request
from starlette.status import HTTP_204_NO_CONTENT

from activities.notifications import DeliveryStatus, LetterKind
from api.auth import PUBLIC
from api.errors import documented
from api.orchestrator import NothingRuns
from api.services import Services, ServicesHere
from domain.approval import Moment
from domain.ids import split_approval_id
from domain.refusal import NotFound
from storage.deliveries import SqlDeliveries
from storage.tables import DeliveryRow

router = APIRouter(tags=["mail events"], dependencies=[PUBLIC])
_SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
_TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
_TELLING = (LetterKind.UNREACHABLE, LetterKind.DECISION, LetterKind.NO_RELEASE)


class NoMailEvents(NotFound):
    """This installation takes no events of its mails."""


@router.post(
    "/hooks/sendgrid",
    operation_id="take_sendgrid_events",
    summary="Take SendGrid's signed events",
    status_code=HTTP_204_NO_CONTENT,
    responses=documented(403, 404, 413, 422, 503),
)
async def take_sendgrid_events(request: Request, services: ServicesHere) -> None:
    """Events may come twice and in any order. Unknown ones, and those of other programs' mails, change nothing.

    A mail that came back is told to its deployment; 503 when that cannot be done now, so that SendGrid comes again.
    """
    if services.mail_events is None:
        raise NoMailEvents("no key for SendGrid's events is set here (SLIPWAY_SENDGRID_WEBHOOK_KEY)")
    events = services.mail_events.read(
        await request.body(),
        signature=request.headers.get(_SIGNATURE, ""),
        timestamp=request.headers.get(_TIMESTAMP, ""),
        now=services.clock(),
    )
    deliveries = SqlDeliveries(services.database, services.clock)
    known = [await deliveries.told(event.delivery_id, event.status, event.reason) for event in events]
    await _tell_deployments(services, [row for row in known if row is not None])


async def _tell_deployments(services: Services, mails: Sequence[DeliveryRow]) -> None:
    """Each person once for each approval. What runs no more needs no answer any more."""
    lost = {(mail.approval_id, mail.person): mail.error for mail in mails if _keeps_somebody_waiting(mail)}
    for (approval, person), reason in lost.items():
        deployment, moment = split_approval_id(approval)
        with suppress(NothingRuns):
            await services.orchestrator.mail_bounced(deployment, Moment(moment), person, reason)


def _keeps_somebody_waiting(mail: DeliveryRow) -> bool:
    """Not so the mails that tell requesters something."""
    return DeliveryStatus(mail.status).is_refused and not mail.kind.startswith(_TELLING)
