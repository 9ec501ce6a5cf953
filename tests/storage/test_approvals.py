"""Inboxes, and mailed links with their six digits."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, select

from activities.notifications import AskApprover
from activities.records import ApprovalFact, Entry
from domain.answering import answer
from domain.approval import Approval, Asked, Choice, Moment, Verdict, Vote
from domain.approval_actions import Reassignment, reassign
from domain.approval_policy import ApprovalPolicy, LinkLevel
from domain.person import Person
from storage import approvals, people
from storage.approvals import SqlApprovalLinks
from storage.link_codes import LinkCodes
from storage.records import SqlRecords
from storage.sealing import Sealing
from storage.tables import ApprovalLinkRow
from storage.token_hash import token_hash

_APPROVAL = "webshop/41/prod/1/before"
_ANN = "ann@example.com"
_KEY = bytes(range(32))


def _approval(at: datetime, *asked: Asked) -> Approval:
    asked = asked or (Asked(approver=_ANN, members=(_ANN,)),)
    return Approval(
        policy=ApprovalPolicy(approvers=tuple(one.approver for one in asked)),
        asked=asked,
        digest="d",
        requesters=(),
        opened_at=at,
    )


@pytest.fixture
def tell(database):
    """Writes an approval as its workflow would have."""
    sequence = iter(range(1, 100))

    async def write(approval: Approval, deployment: str = "webshop/41/prod/1", moment: Moment = Moment.BEFORE) -> None:
        fact = ApprovalFact(
            approval_id=f"{deployment}/{moment}", deployment=deployment, moment=moment, approval=approval
        )
        entry = Entry(
            workflow_id=f"deployment/{deployment}",
            run_id="r",
            sequence=next(sequence),
            at=approval.opened_at,
            facts=(fact,),
        )
        await SqlRecords(database).apply(entry)

    return write


async def test_pages_of_an_inbox_are_complete_and_repeat_nothing(database, tell, now):
    """Oldest first, also where approvals were opened at the same moment."""
    for number in range(11):
        await tell(_approval(now + timedelta(seconds=number // 3)), f"webshop/{number}/prod/1")
    mine, everybody = await _pages(database, mine=True), await _pages(database, mine=False)
    assert mine == everybody == sorted(mine)
    assert len(mine) == len(set(mine)) == 11


async def _pages(database, *, mine):
    found, cursor = [], None
    while True:
        async with database.reading() as session:
            if mine:
                page = await approvals.inbox(session, _ANN, limit=4, after=cursor)
            else:
                page = await approvals.page(session, limit=4, after=cursor)
        if not page:
            return found
        found += [(row.opened_at, row.id) for row in page]
        cursor = approvals.cursor_of(page[-1])


@pytest.fixture
async def several(tell, now):
    """Approvals of two pipelines; of the group, one is answered for already, and one asked later."""
    ops = Asked(approver="group:ops", members=(_ANN, "cem@example.com"))
    empty = Asked(approver="group:empty", members=())
    cem = Asked(approver="cem@example.com", members=("cem@example.com",))
    vote = Vote(action_id="v", by="cem@example.com", choice=Choice.APPROVE, digest="d")
    await tell(_approval(now, ops), "webshop/1/prod/1")
    await tell(_approval(now, cem), "webshop/1/prod/1", Moment.AFTER)
    await tell(_approval(now, ops, empty), "webshop/2/test/1")
    await tell(_approval(now, empty), "billing/1/prod/1")
    await tell(answer(_approval(now, ops), vote, now)[0], "billing/2/prod/1")


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            {},
            ["billing/1/prod/1/before", "webshop/1/prod/1/after", "webshop/1/prod/1/before", "webshop/2/test/1/before"],
        ),
        (
            {"person": "CEM@example.com "},
            ["webshop/1/prod/1/after", "webshop/1/prod/1/before", "webshop/2/test/1/before"],
        ),
        ({"group": "Ops"}, ["webshop/1/prod/1/before", "webshop/2/test/1/before"]),
        ({"group": "empty"}, ["billing/1/prod/1/before", "webshop/2/test/1/before"]),
        ({"group": "empty", "person": _ANN}, ["webshop/2/test/1/before"]),
        ({"group": "nobody"}, []),
        ({"pipeline": "billing"}, ["billing/1/prod/1/before"]),
        ({"stage": "test"}, ["webshop/2/test/1/before"]),
        ({"release": "webshop/1"}, ["webshop/1/prod/1/after", "webshop/1/prod/1/before"]),
        ({"moment": Moment.AFTER}, ["webshop/1/prod/1/after"]),
        ({"verdict": Verdict.APPROVED, "group": "ops"}, ["billing/2/prod/1/before"]),
        ({"verdict": Verdict.APPROVED, "person": _ANN}, ["billing/2/prod/1/before"]),
        ({"verdict": None, "pipeline": "billing"}, ["billing/1/prod/1/before", "billing/2/prod/1/before"]),
    ],
    ids=str,
)
async def test_filters_leave_what_all_of_them_let_through(database, wanted, expected):
    """Of a person or a group, pending ones only while their answer is awaited."""
    async with database.reading() as session:
        rows = await approvals.page(session, **{"verdict": Verdict.PENDING} | wanted)
    assert expected == sorted(row.id for row in rows)


@pytest.mark.usefixtures("several")
async def test_an_inbox_takes_the_same_filters(database):
    """And a cursor beside them."""
    async with database.reading() as session:
        first = await approvals.inbox(session, "cem@example.com", pipeline="webshop", stage="prod", limit=1)
        cursor = approvals.cursor_of(first[0])
        rest = await approvals.inbox(session, "cem@example.com", release="webshop/1", after=cursor)
        none = await approvals.inbox(session, "cem@example.com", moment=Moment.AFTER, group="ops")
    expected = (["webshop/1/prod/1/after"], ["webshop/1/prod/1/before"], [])
    assert expected == tuple([row.id for row in rows] for rows in (first, rest, none))


async def test_an_inbox_is_that_of_the_person_not_of_the_address(database, tell, now):
    """Who is asked under an old address finds it under the new one, and the other way round."""
    await tell(_approval(now))
    async with database.transaction() as session:
        await people.put(session, Person(address="ann@new.example.com", also=(_ANN,)), now)
        found = [await approvals.inbox(session, address) for address in ("Ann@New.example.com", _ANN)]
    assert [[_APPROVAL], [_APPROVAL]] == [[row.id for row in rows] for rows in found]


@pytest.mark.parametrize("wanted", [{}, {"person": _ANN}, {"group": "ops"}], ids=["everybody", "person", "group"])
async def test_a_page_of_those_that_wait_is_found_by_index(database, wanted):
    """Those that were decided long ago cost nothing."""
    seen = []

    def note(_connection, _cursor, statement, parameters, *_):
        seen.append((statement, parameters))

    engine = database._engine.sync_engine
    async with database.reading() as session:
        event.listen(engine, "before_cursor_execute", note)
        await approvals.page(session, verdict=Verdict.PENDING, **wanted)
        event.remove(engine, "before_cursor_execute", note)
        statement, parameters = seen[-1]
        connection = await session.connection()
        if database.is_sqlite:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        else:
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        told = str(plan.all())
    assert "ix_approvals_by_verdict" in told or "ix_approvers_inbox" in told
    assert "SCAN approvals" not in told
    assert "Seq Scan" not in told


@pytest.fixture
def links(database, now):
    return SqlApprovalLinks(database, _KEY, "https://slipway.example.com/", lambda: now)


@pytest.fixture
def ask(now):
    """What a mail says; with other values where a test wants them."""

    def make(**other: object) -> AskApprover:
        told = {
            "approval_id": _APPROVAL,
            "approver": _ANN,
            "members": (_ANN,),
            "release_name": "webshop-41",
            "pipeline": "webshop",
            "stage": "prod",
            "moment": "before",
            "requested_by": "bob@example.com",
            "digest": "d",
            "expires_at": now,
        }
        return AskApprover.model_validate(told | other)

    return make


def _token(url: str) -> str:
    return url.rsplit("/", 1)[1]


async def _row(database, url):
    async with database.reading() as session:
        return await approvals.link(session, token_hash(_token(url)))


async def test_the_same_question_to_the_same_person_has_the_same_link(links, database, ask, now):
    """So a mail that is sent again, by whichever process, leads to the same place; its expiry is the newest."""
    other_process = SqlApprovalLinks(database, _KEY, "https://slipway.example.com")
    later = now + timedelta(days=1)
    first = await links.issue(ask(approver="group:ops"), _ANN)
    again = await other_process.issue(ask(approver="group:ops", expires_at=later), _ANN)
    assert first == again
    row = await _row(database, first.url)
    assert row is not None
    assert (_APPROVAL, "group:ops", _ANN, later) == (row.approval_id, row.approver, row.person, row.expires_at)
    assert (0, "link", None, 0) == (row.round, row.level, row.revoked_at, row.wrong_codes)


async def test_every_person_approval_and_round_has_a_link_of_its_own(links, database, ask):
    """Nor can parts be shifted from one argument to the next, nor another key make the same."""
    asked = [
        (ask(approver="group:ops"), _ANN),
        (ask(approver="group:ops"), "cem@example.com"),
        (ask(), _ANN),
        (ask(round=1), _ANN),
        (ask(round=11), _ANN),
        (ask(approval_id="webshop/41/prod/2/before", approver="group:ops"), _ANN),
        (ask(approval_id=_APPROVAL + "group", approver=":ops"), _ANN),
    ]
    addresses = [(await links.issue(*one)).url for one in asked]
    other_key = SqlApprovalLinks(database, bytes(32), "https://slipway.example.com")
    addresses.append((await other_key.issue(*asked[0])).url)
    assert len(set(addresses)) == len(addresses)


async def test_only_the_hash_of_a_link_is_kept(links, database, ask):
    """Who reads the tables cannot answer for anybody: neither the token nor its digits are there."""
    link = await links.issue(ask(level=LinkLevel.CODE), _ANN)
    token = link.url.removeprefix("https://slipway.example.com/approve/")
    async with database.reading() as session:
        rows = (await session.scalars(select(ApprovalLinkRow))).all()
    assert [token_hash(token)] == [row.token_hash for row in rows]
    assert len(token) == 43
    kept = [str(value) for value in vars(rows[0]).values()]
    assert not [value for value in kept if token in value or link.code == value]


async def test_a_link_that_was_never_issued_is_unknown(database):
    """A guess finds nothing, and has no try."""
    async with database.transaction() as session:
        assert await approvals.link(session, token_hash("guess")) is None
        assert await approvals.try_code(session, token_hash("guess")) is False


async def test_a_link_that_only_leads_to_the_console_is_no_secret(links, database, ask):
    """Where the policy wants a login there is no token that could be lost."""
    link = await links.issue(ask(level=LinkLevel.LOGIN), _ANN)
    assert (f"https://slipway.example.com/approvals/{_APPROVAL}", "") == (link.url, link.code)
    async with database.reading() as session:
        assert [] == (await session.scalars(select(ApprovalLinkRow))).all()


async def test_six_digits_go_with_a_link_that_wants_them(links, ask):
    """The same again for the same mail, others for another; whoever has only the link cannot tell them."""
    link = await links.issue(ask(level=LinkLevel.CODE), _ANN)
    again = await links.issue(ask(level=LinkLevel.CODE), _ANN)
    other = await links.issue(ask(level=LinkLevel.CODE, round=1), _ANN)
    codes, elsewhere = LinkCodes(Sealing(_KEY.hex())), LinkCodes(Sealing("00" * 32))
    token = _token(link.url)
    assert link.code.isdecimal()
    assert (6, link.code, link.code) == (len(link.code), again.code, codes.code_of(token))
    assert link.code != other.code
    assert link.code != elsewhere.code_of(token)
    assert [True, True, False, False, False] == [
        codes.is_code(token, typed)
        for typed in (link.code, f" {link.code[:3]} {link.code[3:]}\n", "", "12345\u0666", other.code)
    ]


def test_digits_are_spread_and_keep_their_zeros():
    """No digit is rarer than the others, in front either."""
    codes = LinkCodes(Sealing("5e" * 32))
    made = [codes.code_of(f"token {number}") for number in range(2000)]
    assert {6} == {len(code) for code in made}
    assert len(set(made)) > 1990
    assert set("0123456789") == {code[0] for code in made}


async def _try(database, hashed):
    async with database.transaction() as session:
        return await approvals.try_code(session, hashed)


async def test_five_wrong_digits_are_all_that_can_be_tried(links, database, ask):
    """Of two hundred tries at once five are looked at; a mail sent again brings none back."""
    link = await links.issue(ask(level=LinkLevel.CODE), _ANN)
    hashed = token_hash(_token(link.url))
    tried = await asyncio.gather(*(_try(database, hashed) for _ in range(200)))
    assert [True] * 5 == [is_left for is_left in tried if is_left]
    await links.issue(ask(level=LinkLevel.CODE), _ANN)
    assert await _try(database, hashed) is False
    row = await _row(database, link.url)
    assert row is not None
    assert 5 == row.wrong_codes


async def test_right_digits_take_no_try_and_bring_none_back(links, database, ask):
    """They may be sent again, such as by a reload; the wrong ones before stay counted."""
    link = await links.issue(ask(level=LinkLevel.CODE), _ANN)
    hashed = token_hash(_token(link.url))
    for _ in range(4):
        assert await _try(database, hashed) is True
    for _ in range(7):
        async with database.transaction() as session:
            assert await approvals.try_code(session, hashed) is True
            await approvals.right_code(session, hashed)
    assert [True, False] == [await _try(database, hashed) for _ in range(2)]


async def test_who_is_no_longer_asked_has_no_link_any_more(links, database, tell, ask, now):
    """Reassigned: the link of before is refused, that of the others is not; so is one that is mailed too late."""
    bob = Asked(approver="bob@example.com", members=("bob@example.com",))
    asked = _approval(now, Asked(approver=_ANN, members=(_ANN,)), bob)
    await tell(asked)
    anns, bobs = await links.issue(ask(), _ANN), await links.issue(ask(approver=bob.approver), bob.approver)
    change = Reassignment(action_id="r", by=_ANN, approver=_ANN, to="dan@example.com", members=("dan@example.com",))
    given, _ = reassign(asked, change, now)
    await tell(given)
    dans = await links.issue(ask(approver="dan@example.com", round=1), "dan@example.com")
    late = await links.issue(ask(approver=_ANN), "Ann@example.com")
    rows = [await _row(database, link.url) for link in (anns, bobs, dans, late)]
    assert [now, None, None, now] == [row.revoked_at for row in rows if row]


async def test_who_is_asked_anew_gets_a_new_link_and_the_old_one_stays_refused(links, database, tell, ask, now):
    """Also when the mail of the first round is sent once more."""
    asked = _approval(now)
    await tell(asked)
    old = await links.issue(ask(), _ANN)
    await tell(asked.model_copy(update={"asked": (asked.asked[0].model_copy(update={"round": 1}),)}))
    new, again = await links.issue(ask(round=1), _ANN), await links.issue(ask(), _ANN)
    assert old == again != new
    rows = [await _row(database, link.url) for link in (old, new)]
    assert [(0, now), (1, None)] == [(row.round, row.revoked_at) for row in rows if row]


async def test_links_outlive_the_decision(links, database, tell, ask, now):
    """They show what was decided; and a link mailed for a round that is yet to be written is good."""
    asked = _approval(now)
    await tell(asked)
    link, early = await links.issue(ask(), _ANN), await links.issue(ask(round=1), _ANN)
    decided, _ = answer(asked, Vote(action_id="v", by=_ANN, choice=Choice.APPROVE, digest="d"), now)
    await tell(decided)
    assert Verdict.APPROVED == decided.verdict
    rows = [await _row(database, one.url) for one in (link, early)]
    assert [None, None] == [row.revoked_at for row in rows if row]
