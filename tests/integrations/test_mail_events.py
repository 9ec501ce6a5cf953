"""SendGrid's signed events: only what it signed a moment ago is believed, and read without trusting its shape."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from activities.notifications import DeliveryStatus
from integrations.mail_events import ForgedMailEvents, MailEvent, SignedMailEvents, UnreadableMailEvents
from local.mail_events import EventKey

# From the tests of SendGrid's own package: a real key, body and signature.
REAL_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6w"
    "EA3F+g=="
)
REAL_SIGNATURE = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
REAL_TIMESTAMP = "1600112502"
REAL_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)
REAL_NOW = datetime.fromtimestamp(int(REAL_TIMESTAMP), UTC)
OTHER_SIGNATURE = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH3j/0="

KEY = EventKey("1f" * 31)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def read_real(**changes):
    values = {"body": REAL_BODY, "signature": REAL_SIGNATURE, "timestamp": REAL_TIMESTAMP, "now": REAL_NOW} | changes
    return SignedMailEvents(REAL_KEY).read(values.pop("body"), **values)


def read(events: object, *, at: datetime = NOW, now: datetime = NOW) -> tuple[MailEvent, ...]:
    """Signed with our own key; bytes as they are."""
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    signature, timestamp = KEY.signed(body, at.timestamp()).values()
    return SignedMailEvents(KEY.public).read(body, signature=signature, timestamp=timestamp, now=now)


def test_a_real_signature_is_believed():
    """Over the very bytes, down to the line break at their end. The event names no delivery of ours."""
    assert () == read_real()


@pytest.mark.parametrize(
    "change",
    [
        {"body": REAL_BODY.rstrip()},
        {"body": REAL_BODY.replace(b"dropped", b"bounced")},
        {"body": b"payload"},
        {"body": b"\xff\xfe"},
        {"signature": OTHER_SIGNATURE},
        {"signature": ""},
        {"signature": "no base64!"},
        {"signature": "ä"},
        {"signature": base64.b64encode(b"no signature").decode()},
        {"timestamp": "1600112503"},
        {"timestamp": "timestamp"},
        {"timestamp": ""},
        {"timestamp": "-1600112502"},
        {"timestamp": "١٦٠٠١١٢٥٠٢"},
        {"timestamp": "1" * 500},
    ],
)
def test_whatever_was_changed_is_forged(change):
    """Body, signature or time."""
    with pytest.raises(ForgedMailEvents, match="signature"):
        read_real(**change)


def test_another_key_believes_nothing():
    """Each account has its own."""
    with pytest.raises(ForgedMailEvents):
        SignedMailEvents(KEY.public).read(REAL_BODY, signature=REAL_SIGNATURE, timestamp=REAL_TIMESTAMP, now=REAL_NOW)


@pytest.mark.parametrize(("seconds", "is_believed"), [(-301, False), (-299, True), (89_999, True), (90_001, False)])
def test_what_was_signed_more_than_25_hours_ago_is_refused(seconds, is_believed):
    """SendGrid comes again for a day. A clock of ours that is a little behind is forgiven."""
    now = NOW + timedelta(seconds=seconds)
    if is_believed:
        assert () == read([], now=now)
    else:
        with pytest.raises(ForgedMailEvents, match="25 hours"):
            read([], now=now)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"event": "delivered", "response": "250 OK"}, (DeliveryStatus.DELIVERED, "")),
        ({"event": "deferred", "response": "400 try again later", "attempt": "5"}, ("deferred", "400 try again later")),
        (
            {"event": "bounce", "reason": "500 unknown recipient", "status": "5.0.0"},
            ("bounced", "500 unknown recipient"),
        ),
        ({"event": "bounce", "type": "blocked", "reason": "550 blocked"}, ("bounced", "550 blocked")),
        ({"event": "bounce", "status": "5.1.1"}, ("bounced", "5.1.1")),
        ({"event": "dropped", "reason": "Bounced Address"}, ("dropped", "Bounced Address")),
        ({"event": "dropped", "reason": "two\r\nlines\x1b[31m"}, ("dropped", "two lines [31m")),
        (
            {"event": "bounce", "reason": "550 spam: https://slipway.example.com/approve/Ab-c_9, and more"},
            ("bounced", "550 spam: https://slipway.example.com/approve/***, and more"),
        ),
        ({"event": "dropped", "reason": "x" * 5000}, ("dropped", "x" * 500)),
        ({"event": "dropped", "reason": {"deep": 1}}, ("dropped", "{'deep': 1}")),
    ],
)
def test_each_event_has_its_meaning(event, expected):
    """With the reason on one line."""
    (found,) = read([{"delivery_id": "d-1", "email": "ana@example.com"} | event])
    assert ("d-1", *expected) == (found.delivery_id, found.status, found.reason)


@pytest.mark.parametrize(
    "event",
    [
        {"event": "processed", "delivery_id": "d-1"},
        {"event": "open", "delivery_id": "d-1"},
        {"event": "click", "delivery_id": "d-1"},
        {"event": "spamreport", "delivery_id": "d-1"},
        {"event": "invented-next-year", "delivery_id": "d-1"},
        {"event": ["delivered"], "delivery_id": "d-1"},
        {"delivery_id": "d-1"},
        {"event": "delivered"},
        {"event": "delivered", "delivery_id": ""},
        {"event": "delivered", "delivery_id": 7},
        {"event": "delivered", "delivery_id": ["d-1"]},
        "delivered",
        None,
        [],
    ],
)
def test_what_says_nothing_about_a_delivery_is_passed_over(event):
    """And what stands beside it is read."""
    good = {"event": "delivered", "delivery_id": "d-2"}
    assert ["d-2"] == [found.delivery_id for found in read([event, good])]


@pytest.mark.parametrize("body", [b"", b"{", b'{"event": "delivered"}', b"7", b"[" * 100_000])
def test_what_is_signed_and_no_list_is_unreadable(body):
    """It is no forgery, and no use."""
    with pytest.raises(UnreadableMailEvents):
        read(body)


@pytest.mark.parametrize("frame", ["{}", " {}\n", "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n"])
def test_the_key_may_come_with_its_frame(frame):
    """However it was copied."""
    SignedMailEvents(frame.format(REAL_KEY))


def spelt(key) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "no key",
        REAL_KEY[:-20],
        "ä",
        pytest.param(spelt(rsa.generate_private_key(65537, 2048).public_key()), id="an RSA key"),
        pytest.param(spelt(ed25519.Ed25519PrivateKey.generate().public_key()), id="an Ed25519 key"),
    ],
)
def test_what_is_no_key_is_told_at_once(key):
    """Not with the first event."""
    with pytest.raises(ValueError, match="copy the verification key"):
        SignedMailEvents(key)
