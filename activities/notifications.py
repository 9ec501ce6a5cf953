"""Tell approvers that their answer is wanted: one mail a person, each with its own link.

Sent at most once per (approval, person, kind) unless the transport's answer got lost; the link is then the same.
"""

import asyncio
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from temporalio import activity

from activities.heartbeat import heartbeating
from domain.approval_policy import LinkLevel
from domain.frozen import Frozen
from domain.refusal import Refusal


class LetterKind(StrEnum):
    """What a mail is about."""

    WANTED = "approval wanted"
    REMINDER = "reminder"
    DEPUTY = "deputy wanted"
    UNREACHABLE = "approver unreachable"


class AskApprover(Frozen):
    """What an approver must know to decide. ``approver`` is the person or group asked, ``members`` who gets a mail.

    ``round`` and ``number`` (of a reminder) tell mails of one kind apart; ``because`` says why this person, why now.
    """

    approval_id: str
    approver: str
    members: tuple[str, ...]
    kind: LetterKind = LetterKind.WANTED
    round: int = 0
    number: int = 0
    level: LinkLevel = LinkLevel.LINK
    because: str = ""
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

    @property
    def delivery_kind(self) -> str:
        """The same for the same mail, so that it is sent once: ``reminder 2, round 1``."""
        number = f" {self.number}" if self.number else ""
        return f"{self.kind}{number}" + (f", round {self.round}" if self.round else "")


class MailReport(Frozen):
    """``refused`` are the people whom no mail of ours can reach: the service refused their mail for good."""

    refused: tuple[str, ...] = ()


class TellUnreachable(Frozen):
    """Tell those who requested a deployment that an approver cannot be reached by mail."""

    approval_id: str
    people: tuple[str, ...]
    approver: str
    reason: str
    release_name: str
    pipeline: str
    stage: str
    moment: str


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


class IssuedLink(Frozen):
    """The whole address, and the six digits to type by hand where the policy wants them. Only hashes are kept."""

    url: str
    code: str = ""


class Letters(Protocol):
    """Writes the mails."""

    def approval_wanted(self, ask: AskApprover, person: str, link: IssuedLink, delivery_id: str) -> Letter: ...

    def approver_unreachable(self, told: TellUnreachable, person: str, delivery_id: str) -> Letter: ...


class ApprovalLinks(Protocol):
    """Issues the links."""

    async def issue(self, ask: AskApprover, person: str) -> IssuedLink:
        """The same for the same approval, approver, person and round; of level ``login`` the console's own page."""
        ...


class Claim(Frozen):
    """A mail to be sent now. ``tries`` is how often it was tried before."""

    delivery_id: str
    tries: int = 0


class Deliveries(Protocol):
    """Remembers what was sent."""

    async def claim(self, approval_id: str, person: str, kind: str) -> Claim | None:
        """None when this mail was sent, or refused for good."""
        ...

    async def sent(self, delivery_id: str, message_id: str) -> None: ...

    async def failed(self, delivery_id: str, error: str, *, for_good: bool) -> None: ...

    async def refused(self, approval_id: str, people: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the people whose mail about this approval was refused or came back."""
        ...


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
    async def ask_approver(self, ask: AskApprover) -> MailReport:
        async with heartbeating():
            for person in ask.members:
                await self._ask(ask, person)
            return MailReport(refused=await self._deliveries.refused(ask.approval_id, ask.members))

    @activity.defn
    async def tell_unreachable(self, told: TellUnreachable) -> None:
        async with heartbeating():
            for person in told.people:
                claim = await self._deliveries.claim(
                    told.approval_id, person, f"{LetterKind.UNREACHABLE}: {told.approver}"
                )
                if claim is not None:
                    await self._send(self._letters.approver_unreachable(told, person, claim.delivery_id))

    async def _ask(self, ask: AskApprover, person: str) -> None:
        claim = await self._deliveries.claim(ask.approval_id, person, ask.delivery_kind)
        if claim is not None:
            link = await self._links.issue(ask, person)
            await self._send(self._letters.approval_wanted(ask, person, link, claim.delivery_id))

    async def _send(self, letter: Letter) -> None:
        try:
            message_id = await asyncio.to_thread(self._transport.send, letter)
        except MailRefused as refused:
            await self._deliveries.failed(letter.delivery_id, str(refused), for_good=True)
        except Exception as error:
            await self._deliveries.failed(letter.delivery_id, type(error).__name__, for_good=False)
            raise
        else:
            await self._deliveries.sent(letter.delivery_id, message_id)
