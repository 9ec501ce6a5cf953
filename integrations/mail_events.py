"""What SendGrid tells about a mail after it took it: the signed event webhook, verified and read."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from sendgrid.helpers.eventwebhook import EventWebhook

from activities.notifications import DeliveryStatus
from domain.frozen import Frozen
from domain.refusal import NotAllowed, Refusal
from integrations.repeated_links import without_links

# SendGrid sends what we did not take again for 24 hours, and may do so with the first signature. That somebody sends
# a copy does no harm: the signature covers time and events, and events that come again change nothing.
_GOOD_FOR = timedelta(hours=25)
_CLOCKS_DIFFER_BY = timedelta(minutes=5)
_LONGEST_REASON = 500
_FRAME = re.compile(r"-----(BEGIN|END) PUBLIC KEY-----|\s")
_TIMESTAMP = re.compile(r"[0-9]{1,11}", re.ASCII)
_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# "processed" says no more than its 202 did, and of what people do with their mail we want to know nothing.
_MEANINGS = {
    "delivered": DeliveryStatus.DELIVERED,
    "deferred": DeliveryStatus.DEFERRED,
    "bounce": DeliveryStatus.BOUNCED,  # of type "blocked" as well: that mail is not tried again either
    "dropped": DeliveryStatus.DROPPED,
}


class ForgedMailEvents(NotAllowed):
    """The events are not signed by the mail service, or were signed too long ago."""


class UnreadableMailEvents(Refusal):
    """The events are signed, and yet no list of events."""


class MailEvent(Frozen):
    """What became of one mail. ``reason`` is the answer of the person's mail server."""

    delivery_id: str
    status: DeliveryStatus
    reason: str = ""


class SignedMailEvents:
    """Believes what is signed with the key that belongs to ``public_key``, as SendGrid's settings show it."""

    def __init__(self, public_key: str) -> None:
        """Raise ValueError for what is no key."""
        try:
            self._webhook = EventWebhook(_FRAME.sub("", public_key))
        except ValueError as error:
            raise ValueError("the key of the SendGrid webhook is no public key; copy the verification key") from error
        if not isinstance(self._webhook.public_key, EllipticCurvePublicKey):
            raise ValueError("the key of the SendGrid webhook is no elliptic curve key; copy the verification key")  # noqa: TRY004  a setting

    def read(self, body: bytes, *, signature: str, timestamp: str, now: datetime) -> tuple[MailEvent, ...]:
        """The events that say something about a delivery, in order. Raises ForgedMailEvents, UnreadableMailEvents."""
        if not self._is_signed(body, signature, timestamp):
            raise ForgedMailEvents("the signature does not fit")
        age = now.timestamp() - int(timestamp)
        if not -_CLOCKS_DIFFER_BY.total_seconds() <= age <= _GOOD_FOR.total_seconds():
            raise ForgedMailEvents("signed more than 25 hours ago, or in the future; see to the clock of this machine")
        try:
            events = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise UnreadableMailEvents("the body is no JSON") from error
        if not isinstance(events, list):
            raise UnreadableMailEvents("the body is no list of events")
        return tuple(_read(events))

    def _is_signed(self, body: bytes, signature: str, timestamp: str) -> bool:
        if not _TIMESTAMP.fullmatch(timestamp):
            return False
        try:
            return bool(self._webhook.verify_signature(body.decode(), signature, timestamp))
        except ValueError:  # no UTF-8, no base64
            return False


def _read(events: list[object]) -> Iterator[MailEvent]:
    for event in events:
        if not isinstance(event, dict):
            continue
        status, delivery_id = _MEANINGS.get(str(event.get("event"))), event.get("delivery_id")
        if status is not None and isinstance(delivery_id, str) and delivery_id:
            yield MailEvent(delivery_id=delivery_id, status=status, reason=_reason(event))


def _reason(event: Mapping[str, object]) -> str:
    """In the words of whoever did not take the mail, on one line; that it was taken needs none."""
    if event["event"] == "delivered":
        return ""
    told = event.get("reason") or event.get("response") or event.get("status") or ""
    return without_links(_NOT_PRINTED.sub(" ", str(told)).strip())[:_LONGEST_REASON]
