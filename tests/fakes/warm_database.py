"""Databases whose engine has compiled the statements of the tests before: that takes longer than to run them."""

import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path

from storage.database import Database

# Where what is tried needs to outlive nothing.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
_free: list[Path] = []


@contextmanager
def recycled_file(beginning: Path) -> Iterator[Path]:
    """A copy of this SQLite database at an address that other tests had before."""
    folder = _free.pop() if _free else Path(tempfile.mkdtemp(dir=IN_MEMORY))
    shutil.copy(beginning, folder / "slipway.db")
    try:
        yield folder / "slipway.db"
    finally:
        for file in folder.iterdir():
            file.unlink()
        _free.append(folder)


@asynccontextmanager
async def warm_database(url: str) -> AsyncIterator[Database]:
    """The database at this address, with the engine of the test that had the address before."""
    database = _opened(url)
    database._turn = type(database._turn)()  # an asyncio.Lock belongs to one event loop
    try:
        yield database
    finally:
        await database.close()


@cache
def _opened(url: str) -> Database:
    return Database(url)


@atexit.register
def _remove() -> None:
    for folder in _free:
        shutil.rmtree(folder)
