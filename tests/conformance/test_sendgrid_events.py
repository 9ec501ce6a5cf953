"""The stand-in tells of mails in the shape of the real service, and events of that shape are understood."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.exchanges import recorded

from integrations.mail_events import SignedMailEvents
from local.mail_events import EventKey, events_of

KEY = EventKey("1f" * 31)
MEANINGS = {"delivered": "delivered", "deferred": "deferred", "bounce": "bounced", "dropped": "dropped"}


def events_in(file: Path) -> list[dict[str, Any]]:
    """Nothing where a recorded page is no list of events."""
    try:
        found = json.loads(file.read_text())
    except ValueError:
        return []
    return found if isinstance(found, list) else []


EVENTS = [
    pytest.param(event, id=f"{param.id}:{event['event']}")  # type: ignore[attr-defined]
    for param in recorded("sendgrid/docs/event_*.json")
    for event in events_in(param.values[0])  # type: ignore[attr-defined]
]


@pytest.mark.parametrize("expected", EVENTS)
def test_the_stand_in_tells_with_the_same_words(expected: dict[str, Any]):
    """The same keys, each of the same type; categories we send none, and ids of deliveries only we."""
    ours = [*events_of("ana@example.com", "m-1", {"delivery_id": "d-1"}), *events_of("bounce@example.com", "m-2", {})]
    alike = [event for event in ours if event["event"] == expected["event"]]
    for actual in alike:
        assert expected.keys() - {"category"} <= actual.keys()
        assert all(type(expected[key]) is type(actual[key]) for key in expected.keys() - {"category"})
    assert alike or expected["event"] not in {"processed", "delivered", "bounce"}


@pytest.mark.parametrize("event", EVENTS)
def test_events_of_the_real_service_are_understood(event: dict[str, Any]):
    """With our delivery id in them, as the service adds it; those that say nothing of a delivery are passed over."""
    body = json.dumps([event | {"delivery_id": "d-1"}]).encode()
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    signature, timestamp = KEY.signed(body, now.timestamp()).values()
    found = SignedMailEvents(KEY.public).read(body, signature=signature, timestamp=timestamp, now=now)
    expected = [MEANINGS[event["event"]]] if event["event"] in MEANINGS else []
    assert expected == [one.status for one in found]
