"""The schema goes from empty to head, back and forth, and is what the tables say."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, event, inspect, text

from domain.approval import Approval, Channel, Choice, CountedVote, Verdict, Vote
from domain.approval_policy import Proof
from storage import approvals, deliveries, groups, schema
from storage.database import Database

_VOTED = {"vote_id": "v1", "voter": "ann@example.com", "choice": "approve", "digest": "d", "comment": "ok"}
_FIRST_APPROVAL = {
    "policy": {"approvers": ["group:ops", "bob@example.com"], "need": "all", "order": "any", "timeout": "30d"},
    "asked": [
        {"approver": "group:ops", "members": ["ann@example.com", "cem@example.com"]},
        {"approver": "bob@example.com", "members": ["bob@example.com"]},
    ],
    "digest": "d",
    "requesters": ["rita@example.com"],
    "opened_at": "2026-11-20T10:00:00Z",
    "votes": [{"approver": "group:ops", "vote": _VOTED | {"channel": "link"}, "at": "2026-11-20T11:00:00Z"}],
    "verdict": "pending",
    "decided_at": None,
    "decided_by": None,
}
_FIRST_ROWS = """
INSERT INTO approvals VALUES ('webshop/41/prod/1/before', 'webshop/41/prod/1', 'before', 'pending', :approval,
    '2026-11-20 10:00:00', '2026-12-20 10:00:00', NULL);
INSERT INTO approvers VALUES
    ('webshop/41/prod/1/before', 'ann@example.com', 'group:ops', FALSE),
    ('webshop/41/prod/1/before', 'cem@example.com', 'group:ops', FALSE),
    ('webshop/41/prod/1/before', 'bob@example.com', 'bob@example.com', TRUE);
INSERT INTO approval_links VALUES ('hash', 'webshop/41/prod/1/before', 'group:ops', 'ann@example.com',
    '2026-12-20 10:00:00');
INSERT INTO deliveries VALUES ('d1', 'webshop/41/prod/1/before', 'ann@example.com', 'approval wanted', 'sent', 'm1', '',
    '2026-11-20 10:00:00');
INSERT INTO tokens VALUES ('t1', 'hash', 'ci', 'rita@example.com', 'releaser', '2026-11-20 10:00:00',
    '2026-12-20 10:00:00', NULL, NULL)
"""


@pytest.fixture
async def migrated(empty_url) -> AsyncIterator[Database]:
    """A database at head that may be damaged."""
    database = Database(empty_url)
    await database.migrate()
    yield database
    await database.close()


async def _on(database: Database, work) -> object:
    async with database._my_turn(), database._writing_engine().begin() as connection:
        return await connection.run_sync(work)


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_an_empty_database_is_not_at_head(empty_url):
    """Readiness can tell that migrations are still to run."""
    database = Database(empty_url)
    assert await database.is_at_head() is False
    await database.close()


async def test_migrating_from_empty_gives_exactly_the_tables(migrated):
    """Nothing differs between the migrated schema and storage.tables."""
    assert await migrated.is_at_head() is True
    assert await _on(migrated, schema.drift) == []


async def test_drift_is_seen(migrated):
    """The comparison above would notice a missing index and a missing column."""

    def damage(connection: Connection) -> list[str]:
        connection.exec_driver_sql("DROP INDEX ix_agents_pool")
        connection.exec_driver_sql("ALTER TABLE agents DROP COLUMN version")
        return schema.drift(connection)

    found = await _on(migrated, damage)
    assert isinstance(found, list)
    assert len(found) == 2


async def test_migrating_again_changes_nothing(migrated):
    """Every start migrates; what is there stays."""
    async with migrated.transaction() as session:
        await groups.put(session, "ops", ["ann@example.com"])
    await migrated.migrate()
    async with migrated.reading() as session:
        assert await groups.all_groups(session) == {"ops": ("ann@example.com",)}


async def test_one_step_down_and_up_again(migrated):
    """The newest revision can be taken back, and taken again."""
    before = await _on(migrated, _tables)
    await _on(migrated, lambda connection: schema.downgrade(connection, "-1"))
    assert await migrated.is_at_head() is False
    await migrated.migrate()
    assert await _on(migrated, _tables) == before
    assert await _on(migrated, schema.drift) == []


@pytest.fixture
async def grown(empty_url) -> AsyncIterator[Database]:
    """A database at head that holds rows of the first version."""

    def fill(connection: Connection) -> None:
        schema.upgrade(connection, "0001")
        for statement in _FIRST_ROWS.split(";"):
            values = {"approval": json.dumps(_FIRST_APPROVAL)} if ":approval" in statement else {}
            connection.execute(text(statement), values)

    database = Database(empty_url)
    await _on(database, fill)
    await database.migrate()
    yield database
    await database.close()


async def test_rows_of_the_first_version_are_kept_and_read(grown):
    """An approval that waits goes on waiting, with the votes given so far; its links and mails are what they were."""
    async with grown.reading() as session:
        row = await approvals.get(session, "webshop/41/prod/1/before")
        assert row is not None
        approval = Approval.model_validate(row.approval)
        link = await approvals.link(session, "hash")
        [mail] = await deliveries.deliveries(session, row.id)
        assert [row.id] == [found.id for found in await approvals.inbox(session, "bob@example.com")]
    vote = Vote(
        action_id="v1",
        by="ann@example.com",
        channel=Channel.LINK,
        proof=Proof.LINK,
        comment="ok",
        choice=Choice.APPROVE,
        digest="d",
    )
    assert ("webshop/41", "webshop", "prod", "before") == (row.release, row.pipeline, row.stage, row.moment)
    assert ([vote], Verdict.PENDING) == ([counted.vote for counted in approval.votes], approval.verdict)
    assert isinstance(approval.votes[0], CountedVote)
    assert link is not None
    assert (0, "link", None, 0) == (link.round, link.level, link.revoked_at, link.wrong_codes)
    assert ("sent", 0) == (mail.status, mail.tries)


@contextmanager
def _reads_of_approvals() -> Iterator[list[str]]:
    """The statements that read approvals while this is open."""
    reads: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT approvals."):
            reads.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield reads
    event.remove(Engine, "before_cursor_execute", note)


async def test_approvals_are_rewritten_in_batches_each_of_them_once(empty_url):
    """However many there are: up and down again, every one comes through, and few are in memory at a time."""
    count = 1234
    insert = text(_FIRST_ROWS.split(";", maxsplit=1)[0].replace("'webshop/41/", "'webshop/' || :number || '/"))

    def fill(connection: Connection) -> None:
        schema.upgrade(connection, "0001")
        approval = json.dumps(_FIRST_APPROVAL)
        connection.execute(insert, [{"number": str(number), "approval": approval} for number in range(count)])

    def look(connection: Connection) -> tuple[int, int]:
        rows = connection.execute(text("SELECT id, release, approval FROM approvals")).all()
        read = [json.loads(row.approval) if isinstance(row.approval, str) else row.approval for row in rows]
        moved = sum(row.release == row.id.removesuffix("/prod/1/before") for row in rows)
        return moved, sum(approval["votes"][0]["vote"]["by"] == "ann@example.com" for approval in read)

    database = Database(empty_url)
    await _on(database, fill)
    with _reads_of_approvals() as reads:
        await database.migrate()
    assert (count, count) == await _on(database, look)
    assert ([], 4) == ([read for read in reads if "LIMIT" not in read], len(reads)), "500, 500, 234, and no more"
    await database.close()


async def test_rows_survive_the_way_down(grown):
    """The version before reads what it wrote; groups of its approvals are no people."""
    await _on(grown, lambda connection: schema.downgrade(connection, "0001"))

    def look(connection: Connection) -> tuple[object, list[str]]:
        approval = connection.execute(text("SELECT approval FROM approvals")).scalar_one()
        people = connection.execute(text("SELECT person FROM approvers ORDER BY person")).scalars().all()
        return json.loads(approval) if isinstance(approval, str) else approval, list(people)

    approval, people = await _on(grown, look)
    assert [_VOTED | {"channel": "link", "proof": "link"}] == [counted["vote"] for counted in approval["votes"]]
    assert _FIRST_APPROVAL["asked"] == approval["asked"]
    assert ["ann@example.com", "bob@example.com", "cem@example.com"] == people


async def test_processes_that_start_together_migrate_once(empty_url):
    """The second one waits and finds the work done."""
    databases = [Database(empty_url) for _ in range(4)]
    await asyncio.gather(*(database.migrate() for database in databases))
    assert [True] * 4 == [await database.is_at_head() for database in databases]
    for database in databases:
        await database.close()
