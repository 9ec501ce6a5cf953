"""The outbox over HTTP."""

import asyncio

import httpx2
from fakes.api_world import World

from activities.notifications import Letter
from storage.mails import SqlOutbox


async def test_an_admin_reads_the_mails_of_the_outbox(world: World, admin: httpx2.AsyncClient) -> None:
    """Newest first; the body only one by one."""
    outbox = SqlOutbox(world.services.database, world.services.sealing, asyncio.get_running_loop(), world.clock)
    for number in range(3):
        letter = Letter(
            delivery_id=f"d-{number}", to="Ana@example.com", subject=f"s-{number}", text="the link", html="<b>x</b>"
        )
        await asyncio.to_thread(outbox.send, letter)
    listed = (await admin.get("/outbox?limit=2")).json()
    rest = (await admin.get("/outbox", params={"before": listed[-1]["id"], "to": "ana@example.com"})).json()
    assert ["s-2", "s-1", "s-0"] == [mail["subject"] for mail in listed + rest]
    mail = (await admin.get(f"/outbox/{listed[0]['id']}")).json()
    assert ("ana@example.com", "s-2", "the link", "<b>x</b>") == tuple(
        mail[key] for key in ("to", "subject", "text", "html")
    )
    assert "the link" not in str(listed)


async def test_a_mail_that_is_not_there_is_told(admin: httpx2.AsyncClient) -> None:
    """404 by number."""
    answer = await admin.get("/outbox/7")
    assert (404, "NoSuchMail") == (answer.status_code, answer.json()["error"])
