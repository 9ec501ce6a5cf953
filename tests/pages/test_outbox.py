"""The local outbox."""

import asyncio

from fakes.seed import BO, DEV, letter

from domain.role import Role
from storage.mails import SqlOutbox


async def _with_a_mail(console) -> None:
    outbox = SqlOutbox(console.services.database, console.services.sealing, asyncio.get_running_loop())
    await asyncio.to_thread(outbox.send, letter(f"http://testserver{console.seeded.links[BO]}"))


async def test_an_admin_reads_the_mails_and_nobody_else_does(console):
    """They hold links with which anybody could answer."""
    await _with_a_mail(console)
    admin, releaser = await console.sign_in(DEV, Role.ADMIN), await console.sign_in(DEV, Role.RELEASER)
    for path in ("/outbox", "/outbox/1", "/outbox/1/html"):
        assert [200, 403] == [(await browser.get(path)).status_code for browser in (admin, releaser)]
    assert 'href="http://testserver/approve/' in (await admin.get("/outbox/1")).text


async def test_the_mails_html_is_shut_in_a_sandbox(console):
    """It can run nothing and reach nothing; its links open outside."""
    await _with_a_mail(console)
    admin = await console.sign_in(DEV, Role.ADMIN)
    answer = await admin.get("/outbox/1/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'")
    assert "allow-scripts" not in policy
    assert '<head><base target="_blank">' in answer.text
    assert "SAMEORIGIN" == answer.headers["x-frame-options"]


async def test_a_mail_that_does_not_exist_is_not_found(console):
    """As a page."""
    assert 404 == (await (await console.sign_in(DEV, Role.ADMIN)).get("/outbox/77")).status_code
