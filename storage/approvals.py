"""Approvals as people see them: one by its id, a person's inbox, the mailed links."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from activities.notifications import AskApprover, IssuedLink
from domain.answering import is_one_of
from domain.approval import Approval, Moment, Verdict
from domain.approval_policy import LinkLevel
from domain.ids import ReleaseId
from domain.person import spelled
from storage import cursor, people
from storage.clock import Clock, utc_now
from storage.database import Database
from storage.link_codes import LinkCodes
from storage.sealing import Sealing, derived_key
from storage.tables import ApprovalLinkRow, ApprovalRow, ApproverRow, DeploymentRow
from storage.token_hash import token_hash as hash_of
from storage.upsert import put

MOST_WRONG_CODES = 5


async def get(session: AsyncSession, approval_id: str) -> ApprovalRow | None:
    """One approval by its id."""
    return await session.get(ApprovalRow, approval_id)


async def of_release(session: AsyncSession, release: ReleaseId) -> Sequence[ApprovalRow]:
    """As they were opened."""
    found = await session.scalars(
        select(ApprovalRow)
        .join(DeploymentRow, DeploymentRow.id == ApprovalRow.deployment)
        .where(DeploymentRow.release == str(release))
        .order_by(ApprovalRow.opened_at, ApprovalRow.id)
    )
    return found.all()


async def inbox(  # noqa: PLR0913  each filter is named
    session: AsyncSession,
    person: str,
    *,
    group: str | None = None,
    pipeline: str | None = None,
    stage: str | None = None,
    release: str | None = None,
    moment: Moment | None = None,
    verdict: Verdict | None = Verdict.PENDING,
    limit: int = 50,
    after: str | None = None,
) -> Sequence[ApprovalRow]:
    """A person's approvals, oldest first: pending ones only while their answer is awaited. Raises BadCursor.

    ``verdict`` None gives all that they are among the approvers of; ``after`` is the last row's ``cursor_of``.
    """
    return await page(
        session,
        person=person,
        group=group,
        pipeline=pipeline,
        stage=stage,
        release=release,
        moment=moment,
        verdict=verdict,
        limit=limit,
        after=after,
    )


async def page(  # noqa: PLR0913  each filter is named
    session: AsyncSession,
    *,
    person: str | None = None,
    group: str | None = None,
    pipeline: str | None = None,
    stage: str | None = None,
    release: str | None = None,
    moment: Moment | None = None,
    verdict: Verdict | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Sequence[ApprovalRow]:
    """Approvals that all these filters let through, oldest first. Raises BadCursor.

    Of a ``person`` (any address of theirs) or a ``group``, pending ones only while their answer is awaited.
    """
    query = select(ApprovalRow).order_by(ApprovalRow.opened_at, ApprovalRow.id).limit(limit)
    equal = {
        ApprovalRow.pipeline: pipeline,
        ApprovalRow.stage: stage,
        ApprovalRow.release: release,
        ApprovalRow.moment: moment,
        ApprovalRow.verdict: verdict,
    }
    query = query.where(*(column == wanted for column, wanted in equal.items() if wanted is not None))
    if person is not None:
        addresses = (await people.person(session, person)).addresses
        query = query.where(_is_asked_of(addresses, verdict))
    if group is not None:
        query = query.where(_is_asked_of((f"group:{group.lower()}",), verdict))
    if after is not None:
        query = query.where(cursor.newer(ApprovalRow.opened_at, ApprovalRow.id, after))
    return (await session.scalars(query)).all()


def _is_asked_of(addresses: Iterable[str], verdict: Verdict | None) -> ColumnElement[bool]:
    asked = select(ApproverRow.approval_id).where(ApproverRow.person.in_(list(addresses)))
    return ApprovalRow.id.in_(asked.where(ApproverRow.is_asked) if verdict == Verdict.PENDING else asked)


def cursor_of(row: ApprovalRow) -> str:
    """Where a page that ends with this row goes on."""
    return cursor.write(row.opened_at, row.id)


async def link(session: AsyncSession, token_hash: str) -> ApprovalLinkRow | None:
    """The link of this hash, also when it has expired: the page says so."""
    return await session.get(ApprovalLinkRow, token_hash)


async def try_code(session: AsyncSession, token_hash: str) -> bool:
    """Count a try at the six digits, before looking at them; False when no try was left, however many come at once."""
    tried = await session.scalar(
        update(ApprovalLinkRow)
        .where(ApprovalLinkRow.token_hash == token_hash, ApprovalLinkRow.wrong_codes < MOST_WRONG_CODES)
        .values(wrong_codes=ApprovalLinkRow.wrong_codes + 1)
        .returning(ApprovalLinkRow.token_hash)
        .execution_options(synchronize_session=False)
    )
    return tried is not None


async def right_code(session: AsyncSession, token_hash: str) -> None:
    """The try just counted was right, so it is none of the wrong ones; those before it stay."""
    await session.execute(
        update(ApprovalLinkRow)
        .where(ApprovalLinkRow.token_hash == token_hash, ApprovalLinkRow.wrong_codes > 0)
        .values(wrong_codes=ApprovalLinkRow.wrong_codes - 1)
        .execution_options(synchronize_session=False)
    )


async def revoke_links(session: AsyncSession, approval_id: str, approval: Approval, now: datetime) -> None:
    """Refuse the links of people who are no longer asked, or who were asked anew since."""
    rounds = {(place.approver, spelled(one)): place.round for place in approval.asked for one in place.people}
    links = await session.execute(
        select(ApprovalLinkRow.token_hash, ApprovalLinkRow.approver, ApprovalLinkRow.person, ApprovalLinkRow.round)
        .where(ApprovalLinkRow.approval_id == approval_id, ApprovalLinkRow.revoked_at.is_(None))
        .order_by(ApprovalLinkRow.token_hash)
    )
    stale = [
        link.token_hash
        for link in links
        if link.round < rounds.get((link.approver, spelled(link.person)), link.round + 1)
    ]
    if stale:
        await session.execute(
            update(ApprovalLinkRow)
            .where(ApprovalLinkRow.token_hash.in_(stale), ApprovalLinkRow.revoked_at.is_(None))
            .values(revoked_at=now)
            .execution_options(synchronize_session=False)
        )


class SqlApprovalLinks:
    """Issues links whose token is computed: the same question to the same person in the same round has one link."""

    def __init__(self, database: Database, key: bytes, public_url: str, clock: Clock = utc_now) -> None:
        self._database = database
        self._key = derived_key(key, "slipway approval links")
        self._codes = LinkCodes(Sealing(key.hex()))
        self._public_url = public_url.rstrip("/")
        self._clock = clock

    async def issue(self, ask: AskApprover, person: str) -> IssuedLink:
        if ask.level == LinkLevel.LOGIN:
            return IssuedLink(url=f"{self._public_url}/approvals/{quote(ask.approval_id)}")
        token = self._token(ask.approval_id, ask.approver, person, str(ask.round))
        row = {
            "token_hash": hash_of(token),
            "approval_id": ask.approval_id,
            "approver": ask.approver,
            "person": person,
            "round": ask.round,
            "level": ask.level,
            "expires_at": ask.expires_at,
        }
        async with self._database.transaction() as session:
            is_late = await _is_late(session, ask, person)
            await put(session, ApprovalLinkRow, row | ({"revoked_at": self._clock()} if is_late else {}))
        code = self._codes.code_of(token) if ask.level == LinkLevel.CODE else ""
        return IssuedLink(url=f"{self._public_url}/approve/{token}", code=code)

    def _token(self, *parts: str) -> str:
        digest = hmac.digest(self._key, "\0".join(parts).encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def _is_late(session: AsyncSession, ask: AskApprover, person: str) -> bool:
    """Whether a mail that waited long is about a round that is over. Waits for who is writing the approval."""
    row = await session.get(ApprovalRow, ask.approval_id, with_for_update={"read": True})
    if row is None:
        return False
    asked = Approval.model_validate(row.approval).asked
    place = next((place for place in asked if place.approver == ask.approver), None)
    return place is None or place.round > ask.round or not is_one_of((person,), place.people)
