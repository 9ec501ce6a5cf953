"""Logs grow at their end, whatever is sent twice, late or out of order."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from storage import logs
from storage.database import Database

_RUN = "webshop/41/prod/1/deploy/1/1"


async def _append(database: Database, offset: int, data: bytes, run: str = _RUN) -> int:
    async with database.transaction() as session:
        return await logs.append(session, run, offset, data)


async def _all(database: Database, run: str = _RUN) -> bytes:
    async with database.reading() as session:
        return b"".join([piece async for piece in logs.chunks(session, run)])


async def test_bytes_are_kept_as_they_came(database):
    """Not text: any byte, and cut anywhere."""
    data = bytes(range(256)) * 3
    assert await _append(database, 0, data[:100]) == 100
    assert await _append(database, 100, data[100:]) == 768
    assert data == await _all(database)


async def test_what_is_sent_again_is_not_kept_again(database):
    """An agent that did not hear the answer sends the same, and perhaps more."""
    await _append(database, 0, b"hello ")
    assert await _append(database, 0, b"hello ") == 6
    assert await _append(database, 0, b"hello world") == 11
    assert await _append(database, 3, b"lo") == 11
    assert await _all(database) == b"hello world"


async def test_a_gap_is_refused_with_the_place_to_go_on(database):
    """Nothing of it is kept."""
    await _append(database, 0, b"hello")
    with pytest.raises(logs.LogGap) as refused:
        await _append(database, 6, b"world")
    assert refused.value.size == 5
    assert await _all(database) == b"hello"


async def test_an_empty_piece_asks_for_the_size(database):
    """Nothing to keep is no error, and no row."""
    assert await _append(database, 0, b"") == 0
    await _append(database, 0, b"hello")
    assert await _append(database, 5, b"") == 5


async def test_logs_of_different_runs_do_not_touch(database):
    """Also where one id begins like the other."""
    await _append(database, 0, b"one")
    await _append(database, 0, b"three", run=_RUN + "1")
    assert (b"one", b"three") == (await _all(database), await _all(database, _RUN + "1"))


@pytest.mark.parametrize(
    ("offset", "limit", "expected"),
    [(0, 100, b"abcdefghij"), (0, 4, b"abcd"), (2, 3, b"cde"), (4, 1, b"e"), (9, 5, b"j"), (10, 5, b""), (99, 5, b"")],
)
async def test_any_part_can_be_read(database, offset, limit, expected):
    """From any offset, across the borders of what was sent."""
    for start, data in ((0, b"abc"), (3, b"d"), (4, b"efghi"), (9, b"j")):
        await _append(database, start, data)
    async with database.reading() as session:
        assert expected == await logs.read(session, _RUN, offset, limit)


async def test_writers_that_race_leave_one_log(database):
    """Two agents' worth of the same bytes, cut differently and sent at once."""
    data = bytes(range(200))

    async def send(step: int) -> None:
        for offset in range(0, len(data), step):
            await _append(database, offset, data[offset : offset + step])

    await asyncio.gather(*(send(step) for step in (7, 11, 13, 50, 200)))
    assert data == await _all(database)


@pytest.fixture(scope="session")
def loop_of_its_own() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


_PIECES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)), max_size=20)


@given(pieces=_PIECES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_pieces_gives_the_beginning_of_the_text(url, loop_of_its_own, pieces):
    """Overlaps are dropped and gaps refused, so the log is always a beginning of what the step wrote.

    All examples share one database; each has a run of its own.
    """
    text = bytes(range(60))
    run = f"webshop/1/prod/1/deploy/1/{abs(hash(tuple(pieces)))}"

    async def send_all() -> tuple[bytes, int]:
        database = Database(url)
        expected = await _size(database, run)
        for offset, length in pieces:
            try:
                size = await _append(database, offset, text[offset : offset + length], run)
            except logs.LogGap as gap:
                refused_at = gap.size
                assert offset > expected == refused_at
            else:
                expected = max(expected, min(offset + length, len(text)))
                assert expected == size
        kept = await _all(database, run)
        await database.close()
        return kept, expected

    kept, expected = loop_of_its_own.run(send_all())
    assert text[:expected] == kept


async def _size(database: Database, run: str) -> int:
    async with database.reading() as session:
        return await logs.size(session, run)


async def test_a_log_of_200000_lines_is_written_and_read_in_pieces(database):
    """Appending never reads what is there, and reading never holds more than a piece."""
    line = b"2026-11-23T12:00:00Z a line of an ordinary length, as a build tool prints them\n"
    piece, pieces = line * 2000, 100
    longest = 0
    with _statements(database) as seen:
        for number in range(pieces):
            await _append(database, number * len(piece), piece)
    assert not any("log_chunks.data" in statement for statement in seen)
    total = 0
    async with database.reading() as session:
        async for part in logs.chunks(session, _RUN):
            longest, total = max(longest, len(part)), total + len(part)
    assert pieces * len(piece) == total
    assert longest <= 256 * 1024


class _statements:  # noqa: N801  reads as a word of the test
    """The statements a database is given meanwhile."""

    def __init__(self, database: Database) -> None:
        self._engine = database._engine.sync_engine
        self._seen: list[str] = []

    def __enter__(self) -> list[str]:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self._seen

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement, *_: object) -> None:
        self._seen.append(statement)
