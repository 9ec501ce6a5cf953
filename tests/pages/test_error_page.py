"""Errors as pages."""

from fakes.seed import DEV

from domain.role import Role
from storage import releases


async def test_what_is_not_allowed_is_told_plainly(console):
    """With both roles, so that one knows whom to ask."""
    answer = await (await console.sign_in(DEV)).get("/outbox")
    assert (403, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert "This needs the role admin; yours is viewer." in answer.text


async def test_our_own_faults_tell_only_where_to_find_them(console, monkeypatch):
    """The trace id leads to the log; the text of the error stays there."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(releases, "page", broken)
    answer = await (await console.sign_in(DEV, Role.ADMIN)).get("/")
    assert (500, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert answer.headers["x-trace-id"] in answer.text
    assert "secret inside" not in answer.text


async def test_programs_get_their_errors_as_problems(console):
    """A page is for who asks for one."""
    browser = await console.sign_in(DEV)
    answer = await browser.get("/nowhere", headers={"Accept": "*/*"})
    assert (404, "application/problem+json") == (answer.status_code, answer.headers["content-type"])


async def test_a_path_that_is_nothing_is_a_page(console):
    """Also for who is not signed in."""
    answer = await console.browser().get("/nowhere")
    assert (404, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
