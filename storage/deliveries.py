"""What became of the mails: which are to be sent, which were, and what the mail service told about them later."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from activities.notifications import Claim, DeliveryStatus, MailUnderWay
from domain.approval import Verdict
from storage.clock import Clock, utc_now
from storage.database import Database
from storage.tables import ApprovalRow, DeliveryRow
from storage.upsert import insert_new

_LONGEST_ERROR = 2000
# Longer than any transport takes. Whoever claimed a mail and told nothing for so long has died.
_UNDER_WAY = timedelta(seconds=30)
_REFUSED = [status for status in DeliveryStatus if status.is_refused]


async def deliveries(session: AsyncSession, approval_id: str) -> Sequence[DeliveryRow]:
    """By person."""
    found = await session.scalars(
        select(DeliveryRow).where(DeliveryRow.approval_id == approval_id).order_by(DeliveryRow.person, DeliveryRow.kind)
    )
    return found.all()


async def deliveries_of(session: AsyncSession, approval_ids: Iterable[str]) -> Sequence[DeliveryRow]:
    """Of several approvals, by approval and person."""
    found = await session.scalars(
        select(DeliveryRow)
        .where(DeliveryRow.approval_id.in_(list(approval_ids)))
        .order_by(DeliveryRow.approval_id, DeliveryRow.person, DeliveryRow.kind)
    )
    return found.all()


class SqlDeliveries:
    """Remembers the mails. A claim holds until its mail is told of, or for half a minute."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def claim(self, approval_id: str, person: str, kind: str) -> Claim | None:
        """Raises MailUnderWay while another claim of the same mail holds."""
        key = {"approval_id": approval_id, "person": person, "kind": kind}
        new = {"id": uuid4().hex, "status": DeliveryStatus.PENDING, "tries": 0, "message_id": "", "error": ""}
        async with self._database.transaction() as session:
            await insert_new(session, DeliveryRow, key | new | {"updated_at": self._clock()})
            claim = await self._claim(session, key)
            if claim is not None:
                return claim
            status = await session.scalar(select(DeliveryRow.status).filter_by(**key))
        if status == DeliveryStatus.PENDING:
            raise MailUnderWay(f"the mail to {person} is being sent")
        return None

    async def _claim(self, session: AsyncSession, key: Mapping[str, str]) -> Claim | None:
        """In one statement, so that of two who try one succeeds."""
        now = self._clock()
        is_free = or_(DeliveryRow.tries == 0, DeliveryRow.error != "", DeliveryRow.updated_at <= now - _UNDER_WAY)
        claimed = await session.execute(
            update(DeliveryRow)
            .filter_by(**key)
            .where(DeliveryRow.status == DeliveryStatus.PENDING, is_free)
            .values(tries=DeliveryRow.tries + 1, error="", updated_at=now)
            .returning(DeliveryRow.id, DeliveryRow.tries)
        )
        row = claimed.one_or_none()
        return None if row is None else Claim(delivery_id=row.id, tries=row.tries - 1)

    async def is_decided(self, approval_id: str) -> bool:
        """As it was recorded last."""
        async with self._database.reading() as session:
            verdict = await session.scalar(select(ApprovalRow.verdict).where(ApprovalRow.id == approval_id))
        return verdict is not None and Verdict(verdict).is_final

    async def sent(self, delivery_id: str, message_id: str) -> None:
        await self._become(delivery_id, DeliveryStatus.SENT, message_id=message_id, error="")

    async def failed(self, delivery_id: str, error: str, *, for_good: bool) -> None:
        """A mail that was sent stays sent, whatever a slower attempt has to say."""
        told = error[:_LONGEST_ERROR] or "it was not said why"
        if for_good:
            await self._become(delivery_id, DeliveryStatus.FAILED, error=told)
            return
        async with self._database.transaction() as session:
            await session.execute(
                update(DeliveryRow)
                .where(DeliveryRow.id == delivery_id, DeliveryRow.status == DeliveryStatus.PENDING)
                .values(error=told, updated_at=self._clock())
            )

    async def refused(self, approval_id: str, people: tuple[str, ...]) -> tuple[str, ...]:
        """In the order in which they are named."""
        query = select(DeliveryRow.person).where(
            DeliveryRow.approval_id == approval_id, DeliveryRow.person.in_(people), DeliveryRow.status.in_(_REFUSED)
        )
        async with self._database.reading() as session:
            found = set(await session.scalars(query))
        return tuple(person for person in people if person in found)

    async def told(self, delivery_id: str, status: DeliveryStatus, reason: str) -> DeliveryRow | None:
        """Keep what the mail service told later, in whatever order it tells. Gives what is known then of the mail."""
        await self._become(delivery_id, status, error=reason[:_LONGEST_ERROR])
        async with self._database.reading() as session:
            return await session.get(DeliveryRow, delivery_id)

    async def _become(self, delivery_id: str, status: DeliveryStatus, **values: str) -> None:
        """Unless more is known already."""
        order = list(DeliveryStatus)
        less_certain = order[: order.index(status)]
        async with self._database.transaction() as session:
            await session.execute(
                update(DeliveryRow)
                .where(DeliveryRow.id == delivery_id, DeliveryRow.status.in_(less_certain))
                .values(status=status, updated_at=self._clock(), **values)
            )
