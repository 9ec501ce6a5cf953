"""Every form of the console refuses what did not come from a page of the very session that sends it."""

import pytest
from fakes.html_forms import HtmlPage
from fakes.seed import BO
from fastapi.routing import iter_route_contexts

from api.auth import SESSION_COOKIE, Public
from api.pages.router import router
from domain.role import Role

IN_PATHS = {
    "{pipeline}": "webshop",
    "{name}": "webshop",
    "{number}": "41",
    "{stage}": "prod-eu",
    "{attempt}": "1",
    "{moment}": "before",
    "{run_id:path}": "webshop/41/prod-eu/1/deploy/1/1",
}


def _posts(*, is_public: bool) -> list[str]:
    """The paths to which pages send forms."""
    found = []
    for route in iter_route_contexts(router.routes):
        if "POST" in (route.methods or ()):
            rights = [inner.call for inner in route.dependant.dependencies]
            if is_public == any(isinstance(right, Public) for right in rights):
                found.append(route.path)
    return sorted(found)


def _filled(path: str) -> str:
    for name, value in IN_PATHS.items():
        path = path.replace(name, value)
    return path


FORMS = [_filled(path) for path in _posts(is_public=False)]
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
    {"Origin": "https://evil.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": ""},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
]
FIELDS = {
    "choice": "approve",
    "approval": "webshop/41/prod-eu/1/before",
    "comment": "x",
    "version.app": "1.0",
    "digest": "0" * 64,
}


def test_the_walk_finds_the_forms():
    """All of them; a new one is walked by itself."""
    assert {"/approvals", "/approvals/webshop/41/prod-eu/1/before", "/logout"} <= set(FORMS)
    assert ["/approve/{token}", "/login"] == _posts(is_public=True)
    assert all("{" not in path for path in FORMS)


async def _csrf(browser) -> str:
    return HtmlPage((await browser.get("/agents")).text).forms[0].fields["csrf"]


def _nothing_happened(console) -> bool:
    orchestrator = console.orchestrator
    return not any(
        (
            orchestrator.actions,
            orchestrator.started,
            orchestrator.deployed,
            orchestrator.canceled,
            orchestrator.decisions,
        )
    )


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_without_this_sessions_mark_is_refused(console, path):
    """None, none of ours, another session's, and another session's of the same person."""
    mine, theirs = await console.sign_in(BO, Role.ADMIN), await console.sign_in("eve@example.com", Role.ADMIN)
    also_mine = await console.sign_in(BO, Role.ADMIN)
    marks = ["", "0" * 32, await _csrf(theirs), await _csrf(also_mine)]
    statuses = [(await mine.post(path, data=FIELDS | {"csrf": mark})).status_code for mark in marks]
    statuses.append((await mine.post(path, data=FIELDS)).status_code)
    assert ([403] * 5, True) == (statuses, _nothing_happened(console))
    assert 200 == (await mine.get("/agents")).status_code


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_that_another_sites_page_sends_is_refused_even_with_the_mark(console, path):
    """As browsers tell by Sec-Fetch-Site or, the older ones, by Origin."""
    browser = await console.sign_in(BO, Role.ADMIN)
    form = FIELDS | {"csrf": await _csrf(browser)}
    for headers in FOREIGN:
        plain = console.browser()
        del plain.headers["origin"], plain.headers["sec-fetch-site"]
        plain.cookies.set(SESSION_COOKIE, browser.cookies[SESSION_COOKIE])
        given = {name: value for name, value in headers.items() if value}
        assert (headers, 403) == (headers, (await plain.post(path, data=form, headers=given)).status_code)
    assert _nothing_happened(console)


@pytest.mark.parametrize("headers", FOREIGN)
async def test_the_two_forms_without_a_session_refuse_another_sites_page_too(console, headers):
    """Nobody is signed in as somebody else, and a link that leaked answers from its own page only."""
    plain = console.browser()
    del plain.headers["origin"], plain.headers["sec-fetch-site"]
    given = {name: value for name, value in headers.items() if value}
    for path in ("/login", console.seeded.links[BO]):
        assert 403 == (await plain.post(path, data=FIELDS | {"token": "x"}, headers=given)).status_code
    assert _nothing_happened(console)


@pytest.mark.parametrize("path", FORMS)
async def test_nobody_who_is_not_signed_in_can_send_a_form(console, path):
    """They are led to sign in, and back to the page where that is one."""
    answer = await console.browser().post(path, data=FIELDS)
    back = path if path.startswith("/approvals") else "/"
    assert (303, f"/login?next={back}") == (answer.status_code, answer.headers["location"])
    assert _nothing_happened(console)
