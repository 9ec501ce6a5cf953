"""The stand-in tells what became of the mails it took, signed as the real service signs."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from fakes.served import served
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from activities.notifications import DeliveryStatus, Letter
from integrations.mail_events import MailEvent, SignedMailEvents
from integrations.sendgrid_mail import SendGridTransport
from local import sendgrid
from local.mail_events import EventKey, EventWebhook, events_of
from local.sendgrid import SendGridState

KEY = EventKey("1f" * 31)


@dataclass
class Hook:
    """Where events arrive. The first ``refuses`` of the posts are answered 503."""

    refuses: int = 0
    taken: list[tuple[MailEvent, ...]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    async def take(self, request: Request) -> Response:
        if self.refuses:
            self.refuses -= 1
            return Response(status_code=503)
        headers = request.headers
        events = SignedMailEvents(KEY.public).read(
            await request.body(),
            signature=headers["X-Twilio-Email-Event-Webhook-Signature"],
            timestamp=headers["X-Twilio-Email-Event-Webhook-Timestamp"],
            now=datetime.now(UTC),
        )
        self.taken.append(events)
        self.arrived.set()
        return Response(status_code=204)


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def url(hook: Hook) -> Iterator[str]:
    with served(Starlette(routes=[Route("/hooks/sendgrid", hook.take, methods=["POST"])])) as there:
        state = SendGridState(webhook=EventWebhook(f"{there}/hooks/sendgrid", KEY))
        with served(sendgrid.create_app(state)) as here:
            yield here


def send(url: str, person: str) -> None:
    letter = Letter(delivery_id="d-1", to=person, subject="x", text="x", html="x")
    SendGridTransport(SecretStr("SG.any"), url, "slipway@example.com", allow_http=True).send(letter)


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ("ana@example.com", MailEvent(delivery_id="d-1", status=DeliveryStatus.DELIVERED)),
        (
            "bounce@example.com",
            MailEvent(delivery_id="d-1", status=DeliveryStatus.BOUNCED, reason="550 5.1.1 no such mailbox"),
        ),
    ],
)
def test_a_mail_is_delivered_or_comes_back(url, hook, person, expected):
    """With the delivery id that it was sent with, in a shape and under a signature that we take from the real one."""
    send(url, person)
    assert hook.arrived.wait(10)
    assert [(expected,)] == hook.taken


def test_events_that_are_not_taken_come_again(url, hook):
    """Signed anew."""
    hook.refuses = 1
    send(url, "ana@example.com")
    assert hook.arrived.wait(10)
    assert (0, 1) == (hook.refuses, len(hook.taken))


def test_events_have_the_fields_of_the_documented_ones():
    """Of which programs rely on these."""
    processed, delivered = events_of("ana@example.com", "m-1", {"delivery_id": "d-1"})
    assert ["processed", "delivered"] == [processed["event"], delivered["event"]]
    assert {
        "email",
        "timestamp",
        "smtp-id",
        "event",
        "sg_event_id",
        "sg_message_id",
        "response",
        "delivery_id",
    } == delivered.keys()
    assert abs(time.time() - int(str(delivered["timestamp"]))) < 60
    assert processed["sg_event_id"] != delivered["sg_event_id"]


def test_without_a_webhook_nobody_is_told():
    """As in most tests."""
    with served(sendgrid.create_app(SendGridState())) as here:
        send(here, "ana@example.com")


def test_the_key_is_the_same_at_every_start():
    """An API that was not restarted still believes it."""
    assert EventKey("1f" * 31).public == KEY.public != EventKey("2e" * 31).public
