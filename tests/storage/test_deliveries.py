"""The memory of mails: who may send, what stands, and that the order of events does not matter."""

import asyncio
from datetime import timedelta
from itertools import permutations

import pytest
from sqlalchemy import update

from activities.notifications import Claim, DeliveryStatus, MailUnderWay
from storage.database import Database
from storage.deliveries import SqlDeliveries, deliveries, deliveries_of
from storage.tables import ApprovalRow

_APPROVAL = "webshop/41/prod/1/before"
_MAIL = (_APPROVAL, "ann@example.com", "approval wanted")


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock(now):
    return Clock(now)


@pytest.fixture
def mails(database, clock):
    return SqlDeliveries(database, clock)


async def claimed(mails: SqlDeliveries) -> Claim:
    claim = await mails.claim(*_MAIL)
    assert claim is not None
    return claim


async def told(database: Database):
    async with database.reading() as session:
        rows = await deliveries(session, _APPROVAL)
        assert rows == await deliveries_of(session, [_APPROVAL])
    return [(row.status, row.message_id, row.error, row.updated_at) for row in rows]


async def test_a_mail_is_claimed_by_one_at_a_time(mails):
    """Another person's, or one of another kind, is another mail."""
    first = await claimed(mails)
    with pytest.raises(MailUnderWay):
        await mails.claim(*_MAIL)
    others = [
        await mails.claim(_APPROVAL, "cem@example.com", "approval wanted"),
        await mails.claim(_APPROVAL, "ann@example.com", "reminder 1"),
    ]
    assert [0, 0, 0] == [claim.tries for claim in (first, *others)]
    assert 3 == len({claim.delivery_id for claim in (first, *others)})


async def test_the_mail_of_a_sender_who_died_is_claimed_again(mails, clock):
    """After half a minute without a word; the delivery keeps its id, and the try counts."""
    first = await claimed(mails)
    clock.now += timedelta(seconds=29)
    with pytest.raises(MailUnderWay):
        await mails.claim(*_MAIL)
    clock.now += timedelta(seconds=1)
    assert first.model_copy(update={"tries": 1}) == await mails.claim(*_MAIL)


async def test_a_mail_that_failed_is_claimed_at_once_and_its_tries_are_counted(mails, database, now):
    """The error of the last attempt is gone once the mail is out."""
    for tries in range(4):
        claim = await claimed(mails)
        assert tries == claim.tries
        await mails.failed(claim.delivery_id, "TimeoutError", for_good=False)
        assert [("pending", "", "TimeoutError", now)] == await told(database)
    await mails.sent((await claimed(mails)).delivery_id, "message-2")
    assert [("sent", "message-2", "", now)] == await told(database)


async def test_a_failure_without_words_lets_the_mail_be_claimed_too(mails):
    """An empty error would look like a mail under way."""
    await mails.failed((await claimed(mails)).delivery_id, "", for_good=False)
    assert 1 == (await claimed(mails)).tries


async def test_a_mail_that_was_sent_is_not_claimed_again(mails, database, now):
    """Nor does a slower attempt that failed make it unsent."""
    claim = await claimed(mails)
    await mails.sent(claim.delivery_id, "message-1")
    await mails.failed(claim.delivery_id, "TimeoutError", for_good=False)
    await mails.failed(claim.delivery_id, "no such address", for_good=True)
    assert await mails.claim(*_MAIL) is None
    assert [("sent", "message-1", "", now)] == await told(database)


async def test_a_mail_that_was_refused_for_good_is_not_claimed_again(mails, database):
    """The reason stays to be read, cut to a readable length."""
    await mails.failed((await claimed(mails)).delivery_id, "no such address" + "!" * 5000, for_good=True)
    assert await mails.claim(*_MAIL) is None
    [(status, _, error, _)] = await told(database)
    assert ("failed", 2000) == (status, len(error))


async def test_of_claims_at_once_one_succeeds(mails):
    """Two places that are asked of the same person at the same moment are one mail."""
    ends = await asyncio.gather(*(mails.claim(*_MAIL) for _ in range(8)), return_exceptions=True)
    assert 1 == sum(isinstance(end, Claim) for end in ends)
    assert 7 == sum(isinstance(end, MailUnderWay) for end in ends)


@pytest.mark.parametrize("events", list(permutations(["sent", "deferred", "delivered"])))
async def test_delivered_wins_over_sent_and_deferred(mails, database, events):
    """Whatever came first: events overtake each other, and our own note of having sent."""
    delivery = (await claimed(mails)).delivery_id
    for event in events:
        await happens(mails, delivery, event)
    assert ["delivered"] == [status for status, *_ in await told(database)]


@pytest.mark.parametrize("end", ["bounced", "dropped"])
@pytest.mark.parametrize("others", list(permutations(["sent", "deferred"])))
@pytest.mark.parametrize("at", [0, 1, 2])
async def test_a_mail_that_came_back_stays_so(mails, database, end, others, at):
    """With the reason, and nothing is sent again."""
    delivery = (await claimed(mails)).delivery_id
    for event in (*others[:at], end, *others[at:]):
        await happens(mails, delivery, event)
    [(status, _, error, _)] = await told(database)
    assert (end, f"why it {end}") == (status, error)
    assert await mails.claim(*_MAIL) is None


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (("delivered", "bounced"), "bounced"),
        (("delivered", "dropped"), "delivered"),
        (("bounced", "dropped"), "bounced"),
        (("failed", "delivered"), "delivered"),
        (("failed", "sent"), "sent"),
    ],
)
async def test_what_contradicts_itself_ends_the_same_in_either_order(mails, database, events, expected):
    """A mail may be delivered and come back later; of two that went out, one may be dropped."""
    for number, order in enumerate(permutations(events)):
        claim = await mails.claim(_APPROVAL, f"p{number}@example.com", "approval wanted")
        for event in order:
            await happens(mails, claim.delivery_id, event)
    assert [expected, expected] == [status for status, *_ in await told(database)]


async def happens(mails: SqlDeliveries, delivery: str, event: str) -> None:
    if event == "sent":
        await mails.sent(delivery, "message-1")
    elif event == "failed":
        await mails.failed(delivery, "refused", for_good=True)
    else:
        row = await mails.told(delivery, DeliveryStatus(event), f"why it {event}")
        assert row is not None


async def test_a_mail_that_was_delivered_though_nobody_answered_us_is_not_sent_again(mails):
    """The service took it, its answer got lost, and its event came first."""
    claim = await claimed(mails)
    await mails.failed(claim.delivery_id, "TimeoutError", for_good=False)
    await mails.told(claim.delivery_id, DeliveryStatus.DELIVERED, "")
    assert await mails.claim(*_MAIL) is None


async def test_events_of_mails_of_others_are_nobodys(mails):
    """The same account may send for other programs."""
    assert await mails.told("unknown", DeliveryStatus.DELIVERED, "") is None


async def test_those_whom_no_mail_reaches_are_named(mails):
    """Refused, dropped or bounced; only those who are asked for, only of this approval, in the order asked."""
    ends = {"cem": "failed", "ann": "bounced", "bob": "dropped", "dan": "delivered", "eve": "sent", "fay": "bounced"}
    for name, end in ends.items():
        approval = "webshop/42/prod/1/before" if name == "fay" else _APPROVAL
        claim = await mails.claim(approval, f"{name}@example.com", "approval wanted")
        await happens(mails, claim.delivery_id, end)
    asked = tuple(f"{name}@example.com" for name in ("dan", "cem", "eve", "ann", "fay", "gus"))
    assert ("cem@example.com", "ann@example.com") == await mails.refused(_APPROVAL, asked)
    assert () == await mails.refused(_APPROVAL, ())


async def test_an_approval_is_decided_when_it_was_recorded_so(database, mails, now):
    """One that was not recorded is not."""
    assert not await mails.is_decided(_APPROVAL)
    times = {"opened_at": now, "expires_at": now, "decided_at": None}
    async with database.transaction() as session:
        session.add(
            ApprovalRow(
                id=_APPROVAL, deployment="webshop/41/prod/1", moment="before", verdict="pending", approval={}, **times
            )
        )
    assert not await mails.is_decided(_APPROVAL)
    async with database.transaction() as session:
        await session.execute(update(ApprovalRow).values(verdict="approved"))
    assert await mails.is_decided(_APPROVAL)
