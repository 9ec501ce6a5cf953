"""Signing in and out."""

from datetime import timedelta

import httpx2
import pytest
from pydantic import SecretStr

from api.auth import SESSION_COOKIE
from api.pages.sessions import local_path
from domain.role import Role
from storage import tokens


async def _token(console, role: Role = Role.RELEASER) -> str:
    now = console.services.clock()
    async with console.services.database.transaction() as session:
        _, value = await tokens.issue(
            session, name="t", subject="dev@example.com", role=role, expires_at=now + timedelta(days=1), now=now
        )
    return value


async def test_a_pasted_token_becomes_a_session_of_its_own(console):
    """The cookie is another token, which script cannot read and other sites do not send."""
    value = await _token(console)
    browser = console.browser()
    answer = await browser.post("/login", data={"token": f" {value} ", "next": "/agents"})
    assert (303, "/agents") == (answer.status_code, answer.headers["location"])
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert value not in answer.headers["set-cookie"]
    assert 200 == (await browser.get("/agents")).status_code


async def test_the_cookie_is_secure_where_the_console_is(console):
    """Under an https address it never travels in the clear."""
    app = console.serving(public_url="https://slipway.example")
    value = await _token(console)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="https://slipway.example"
    ) as browser:
        answer = await browser.post("/login", data={"token": value}, headers={"Sec-Fetch-Site": "same-origin"})
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_the_bootstrap_token_signs_the_first_admin_in(console):
    """There is nobody yet who could make a token."""
    app = console.serving(bootstrap_token=SecretStr("first"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://testserver") as browser:
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        await browser.post("/login", data={"token": "first"}, headers=headers)
        page = await browser.get("/outbox", headers=headers)
    assert (200, True) == (page.status_code, "admin@localhost" in page.text)


@pytest.mark.parametrize("token", ["", "slw_wrong", "slw_" + "x" * 10_000])
async def test_a_wrong_token_is_told_on_the_form(console, token):
    """No cookie is set, and nothing is said about which tokens exist."""
    answer = await console.browser().post("/login", data={"token": token})
    assert (401, False) == (answer.status_code, "set-cookie" in answer.headers)
    assert "not valid" in answer.text


async def test_an_agent_cannot_open_the_console(console):
    """Its credential is for machines."""
    answer = await console.browser().post("/login", data={"token": await _token(console, Role.AGENT)})
    assert 401 == answer.status_code


async def test_somebody_not_signed_in_is_led_to_the_form_and_back(console):
    """With the page they wanted."""
    answer = await console.browser().get("/releases/webshop/41?x=1")
    assert (303, "/login?next=/releases/webshop/41%3Fx%3D1") == (answer.status_code, answer.headers["location"])


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "http:/evil.example",
    ],
)
async def test_nobody_is_led_to_another_site(console, target):
    """A crafted link to the form leads to the start."""
    answer = await console.browser().post("/login", data={"token": await _token(console), "next": target})
    assert (303, "/") == (answer.status_code, answer.headers["location"])


def test_a_path_of_the_console_is_kept():
    """With its query and anchor."""
    assert "/releases/a/1?b=c#d" == local_path("/releases/a/1?b=c#d")


async def test_signing_out_ends_the_session_on_the_server(console):
    """A copied cookie is worth nothing afterwards."""
    browser = await console.sign_in("dev@example.com")
    cookie = browser.cookies[SESSION_COOKIE]
    csrf = (await browser.get("/agents")).text.split('name="csrf" value="')[1].split('"')[0]
    assert 303 == (await browser.post("/logout", data={"csrf": csrf})).status_code
    other = console.browser()
    other.cookies.set(SESSION_COOKIE, cookie)
    assert 303 == (await other.get("/agents")).status_code


@pytest.mark.parametrize("csrf", ["", "0" * 32])
async def test_a_form_without_the_sessions_mark_is_refused(console, csrf):
    """Also when the browser says it comes from here."""
    browser = await console.sign_in("dev@example.com")
    assert 403 == (await browser.post("/logout", data={"csrf": csrf})).status_code


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
@pytest.mark.parametrize("path", ["/login", "/logout", "/releases/webshop/41/cancel", "/pipelines/webshop/releases"])
async def test_another_sites_page_can_send_no_form(console, path, headers):
    """Whatever it sends, nothing happens."""
    browser = await console.sign_in("dev@example.com", Role.ADMIN)
    answer = await browser.post(path, data={"token": await _token(console)}, headers=headers)
    assert 403 == answer.status_code
    assert ([], []) == (console.orchestrator.canceled, console.orchestrator.started)


async def test_a_session_ends_with_the_token_it_was_given_for(console):
    """Else a token of a day would open the console for ever, session by session."""
    now = console.services.clock()
    async with console.services.database.transaction() as session:
        _, value = await tokens.issue(
            session, name="t", subject="dev@example.com", role="viewer", expires_at=now + timedelta(hours=1), now=now
        )
    await console.browser().post("/login", data={"token": value})
    async with console.services.database.reading() as session:
        sessions = [row for row in await tokens.all_tokens(session) if row.name == tokens.BROWSER_SESSION]
    assert [timedelta(hours=1)] == [row.expires_at - now for row in sessions]


@pytest.mark.parametrize("target", ["//[", "http://[::1", "/[x"])
async def test_an_address_that_is_none_leads_to_the_start_or_stays_here(console, target):
    """Nobody needs to be signed in to send it."""
    browser = console.browser()
    statuses = [
        (await browser.get("/login", params={"next": target})).status_code,
        (await browser.post("/login", data={"token": "x", "next": target})).status_code,
    ]
    assert [200, 401] == statuses


@pytest.mark.parametrize("charset", ["undefined", "unicode_escape", "utf-7"])
async def test_a_sender_cannot_choose_how_a_form_is_read(console, charset):
    """Some ways of reading bytes fail, others make what is no text."""
    part = b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n\\ud800+2AA-\r\n--b--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    assert 401 == (await console.browser().post("/login", content=part, headers=headers)).status_code


async def test_an_origin_that_is_no_address_is_a_foreign_one(console):
    """It is compared, not taken apart."""
    headers = {"Origin": "http://["}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=console.application), base_url="http://testserver", headers=headers
    ) as browser:
        assert 403 == (await browser.post("/login", data={"token": "x"})).status_code


async def test_the_form_keeps_where_one_wanted_to_go(console):
    """Also when the token was wrong."""
    browser = console.browser()
    target = "/approvals/webshop/41/prod-eu/1/before"
    for answer in (
        await browser.get("/login", params={"next": target}),
        await browser.post("/login", data={"token": "wrong", "next": target}),
    ):
        assert f'name="next" value="{target}"' in answer.text


async def test_signing_in_again_ends_the_session_before(console):
    """A copied cookie of an hour ago does not live on."""
    browser = await console.sign_in("dev@example.com")
    before = browser.cookies[SESSION_COOKIE]
    assert 303 == (await browser.post("/login", data={"token": await _token(console)})).status_code
    assert 200 == (await browser.get("/agents")).status_code
    other = console.browser()
    other.cookies.set(SESSION_COOKIE, before)
    assert 303 == (await other.get("/agents")).status_code
