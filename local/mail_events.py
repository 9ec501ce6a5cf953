"""The stand-in's side of SendGrid's signed event webhook: what it tells about the mails it took."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Mapping, Sequence

import httpx2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Event = dict[str, object]
_PAUSES_SECONDS = (0.2, 1.0, 3.0, 10.0)


class EventKey:
    """The key that signs; ``secret`` is a number in hex digits, up to 248 bits of it."""

    def __init__(self, secret: str) -> None:
        self._key = ec.derive_private_key(int(secret, 16), ec.SECP256R1())

    @property
    def public(self) -> str:
        """As SendGrid's settings show it."""
        key = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(key).decode()

    def signed(self, body: bytes, at: float) -> dict[str, str]:
        """The headers that go with this body."""
        timestamp = str(int(at))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }


def events_of(person: str, message_id: str, custom_args: Mapping[str, str]) -> list[Event]:
    """What happens to a mail to this person: addresses that begin with ``bounce`` do not exist."""
    about = {
        "email": person,
        "timestamp": int(time.time()),
        "sg_message_id": f"{message_id}.stand-in-0",
        "smtp-id": f"<{message_id}@stand-in>",
        **custom_args,
    }
    if person.startswith("bounce"):
        end: Event = {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such mailbox"}
    else:
        end = {"event": "delivered", "response": "250 OK"}
    return [about | one | {"sg_event_id": secrets.token_urlsafe(16)} for one in ({"event": "processed"}, end)]


class EventWebhook:
    """Posts events, signed, and again while they are not taken, as the service does."""

    def __init__(self, url: str, key: EventKey) -> None:
        self._url = url
        self._key = key

    async def tell(self, events: Sequence[Event]) -> None:
        body = json.dumps(events).encode() + b"\r\n"
        async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as client:
            for pause in (*_PAUSES_SECONDS, 0):
                if await self._is_taken(client, body):
                    return
                await asyncio.sleep(pause)

    async def _is_taken(self, client: httpx2.AsyncClient, body: bytes) -> bool:
        headers = {"Content-Type": "application/json", **self._key.signed(body, time.time())}
        try:
            answer = await client.post(self._url, content=body, headers=headers)
        except httpx2.TransportError:
            return False
        return answer.is_success
