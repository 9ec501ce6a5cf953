"""Inboxes and mailed links."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from activities.records import ApprovalFact, Entry
from domain.approval import Approval, Asked
from domain.approval_policy import ApprovalPolicy
from storage import approvals
from storage.approvals import SqlApprovalLinks
from storage.records import SqlRecords
from storage.tables import ApprovalLinkRow
from storage.token_hash import token_hash

_APPROVAL = "webshop/41/prod/1/before"
_KEY = bytes(range(32))


async def test_pages_of_an_inbox_are_complete_and_repeat_nothing(database, now):
    """Oldest first, also where approvals were opened at the same moment."""
    store = SqlRecords(database)
    for number in range(11):
        at = now + timedelta(seconds=number // 3)
        approval = Approval(
            policy=ApprovalPolicy(approvers=("ann@example.com",)),
            asked=(Asked(approver="ann@example.com", members=("ann@example.com",)),),
            digest="d",
            requesters=(),
            opened_at=at,
        )
        deployment = f"webshop/{number}/prod/1"
        fact = ApprovalFact(
            approval_id=f"{deployment}/before", deployment=deployment, moment="before", approval=approval
        )
        await store.apply(Entry(workflow_id=f"deployment/{deployment}", run_id="r", sequence=1, at=at, facts=(fact,)))
    mine, everybody = await _pages(database, mine=True), await _pages(database, mine=False)
    assert mine == everybody == sorted(mine)
    assert len(mine) == len(set(mine)) == 11


async def _pages(database, *, mine):
    found, cursor = [], None
    while True:
        async with database.reading() as session:
            if mine:
                page = await approvals.inbox(session, "ann@example.com", limit=4, after=cursor)
            else:
                page = await approvals.page(session, limit=4, after=cursor)
        if not page:
            return found
        found += [(row.opened_at, row.id) for row in page]
        cursor = approvals.cursor_of(page[-1])


@pytest.fixture
def links(database):
    return SqlApprovalLinks(database, _KEY, "https://slipway.example.com/")


async def test_the_same_question_to_the_same_person_has_the_same_link(links, database, now):
    """So a mail that is sent again, by whichever process, leads to the same place; its expiry is the newest."""
    other_process = SqlApprovalLinks(database, _KEY, "https://slipway.example.com")
    later = now + timedelta(days=1)
    first = await links.issue(_APPROVAL, "group:ops", "ann@example.com", now)
    again = await other_process.issue(_APPROVAL, "group:ops", "ann@example.com", later)
    assert first == again
    async with database.reading() as session:
        row = await approvals.link(session, token_hash(first.rsplit("/", 1)[1]))
    assert row is not None
    assert (_APPROVAL, "group:ops", "ann@example.com", later) == (
        row.approval_id,
        row.approver,
        row.person,
        row.expires_at,
    )


async def test_every_person_and_approval_has_a_link_of_its_own(links, database, now):
    """Nor can parts be shifted from one argument to the next, nor another key make the same."""
    asked = [
        (_APPROVAL, "group:ops", "ann@example.com"),
        (_APPROVAL, "group:ops", "cem@example.com"),
        (_APPROVAL, "ann@example.com", "ann@example.com"),
        ("webshop/41/prod/2/before", "group:ops", "ann@example.com"),
        (_APPROVAL + "group", ":ops", "ann@example.com"),
    ]
    addresses = [await links.issue(*one, now) for one in asked]
    other_key = SqlApprovalLinks(database, bytes(32), "https://slipway.example.com")
    addresses.append(await other_key.issue(*asked[0], now))
    assert len(set(addresses)) == len(addresses)


async def test_only_the_hash_of_a_link_is_kept(links, database, now):
    """Who reads the tables cannot answer for anybody."""
    address = await links.issue(_APPROVAL, "ann@example.com", "ann@example.com", now)
    token = address.removeprefix("https://slipway.example.com/approve/")
    async with database.reading() as session:
        rows = (await session.scalars(select(ApprovalLinkRow))).all()
    assert [token_hash(token)] == [row.token_hash for row in rows]
    assert len(token) == 43


async def test_a_link_that_was_never_issued_is_unknown(database):
    """A guess finds nothing."""
    async with database.reading() as session:
        assert await approvals.link(session, token_hash("guess")) is None
