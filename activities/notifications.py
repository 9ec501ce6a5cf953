"""Tell approvers that their answer is wanted: one mail a person, each with its own link.

Sent at most once per (approval, person, kind) unless the transport's answer got lost; the link is then the same.
"""

import asyncio
from datetime import datetime
from typing import Protocol

from temporalio import activity

from activities.heartbeat import heartbeating
from domain.frozen import Frozen
from domain.refusal import Refusal


class AskApprover(Frozen):
    """What an approver must know to decide. ``approver`` is the person or group asked, ``members`` who gets a mail."""

    approval_id: str
    approver: str
    members: tuple[str, ...]
    release_name: str
    pipeline: str
    stage: str
    moment: str
    requested_by: str
    instructions: str = ""
    description: str = ""
    artifacts: tuple[str, ...] = ()
    digest: str
    expires_at: datetime


class Letter(Frozen):
    """One mail, ready to send. ``delivery_id`` lets the transport's events be matched to it."""

    delivery_id: str
    to: str
    subject: str
    text: str
    html: str


class MailRefused(Refusal):
    """The mail service will never take this mail as it is (bad address, bad key, unverified sender)."""


class MailTransport(Protocol):
    """Hands one mail to a mail service. Blocks; raises MailRefused, or any other error when it may be tried again."""

    def send(self, letter: Letter) -> str:
        """Return the service's message id."""
        ...


class Letters(Protocol):
    """Writes the mails."""

    def approval_wanted(self, ask: AskApprover, person: str, link: str, delivery_id: str) -> Letter: ...


class ApprovalLinks(Protocol):
    """Issues the links."""

    async def issue(self, approval_id: str, approver: str, person: str, expires_at: datetime) -> str:
        """The whole address; the same for the same arguments. Only its hash is kept."""
        ...


class Deliveries(Protocol):
    """Remembers what was sent."""

    async def claim(self, approval_id: str, person: str, kind: str) -> str | None:
        """A delivery id when this mail is still to be sent, None when it was sent or refused for good."""
        ...

    async def sent(self, delivery_id: str, message_id: str) -> None: ...

    async def failed(self, delivery_id: str, error: str, *, for_good: bool) -> None: ...


class Notifications:
    """Runs on the release worker. Safe to run twice: a delivery that was sent is not claimed again."""

    def __init__(
        self, links: ApprovalLinks, letters: Letters, deliveries: Deliveries, transport: MailTransport
    ) -> None:
        self._links = links
        self._letters = letters
        self._deliveries = deliveries
        self._transport = transport

    @activity.defn
    async def ask_approver(self, ask: AskApprover) -> None:
        async with heartbeating():
            for person in ask.members:
                await self._mail(ask, person)

    async def _mail(self, ask: AskApprover, person: str) -> None:
        delivery = await self._deliveries.claim(ask.approval_id, person, "approval wanted")
        if delivery is None:
            return
        link = await self._links.issue(ask.approval_id, ask.approver, person, ask.expires_at)
        letter = self._letters.approval_wanted(ask, person, link, delivery)
        try:
            message_id = await asyncio.to_thread(self._transport.send, letter)
        except MailRefused as refused:
            await self._deliveries.failed(delivery, str(refused), for_good=True)
        except Exception as error:
            await self._deliveries.failed(delivery, type(error).__name__, for_good=False)
            raise
        else:
            await self._deliveries.sent(delivery, message_id)
