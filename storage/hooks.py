"""Hooks: the named places where other systems tell of builds, and the secrets by which they are believed."""

import base64
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.hook import Hook, HookKind
from domain.refusal import Kind, Refusal
from storage.sealing import Sealing
from storage.tables import HookRow
from storage.token_hash import token_hash
from storage.upsert import insert_new

_USE_IS_NOTED_EVERY = timedelta(minutes=1)
_SIGNING_BYTES = 32
_NOBODY = token_hash("")


class HookTaken(Refusal):
    """There is a hook of that name already."""

    kind = Kind.CONFLICT


async def create(session: AsyncSession, sealing: Sealing, hook: Hook, by: str, now: datetime) -> str:
    """Keep a new hook; returns its secret, which nobody can read again. Raises HookTaken."""
    secret = _new_secret(hook.kind)
    row = hook.model_dump(mode="json") | {"created_by": by, "created_at": now}
    if hook.kind == HookKind.GENERIC:
        row |= {"secret_hash": None, "sealed_secret": sealing.seal(secret.encode(), _bound(hook.name))}
    else:
        row |= {"secret_hash": token_hash(secret), "sealed_secret": None}
    if not await insert_new(session, HookRow, row):
        raise HookTaken(f"there is a hook {hook.name} already; delete it first, or choose another name")
    return secret


async def all_hooks(session: AsyncSession) -> Sequence[HookRow]:
    """By name."""
    return (await session.scalars(select(HookRow).order_by(HookRow.name))).all()


async def get(session: AsyncSession, name: str) -> HookRow | None:
    """One of them."""
    return await session.get(HookRow, name)


async def remove(session: AsyncSession, name: str) -> bool:
    """Believe its secret no more; whether there was one."""
    gone = await session.scalar(
        delete(HookRow).where(HookRow.name == name).returning(HookRow.name).execution_options(synchronize_session=False)
    )
    return gone is not None


async def note_use(session: AsyncSession, name: str, now: datetime) -> None:
    """Once a minute is enough."""
    is_due = or_(HookRow.last_used_at.is_(None), HookRow.last_used_at < now - _USE_IS_NOTED_EVERY)
    await session.execute(
        update(HookRow)
        .where(HookRow.name == name, is_due)
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )


def hook_of(row: HookRow) -> Hook:
    """Without anything of its secret."""
    kept = {name: getattr(row, name) for name in ("name", "kind", "connection", "project", "pipelines", "owner")}
    return Hook.model_validate(kept)


def knows(row: HookRow | None, secret: str) -> bool:
    """Whether this is its secret. That there is no such hook takes as long to find out."""
    expected = row.secret_hash if row is not None and row.secret_hash else _NOBODY
    is_same = hmac.compare_digest(token_hash(secret), expected)
    return is_same and expected != _NOBODY


def signing_secret(row: HookRow, sealing: Sealing) -> str:
    """The one its senders sign with. Raises SealBroken when the row was changed by other hands."""
    assert row.sealed_secret is not None, "generic hooks have one"
    return sealing.open(row.sealed_secret, _bound(row.name)).decode()


def _new_secret(kind: HookKind) -> str:
    """Standard Webhooks have a form of their own."""
    if kind == HookKind.GENERIC:
        return "whsec_" + base64.b64encode(secrets.token_bytes(_SIGNING_BYTES)).decode()
    return "slh_" + secrets.token_urlsafe(32)


def _bound(name: str) -> str:
    return f"hooks/{name}"
