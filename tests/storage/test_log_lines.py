"""Lines of logs are found by their numbers, without reading what stands before them."""

import time

import pytest
from sqlalchemy import Connection, select, text

from storage import logs, schema
from storage.database import Database
from storage.tables import LogChunkRow

_RUN = "webshop/41/prod/1/deploy/1/1"


async def _keep(database: Database, *pieces: bytes) -> bytes:
    for piece in pieces:
        async with database.transaction() as session:
            await logs.append(session, _RUN, await logs.size(session, _RUN), piece)
    return b"".join(pieces)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"one\ntwo\nthree\n",),
        (b"one\ntwo\nthree",),
        (b"o", b"ne", b"\n", b"two\nth", b"ree\n"),
        (b"\n\n", b"\n", b"x", b"\n\n\n", b"y"),
        (b"no line feed at all",),
        (b"\n",),
    ],
    ids=["whole", "unfinished", "cut anywhere", "empty lines", "one line", "one empty line"],
)
async def test_every_line_is_where_it_begins(database, pieces):
    """However the log was sent; a line that is not there is nowhere; each byte knows its line."""
    written = await _keep(database, *pieces)
    expected = written.splitlines(keepends=True)
    async with database.reading() as session:
        assert logs.Extent(len(written), len(expected)) == await logs.extent(session, _RUN)
        start = 0
        for number, line in enumerate(expected, 1):
            assert start == await logs.start_of_line(session, _RUN, number)
            assert number == await logs.line_at(session, _RUN, start)
            assert logs.Excerpt(number, start, line) == await logs.lines(session, _RUN, number, 1)
            start += len(line)
            assert number == await logs.line_at(session, _RUN, start - 1)
        assert b"" == (await logs.lines(session, _RUN, len(expected) + 1, 5)).data


@pytest.mark.parametrize(
    ("first", "count", "limit", "expected"),
    [
        (2, 2, 100, logs.Excerpt(2, 3, b"22\n33\n")),
        (-2, 5, 100, logs.Excerpt(4, 9, b"44\n55")),
        (-99, 1, 100, logs.Excerpt(1, 0, b"11\n")),
        (1, 9, 7, logs.Excerpt(1, 0, b"11\n22\n")),
        (1, 9, 2, logs.Excerpt(1, 0, b"11")),
        (6, 9, 100, logs.Excerpt(6, 14, b"")),
    ],
)
async def test_lines_are_read_from_a_number_on(database, first, count, limit, expected):
    """A negative number counts from the end; what is longer than the limit ends with a whole line if it can."""
    await _keep(database, b"11\n2", b"2\n33\n44", b"\n55")
    async with database.reading() as session:
        assert expected == await logs.lines(session, _RUN, first, count, limit)


async def test_a_log_that_is_not_there_has_no_lines(database):
    """And its first line begins at its beginning."""
    async with database.reading() as session:
        assert logs.Extent(0, 0) == await logs.extent(session, _RUN)
        assert logs.Excerpt(1, 0, b"") == await logs.lines(session, _RUN, -5, 5)
        assert 1 == await logs.line_at(session, _RUN, 0)


async def test_a_line_deep_in_a_large_log_is_found_at_once(database):
    """What it takes does not grow with what stands before it: no more than two chunks are read."""
    piece = b"".join(b"line %06d\n" % number for number in range(50_000))
    await _keep(database, *[piece] * 40)
    began = time.process_time()
    async with database.reading() as session:
        found = await logs.lines(session, _RUN, 1_234_568, 2)
        last = await logs.lines(session, _RUN, -1, 1)
    assert logs.Excerpt(1_234_568, 12 * 1_234_567, b"line 034567\nline 034568\n") == found
    assert b"line 049999\n" == last.data
    assert time.process_time() - began < 1.0


async def test_logs_of_an_older_version_are_counted_when_the_schema_is_brought_up_to_date(empty_url):
    """In more than one batch, each log for itself."""

    def fill(connection: Connection) -> None:
        schema.upgrade(connection, "0004")
        insert = text('INSERT INTO log_chunks (run_id, "offset", data, size) VALUES (:run, :at, :data, 5)')
        rows = [{"run": run, "at": 5 * at, "data": b"a\nb\nc"} for run in ("x", "y") for at in range(40)]
        connection.execute(insert, rows)

    database = Database(empty_url)
    async with database._my_turn(), database._writing_engine().begin() as connection:
        await connection.run_sync(fill)
    await database.migrate()
    columns = (LogChunkRow.offset, LogChunkRow.lines, LogChunkRow.lines_before)
    async with database.reading() as session:
        for run in ("x", "y"):
            rows = await session.execute(select(*columns).where(LogChunkRow.run_id == run).order_by(LogChunkRow.offset))
            assert [(5 * at, 2, 2 * at) for at in range(40)] == [tuple(row) for row in rows]
        assert logs.Extent(200, 81) == await logs.extent(session, "x")
    await database.close()
