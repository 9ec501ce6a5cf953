"""The local outbox: mails that are kept for reading here instead of going to a mail service."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from activities.notifications import Letter
from domain.frozen import Frozen
from domain.person import spelled
from storage.clock import Clock, utc_now
from storage.column_types import LARGEST_INTEGER
from storage.database import Database
from storage.sealing import Sealing
from storage.tables import OutboxMailRow
from storage.upsert import insert_new

_SEND_WITHIN_SECONDS = 45


class Mail(Frozen):
    """A mail of the outbox, opened."""

    id: int
    person: str
    subject: str
    text: str
    html: str
    sent_at: datetime


class _Body(Frozen):
    text: str
    html: str


async def outbox(
    session: AsyncSession, *, person: str | None = None, limit: int = 50, before: int | None = None
) -> Sequence[OutboxMailRow]:
    """Newest first, still sealed; ``before`` is the id of the last row of the page before."""
    query = select(OutboxMailRow).order_by(OutboxMailRow.id.desc()).limit(limit)
    if person is not None:
        query = query.where(OutboxMailRow.person == spelled(person))
    if before is not None:
        query = query.where(OutboxMailRow.id < min(before, LARGEST_INTEGER))
    return (await session.scalars(query)).all()


async def mail(session: AsyncSession, sealing: Sealing, mail_id: int) -> Mail | None:
    """One mail with its text. Raises SealBroken when it was sealed with another key."""
    row = await session.get(OutboxMailRow, mail_id) if mail_id <= LARGEST_INTEGER else None
    if row is None:
        return None
    body = _Body.model_validate_json(sealing.open(row.sealed, _row(row.delivery_id)))
    return Mail(id=row.id, person=row.person, subject=row.subject, text=body.text, html=body.html, sent_at=row.sent_at)


class SqlOutbox:
    """A mail transport that keeps the mails. ``send`` is called in a thread; the database belongs to ``loop``."""

    def __init__(
        self, database: Database, sealing: Sealing, loop: asyncio.AbstractEventLoop, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._sealing = sealing
        self._loop = loop
        self._clock = clock

    def send(self, letter: Letter) -> str:
        """The same delivery again is the same mail."""
        keeping = asyncio.run_coroutine_threadsafe(self._keep(letter), self._loop)
        return keeping.result(_SEND_WITHIN_SECONDS)

    async def _keep(self, letter: Letter) -> str:
        body = _Body(text=letter.text, html=letter.html).model_dump_json().encode()
        row = {
            "delivery_id": letter.delivery_id,
            "person": spelled(letter.to),
            "subject": letter.subject,
            "sealed": self._sealing.seal(body, _row(letter.delivery_id)),
            "sent_at": self._clock(),
        }
        async with self._database.transaction() as session:
            await insert_new(session, OutboxMailRow, row)
        return f"outbox/{letter.delivery_id}"


def _row(delivery_id: str) -> str:
    return f"outbox/{delivery_id}"
