"""Approvals as people see them: one by its id, a person's inbox, the mailed links."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.approval import Verdict
from domain.ids import ReleaseId
from storage import cursor
from storage.database import Database
from storage.sealing import derived_key
from storage.tables import ApprovalLinkRow, ApprovalRow, ApproverRow, DeploymentRow
from storage.token_hash import token_hash as hash_of
from storage.upsert import put


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


async def inbox(
    session: AsyncSession,
    person: str,
    *,
    verdict: Verdict | None = Verdict.PENDING,
    limit: int = 50,
    after: str | None = None,
) -> Sequence[ApprovalRow]:
    """A person's approvals, oldest first: pending ones only while their answer is awaited. Raises BadCursor.

    ``verdict`` None gives all they were ever among the approvers of; ``after`` is the last row's ``cursor_of``.
    """
    query = (
        select(ApprovalRow)
        .join(ApproverRow, ApproverRow.approval_id == ApprovalRow.id)
        .where(ApproverRow.person == as_person(person))
        .order_by(ApprovalRow.opened_at, ApprovalRow.id)
        .limit(limit)
    )
    if verdict is not None:
        query = query.where(ApprovalRow.verdict == verdict)
    if verdict == Verdict.PENDING:
        query = query.where(ApproverRow.is_asked)
    if after is not None:
        query = query.where(cursor.newer(ApprovalRow.opened_at, ApprovalRow.id, after))
    return (await session.scalars(query)).all()


async def page(
    session: AsyncSession, *, verdict: Verdict | None = None, limit: int = 50, after: str | None = None
) -> Sequence[ApprovalRow]:
    """Everybody's approvals, oldest first; ``after`` is the last row's ``cursor_of``. Raises BadCursor."""
    query = select(ApprovalRow).order_by(ApprovalRow.opened_at, ApprovalRow.id).limit(limit)
    if verdict is not None:
        query = query.where(ApprovalRow.verdict == verdict)
    if after is not None:
        query = query.where(cursor.newer(ApprovalRow.opened_at, ApprovalRow.id, after))
    return (await session.scalars(query)).all()


def cursor_of(row: ApprovalRow) -> str:
    """Where a page that ends with this row goes on."""
    return cursor.write(row.opened_at, row.id)


async def link(session: AsyncSession, token_hash: str) -> ApprovalLinkRow | None:
    """The link of this hash, also when it has expired: the page says so."""
    return await session.get(ApprovalLinkRow, token_hash)


def as_person(address: str) -> str:
    """A mail address as tables spell it."""
    return address.strip().casefold()


class SqlApprovalLinks:
    """Issues links whose token is computed, so the same question to the same person has one link for ever."""

    def __init__(self, database: Database, key: bytes, public_url: str) -> None:
        self._database = database
        self._key = derived_key(key, "slipway approval links")
        self._public_url = public_url.rstrip("/")

    async def issue(self, approval_id: str, approver: str, person: str, expires_at: datetime) -> str:
        token = self._token(approval_id, approver, person)
        row = {
            "token_hash": hash_of(token),
            "approval_id": approval_id,
            "approver": approver,
            "person": person,
            "expires_at": expires_at,
        }
        async with self._database.transaction() as session:
            await put(session, ApprovalLinkRow, row)
        return f"{self._public_url}/approve/{token}"

    def _token(self, *parts: str) -> str:
        digest = hmac.digest(self._key, "\0".join(parts).encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
