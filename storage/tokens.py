"""Bearer tokens and browser sessions: 256 random bits, of which only the hash is kept. Every one expires."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database import Database
from storage.tables import TokenRow
from storage.token_hash import token_hash

BROWSER_SESSION = "browser session"
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


async def issue(  # noqa: PLR0913  a token has many sides; all are named
    session: AsyncSession,
    *,
    name: str,
    subject: str,
    role: str,
    expires_at: datetime,
    now: datetime,
    owner: str | None = None,
) -> tuple[TokenRow, str]:
    """Make a token; returns its row and its value, which nobody can read again. A service's has an ``owner``."""
    value = "slw_" + secrets.token_urlsafe(32)
    row = TokenRow(
        id=uuid4().hex,
        token_hash=token_hash(value),
        name=name,
        subject=subject,
        owner=owner,
        role=role,
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    return row, value


async def find(session: AsyncSession, value: str, now: datetime) -> TokenRow | None:
    """The token, unless it is unknown, expired or revoked. A session that writes also notes its use."""
    row = await session.scalar(
        select(TokenRow).where(
            TokenRow.token_hash == token_hash(value), TokenRow.revoked_at.is_(None), TokenRow.expires_at > now
        )
    )
    if row is not None and _use_is_to_be_noted(row, now) and session.info.get("writes"):
        await _note_use(session, row, now)
    return row


async def authenticate(database: Database, value: str, now: datetime) -> TokenRow | None:
    """``find`` for every request: reads only, but for once a minute and token, when its use is noted."""
    async with database.reading() as session:
        row = await find(session, value, now)
    if row is not None and _use_is_to_be_noted(row, now):
        async with database.transaction() as session:
            await _note_use(session, row, now)
    return row


async def revoke(session: AsyncSession, token_id: str, now: datetime) -> bool:
    """Refuse the token from now on; False when there is none that was still good."""
    revoked = await session.scalar(
        update(TokenRow)
        .where(TokenRow.id == token_id, TokenRow.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(TokenRow.id)
        .execution_options(synchronize_session=False)
    )
    return revoked is not None


async def end_sessions_beside(session: AsyncSession, token_id: str, now: datetime) -> None:
    """Refuse the browser sessions of the token's subject from now on: whoever had the token may have made some."""
    subject = select(TokenRow.subject).where(TokenRow.id == token_id).scalar_subquery()
    await session.execute(
        update(TokenRow)
        .where(TokenRow.subject == subject, TokenRow.name == BROWSER_SESSION, TokenRow.revoked_at.is_(None))
        .values(revoked_at=now)
        .execution_options(synchronize_session=False)
    )


async def revoke_all_of(session: AsyncSession, subject: str, role: str, now: datetime) -> None:
    """Refuse every token of this subject and role from now on, such as those of a removed agent."""
    await session.execute(
        update(TokenRow)
        .where(TokenRow.subject == subject, TokenRow.role == role, TokenRow.revoked_at.is_(None))
        .values(revoked_at=now)
        .execution_options(synchronize_session=False)
    )


async def all_tokens(session: AsyncSession) -> Sequence[TokenRow]:
    """Newest first."""
    return (await session.scalars(select(TokenRow).order_by(TokenRow.created_at.desc(), TokenRow.id))).all()


def _use_is_to_be_noted(row: TokenRow, now: datetime) -> bool:
    return row.last_used_at is None or now - row.last_used_at >= _USE_IS_NOTED_EVERY


async def _note_use(session: AsyncSession, row: TokenRow, now: datetime) -> None:
    await session.execute(
        update(TokenRow)
        .where(TokenRow.id == row.id, or_(TokenRow.last_used_at.is_(None), TokenRow.last_used_at < now))
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )
