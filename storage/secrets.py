"""Secrets, sealed. Values leave only for the step that names them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.refusal import NotFound
from storage.sealing import Sealing
from storage.tables import SecretRow
from storage.upsert import put as put_row


class SecretMissing(NotFound):
    """A secret is named that nobody has stored."""


async def put(session: AsyncSession, sealing: Sealing, *, name: str, value: str, author: str, now: datetime) -> None:
    """Keep the value under this name, instead of the one before."""
    sealed = sealing.seal(value.encode(), _row(name))
    await put_row(session, SecretRow, {"name": name, "sealed": sealed, "updated_by": author, "updated_at": now})


async def names(session: AsyncSession) -> Sequence[str]:
    """Sorted."""
    return (await session.scalars(select(SecretRow.name).order_by(SecretRow.name))).all()


async def values(session: AsyncSession, sealing: Sealing, wanted: Iterable[str]) -> dict[str, str]:
    """The values by name; raises SecretMissing naming what nobody has stored, SealBroken for another key's."""
    wanted = list(dict.fromkeys(wanted))
    found = await known(session, sealing, wanted)
    absent = [name for name in wanted if name not in found]
    if absent:
        raise SecretMissing(f"no secret is stored as {', '.join(absent)}")
    return found


async def known(session: AsyncSession, sealing: Sealing, wanted: Iterable[str]) -> dict[str, str]:
    """Those of the values that are stored; raises SealBroken for another key's."""
    rows = await session.execute(select(SecretRow.name, SecretRow.sealed).where(SecretRow.name.in_(list(wanted))))
    return {name: sealing.open(sealed, _row(name)).decode() for name, sealed in rows}


async def remove(session: AsyncSession, name: str) -> bool:
    """Forget a secret; whether there was one."""
    gone = await session.scalar(
        delete(SecretRow)
        .where(SecretRow.name == name)
        .returning(SecretRow.name)
        .execution_options(synchronize_session=False)
    )
    return gone is not None


def _row(name: str) -> str:
    return f"secrets/{name}"
