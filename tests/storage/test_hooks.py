"""Hooks are believed by their secrets, which are not kept as they are."""

from datetime import datetime, timedelta

import pytest

from domain.hook import Hook, HookKind
from storage import hooks
from storage.database import Database
from storage.sealing import Sealing

JENKINS = Hook(name="ci", kind=HookKind.JENKINS, connection="ci", owner="ana@example.com")
GENERIC = Hook(name="shop", kind=HookKind.GENERIC, pipelines=("webshop",), owner="ana@example.com")


async def create(database: Database, sealing: Sealing, hook: Hook, now: datetime) -> str:
    async with database.transaction() as session:
        return await hooks.create(session, sealing, hook, "adam@example.com", now)


@pytest.mark.parametrize("hook", [JENKINS, GENERIC], ids=["jenkins", "generic"])
async def test_a_secret_is_not_kept_as_it_is(database: Database, sealing: Sealing, now: datetime, hook: Hook) -> None:
    """Only its hash is, or it is sealed where signatures are to be checked."""
    secret = await create(database, sealing, hook, now)
    async with database.reading() as session:
        row = await hooks.get(session, hook.name)
    assert row is not None
    assert hook == hooks.hook_of(row)
    assert secret not in str(vars(row))
    if hook.kind == HookKind.GENERIC:
        assert (secret, False) == (hooks.signing_secret(row, sealing), hooks.knows(row, secret))
    else:
        assert [True, False, False] == [hooks.knows(row, one) for one in (secret, secret + "x", "")]


def test_no_hook_knows_no_secret() -> None:
    """Not even the empty one."""
    assert [False, False] == [hooks.knows(None, secret) for secret in ("", "x")]


async def test_a_name_is_given_once(database: Database, sealing: Sealing, now: datetime) -> None:
    """Until the hook is removed, whose secret is good for nothing then."""
    await create(database, sealing, JENKINS, now)
    with pytest.raises(hooks.HookTaken, match="a hook ci already"):
        await create(database, sealing, JENKINS, now)
    async with database.transaction() as session:
        assert [True, False] == [await hooks.remove(session, "ci") for _ in range(2)]
    assert await create(database, sealing, JENKINS, now)


async def test_its_use_is_noted_once_a_minute(database: Database, sealing: Sealing, now: datetime) -> None:
    """For people who wonder whether anybody still speaks there."""
    await create(database, sealing, JENKINS, now)
    noted = []
    for seconds in (0, 30, 90):
        async with database.transaction() as session:
            await hooks.note_use(session, "ci", now + timedelta(seconds=seconds))
            [row] = await hooks.all_hooks(session)
            await session.refresh(row)
            noted.append(row.last_used_at)
    assert [now, now, now + timedelta(seconds=90)] == noted
