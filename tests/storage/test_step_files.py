"""Files of steps grow at their ends until they are whole, whatever is sent twice or out of order."""

import asyncio

import pytest

from storage import step_files
from storage.database import Database
from storage.logs import LogGap

_RUN = "webshop/41/prod/1/deploy/1/1"


async def _append(database: Database, number: int, offset: int, data: bytes, run: str = _RUN) -> int:
    async with database.transaction() as session:
        return await step_files.append(session, run, number, offset, data)


async def test_files_are_kept_apart_and_as_they_came(database):
    """Any bytes, cut anywhere; by run and number."""
    content = bytes(range(256)) * 3
    assert 100 == await _append(database, 1, 0, content[:100])
    assert 768 == await _append(database, 1, 100, content[100:])
    assert 3 == await _append(database, 2, 0, b"two")
    assert 5 == await _append(database, 1, 0, b"other", run=f"{_RUN}1")
    async with database.reading() as session:
        assert {1: 768, 2: 3} == await step_files.sizes(session, _RUN)
        assert [content, b"two", b""] == [await step_files.read(session, _RUN, number) for number in (1, 2, 3)]
        assert content[90:110] == await step_files.read(session, _RUN, 1, 90, 20)
        assert b"" == await step_files.read(session, _RUN, 1, 768)


async def test_what_is_sent_again_changes_nothing(database):
    """Whole or in part, also by two at once; what is there stays as it is."""
    await _append(database, 1, 0, b"hello ")
    assert [6, 11, 11] == [
        await _append(database, 1, offset, data) for offset, data in ((0, b"HELLO "), (0, b"hello world"), (3, b"xx"))
    ]
    assert {17} == set(await asyncio.gather(*(_append(database, 1, 11, b" again") for _ in range(4))))
    async with database.reading() as session:
        assert b"hello world again" == await step_files.read(session, _RUN, 1)


async def test_a_gap_is_refused_with_the_place_to_go_on(database):
    """Nothing of it is kept."""
    await _append(database, 1, 0, b"hello")
    with pytest.raises(LogGap) as refused:
        await _append(database, 1, 6, b"world")
    assert 5 == refused.value.size
    async with database.reading() as session:
        assert {1: 5} == await step_files.sizes(session, _RUN)
