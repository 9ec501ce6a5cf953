"""The outbox keeps each mail once, sealed, and opens it for who may read it."""

import asyncio

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from activities.notifications import Letter
from storage import mails
from storage.database import Database
from storage.mails import SqlOutbox
from storage.sealing import SealBroken
from storage.tables import OutboxMailRow


def _letter(number=1, to="Ann@example.com"):
    return Letter(
        delivery_id=f"delivery-{number}", to=to, subject=f"Approve {number}?", text=f"link {number}", html="<p>link</p>"
    )


@pytest.fixture
async def outbox(database, sealing, now):
    return SqlOutbox(database, sealing, asyncio.get_running_loop(), lambda: now)


async def _send(outbox, *letters):
    return [await asyncio.to_thread(outbox.send, letter) for letter in letters]


async def test_a_mail_is_sent_from_a_thread_and_can_be_read(database, sealing, outbox, now):
    """As the activity sends it, and as the console shows it."""
    assert ["outbox/delivery-1"] == await _send(outbox, _letter())
    async with database.reading() as session:
        [row] = await mails.outbox(session)
        mail = await mails.mail(session, sealing, row.id)
    expected = mails.Mail(
        id=row.id, person="ann@example.com", subject="Approve 1?", text="link 1", html="<p>link</p>", sent_at=now
    )
    assert expected == mail


async def test_the_same_delivery_again_is_the_same_mail(database, outbox):
    """The first one stays."""
    await _send(outbox, _letter(), _letter())
    async with database.reading() as session:
        assert len(await mails.outbox(session)) == 1


async def test_pages_of_the_outbox_are_complete_and_can_be_narrowed(database, outbox):
    """Newest first; to one person, however the address is written."""
    await _send(
        outbox, *(_letter(number, to="ann@example.com" if number % 2 else "bob@example.com") for number in range(9))
    )
    async with database.reading() as session:
        first = await mails.outbox(session, limit=5)
        second = await mails.outbox(session, limit=5, before=first[-1].id)
        anns = await mails.outbox(session, person="ANN@example.com")
    assert [f"Approve {number}?" for number in range(8, -1, -1)] == [row.subject for row in (*first, *second)]
    assert len(anns) == 4


@pytest.mark.parametrize("mail_id", [0, -1, 2**31, 2**80])
async def test_an_unknown_mail_is_nothing(database, sealing, mail_id):
    """However large its number."""
    async with database.reading() as session:
        assert await mails.mail(session, sealing, mail_id) is None
        assert await mails.outbox(session, before=mail_id) == []


async def test_a_body_moved_to_another_mail_does_not_open(database, sealing, outbox):
    """Each is bound to its delivery."""
    await _send(outbox, _letter(1), _letter(2))
    async with database.transaction() as session:
        [second, first] = await mails.outbox(session)
        await session.execute(update(OutboxMailRow).where(OutboxMailRow.id == first.id).values(sealed=second.sealed))
    async with database.reading() as session:
        with pytest.raises(SealBroken):
            await mails.mail(session, sealing, first.id)


async def test_a_mail_that_cannot_be_kept_is_told_to_its_sender(empty_url, sealing):
    """So that it is tried again."""
    database = Database(empty_url)
    outbox = SqlOutbox(database, sealing, asyncio.get_running_loop())
    with pytest.raises(DBAPIError, match="outbox"):
        await asyncio.to_thread(outbox.send, _letter())
    await database.close()
