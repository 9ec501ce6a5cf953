"""Tell people what is wanted of them: one mail a person; approvers find their own link in it.

Sent at most once per (approval, person, kind) unless the transport's answer got lost; the link is then the same.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeating
from domain.approval_policy import LinkLevel
from domain.change_outline import Outline
from domain.frozen import Frozen
from domain.refusal import Refusal

_MAILS_AT_ONCE = 4
_TRIES_BEFORE_FALLBACK = 3
_SEND_WITHIN_SECONDS = 25.0


class LetterKind(StrEnum):
    """What a mail is about."""

    WANTED = "approval wanted"
    REMINDER = "reminder"
    DEPUTY = "deputy wanted"
    UNREACHABLE = "approver unreachable"
    DECISION = "decision wanted"
    NO_RELEASE = "no release"


class AskApprover(Frozen):
    """What an approver must know to decide. ``approver`` is the person or group asked, ``members`` who gets a mail.

    ``round``, ``place`` (in a sequence, from 0) and ``number`` (of a reminder) tell mails of one kind apart;
    ``because`` says why this person, why now.
    """

    approval_id: str
    approver: str
    members: tuple[str, ...]
    kind: LetterKind = LetterKind.WANTED
    round: int = 0
    place: int = 0
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
    changes: Outline | None = None
    digest: str
    expires_at: datetime

    @property
    def delivery_kind(self) -> str:
        """The same for the same mail, so that it is sent once: ``reminder 2, round 1``."""
        number = f" {self.number}" if self.number else ""
        place = f", place {self.place + 1}" if self.place else ""
        return f"{self.kind}{number}" + (f", round {self.round}" if self.round else "") + place


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

    @property
    def delivery_kind(self) -> str:
        """Another one for another approver."""
        return f"{LetterKind.UNREACHABLE}: {self.approver}"


class TellDecisionWanted(Frozen):
    """Tell those who requested a deployment that a job of it asks how it goes on. ``choices`` are in words."""

    run_id: str
    deployment: str
    people: tuple[str, ...]
    title: str
    question: str
    choices: tuple[str, ...]
    expires_at: datetime
    release_name: str
    pipeline: str
    stage: str

    @property
    def delivery_kind(self) -> str:
        """Another one for another run of a step."""
        return f"{LetterKind.DECISION}: {self.run_id.removeprefix(f'{self.deployment}/')}"


class TellNoRelease(Frozen):
    """Tell who answers for a pipeline that something was to start a release of it, and why there is none."""

    event_id: str
    pipeline: str
    people: tuple[str, ...]
    what: str
    reason: str

    @property
    def about(self) -> str:
        """What the mail is kept as being about."""
        return f"trigger/{self.event_id}"


class Letter(Frozen):
    """One mail, ready to send. ``delivery_id`` lets the transport's events be matched to it."""

    delivery_id: str
    to: str
    subject: str
    text: str
    html: str


class DeliveryStatus(StrEnum):
    """What became of a mail, least certain first: a later word never makes it less certain.

    A mail that was sent twice may be delivered and dropped; then it is delivered. One that was delivered may come back.
    """

    PENDING = "pending"
    FAILED = "failed"
    SENT = "sent"
    DEFERRED = "deferred"
    DROPPED = "dropped"
    DELIVERED = "delivered"
    BOUNCED = "bounced"

    @property
    def is_refused(self) -> bool:
        """Whether the person has no such mail, and will get none."""
        return self in {DeliveryStatus.FAILED, DeliveryStatus.DROPPED, DeliveryStatus.BOUNCED}


class MailRefused(Refusal):
    """The mail service will never take this mail as it is (bad address, too large)."""


class MailNotTaken(Exception):  # noqa: N818  reads as what happened
    """The service did not take the mail this time. Worth another try. Its text holds no secret."""


class SenderRefused(MailNotTaken):
    """The service takes no mail from us at all (bad key, unverified sender), until somebody mends that."""


class MailUnderWay(Exception):  # noqa: N818  reads as what happens
    """Somebody else is sending this very mail. What became of it is known in a moment."""


class MailTransport(Protocol):
    """Hands one mail to a mail service. Blocks; any error but MailRefused means that it may be tried again."""

    def send(self, letter: Letter) -> str:
        """Return the service's message id. Raises MailRefused, SenderRefused or MailNotTaken."""
        ...


class IssuedLink(Frozen):
    """The whole address, and the six digits to type by hand where the policy wants them. Only hashes are kept."""

    url: str
    code: str = ""


class Letters(Protocol):
    """Writes the mails."""

    def approval_wanted(self, ask: AskApprover, person: str, link: IssuedLink, delivery_id: str) -> Letter: ...

    def approver_unreachable(self, told: TellUnreachable, person: str, delivery_id: str) -> Letter: ...

    def decision_wanted(self, told: TellDecisionWanted, person: str, delivery_id: str) -> Letter: ...

    def no_release(self, told: TellNoRelease, person: str, delivery_id: str) -> Letter: ...


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
    """Remembers what was sent. A mail about a step is kept as one about its deployment."""

    async def claim(self, approval_id: str, person: str, kind: str) -> Claim | None:
        """None when this mail was sent, or refused for good. Raises MailUnderWay."""
        ...

    async def is_decided(self, approval_id: str) -> bool:
        """Whether nobody need be asked any more; an approval that is not known is open."""
        ...

    async def sent(self, delivery_id: str, message_id: str) -> None: ...

    async def failed(self, delivery_id: str, error: str, *, for_good: bool) -> None: ...

    async def refused(self, approval_id: str, people: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the people whose mail about this approval was refused or came back."""
        ...


_Write = Callable[[str, str], Awaitable[Letter]]  # of a person and a delivery id


class Notifications:
    """Runs on the release worker. Safe to run twice: a delivery that was sent is not claimed again.

    ``fallback`` is a second way to send: for mails that failed three times, taking turns with the first, and at once
    when the first takes nothing from us. A mail is refused for good only when the first way refuses it.
    """

    def __init__(
        self,
        links: ApprovalLinks,
        letters: Letters,
        deliveries: Deliveries,
        transport: MailTransport,
        *,
        fallback: MailTransport | None = None,
        send_within_seconds: float = _SEND_WITHIN_SECONDS,
    ) -> None:
        self._links = links
        self._letters = letters
        self._deliveries = deliveries
        self._transport = transport
        self._fallback = fallback
        self._send_within_seconds = send_within_seconds
        self._at_once = asyncio.Semaphore(_MAILS_AT_ONCE)

    @activity.defn
    async def ask_approver(self, ask: AskApprover) -> MailReport:
        async def write(person: str, delivery_id: str) -> Letter:
            link = await self._links.issue(ask, person)
            return self._letters.approval_wanted(ask, person, link, delivery_id)

        async with heartbeating():
            if activity.info().attempt > 1 and await self._deliveries.is_decided(ask.approval_id):
                return MailReport()
            await self._mail(ask.approval_id, ask.delivery_kind, ask.members, write)
            return MailReport(refused=await self._deliveries.refused(ask.approval_id, ask.members))

    @activity.defn
    async def tell_unreachable(self, told: TellUnreachable) -> None:
        async def write(person: str, delivery_id: str) -> Letter:
            return self._letters.approver_unreachable(told, person, delivery_id)

        async with heartbeating():
            await self._mail(told.approval_id, told.delivery_kind, told.people, write)

    @activity.defn
    async def tell_decision_wanted(self, told: TellDecisionWanted) -> None:
        async def write(person: str, delivery_id: str) -> Letter:
            return self._letters.decision_wanted(told, person, delivery_id)

        async with heartbeating():
            await self._mail(told.deployment, told.delivery_kind, told.people, write)

    @activity.defn
    async def tell_no_release(self, told: TellNoRelease) -> None:
        async def write(person: str, delivery_id: str) -> Letter:
            return self._letters.no_release(told, person, delivery_id)

        async with heartbeating():
            await self._mail(told.about, LetterKind.NO_RELEASE, told.people, write)

    async def _mail(self, approval_id: str, kind: str, people: tuple[str, ...], write: _Write) -> None:
        """Mail each; trouble with one keeps no mail from another, and is raised at the end."""
        mails = (self._mail_one(approval_id, kind, person, write) for person in dict.fromkeys(people))
        ends = await asyncio.gather(*mails, return_exceptions=True)
        troubles = [end for end in ends if end is not None]
        # The one that knows when to come back, where there is one: Temporal then waits so long.
        for trouble in sorted(troubles, key=lambda trouble: not isinstance(trouble, ApplicationError)):
            raise trouble

    async def _mail_one(self, approval_id: str, kind: str, person: str, write: _Write) -> None:
        async with self._at_once:
            claim = await self._deliveries.claim(approval_id, person, kind)
            if claim is None:
                return
            try:
                message_id = await self._hand_over(await write(person, claim.delivery_id), claim.tries)
            except MailRefused as refused:
                await self._deliveries.failed(claim.delivery_id, str(refused), for_good=True)
            except Exception as error:
                await self._deliveries.failed(claim.delivery_id, _told(error), for_good=False)
                raise
            else:
                await self._deliveries.sent(claim.delivery_id, message_id)

    async def _hand_over(self, letter: Letter, tries: int) -> str:
        async with asyncio.timeout(self._send_within_seconds):
            if self._fallback is None:
                return await asyncio.to_thread(self._transport.send, letter)
            if tries >= _TRIES_BEFORE_FALLBACK and (tries - _TRIES_BEFORE_FALLBACK) % 2 == 0:
                return await _stepping_in(self._fallback, letter)
            try:
                return await asyncio.to_thread(self._transport.send, letter)
            except SenderRefused:
                return await _stepping_in(self._fallback, letter)


async def _stepping_in(fallback: MailTransport, letter: Letter) -> str:
    """What steps in may refuse whom the first way would reach, as a server that only serves its own people does."""
    try:
        return await asyncio.to_thread(fallback.send, letter)
    except MailRefused as refused:
        raise MailNotTaken(str(refused)) from refused


def _told(error: Exception) -> str:
    """Of errors that are not ours the name only: nobody knows what their text holds."""
    return str(error) if isinstance(error, MailNotTaken | ApplicationError) else type(error).__name__
