"""What a mailed link is worth: an answer, an answer with six digits typed by hand, or only the way to the console."""

import asyncio

import pytest
from fakes.html_forms import HtmlPage
from fakes.seed import BO, CLEO

from domain.approval import Verdict
from domain.approval_policy import LinkLevel, Proof
from domain.role import Role
from storage import approvals
from storage.token_hash import token_hash

PAGE = "/approvals/webshop/41/prod-eu/1/before"
SIGN_IN = f'href="/login?next={PAGE}"'


async def _code_link(console):
    await console.ask(link=LinkLevel.CODE)
    return await console.mail(BO, level=LinkLevel.CODE)


async def _tries(console, link) -> int:
    async with console.services.database.reading() as session:
        row = await approvals.link(session, token_hash(link.url.rsplit("/", 1)[1]))
    assert row is not None
    return row.wrong_codes


def _wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


async def test_the_digits_are_asked_for_as_telephones_can_fill_them_in(console):
    """Each form that does something has the field; the digits are not on the page."""
    link = await _code_link(console)
    page = (await console.browser().get(link.url)).text
    assert 'name="code" inputmode="numeric" autocomplete="one-time-code" pattern=' in page
    assert ["answer", "reassign"] == [form.fields["do"] for form in HtmlPage(page).forms if "code" in form.fields]
    assert link.code not in page


@pytest.mark.parametrize("typed", ["{}", " {} ", "{:.3} {:.3}"])
async def test_the_right_digits_answer(console, typed):
    """With blanks between them or not; the vote says that they were typed."""
    link = await _code_link(console)
    first, last = link.code[:3], link.code[3:]
    code = f"{first} {last}" if ":" in typed else typed.format(link.code)
    browser = console.browser()
    form = HtmlPage((await browser.get(link.url)).text).form()
    for _ in range(2):
        assert 200 == (await browser.post(link.url, data=form.filled(choice="approve", code=code))).status_code
    assert {Proof.CODE} == {vote.proof for vote in console.orchestrator.votes}
    assert (Verdict.APPROVED, 0) == ((await console.approval()).verdict, await _tries(console, link))


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"])
async def test_what_can_be_no_digits_costs_no_try(console, code):
    """Nor does a form without a choice."""
    link = await _code_link(console)
    form = HtmlPage((await console.browser().get(link.url)).text).form()
    for fields in (form.filled(choice="approve", code=code, comment="mine"), form.filled(code=link.code)):
        assert 422 == (await console.browser().post(link.url, data=fields)).status_code
    assert ([], 0) == (console.orchestrator.actions, await _tries(console, link))


async def test_a_wrong_code_is_told_with_what_was_typed(console):
    """The next try may be right."""
    link, browser = await _code_link(console), console.browser()
    form = HtmlPage((await browser.get(link.url)).text).form()
    answer = await browser.post(link.url, data=form.filled(choice="reject", code=_wrong(link.code), comment="mine"))
    assert (403, True, 1) == (answer.status_code, "not the six digits" in answer.text, await _tries(console, link))
    again = HtmlPage(answer.text).form()
    assert "choice" not in again.fields
    assert "mine</textarea>" in answer.text
    assert 200 == (await browser.post(link.url, data=again.filled(choice="reject", code=link.code))).status_code


async def test_after_five_wrong_codes_the_page_says_how_to_go_on(console):
    """The right one does not count any more either; whoever signs in can still answer."""
    link, browser = await _code_link(console), console.browser()
    form = HtmlPage((await browser.get(link.url)).text).form()
    for _ in range(5):
        answer = await browser.post(link.url, data=form.filled(choice="approve", code=_wrong(link.code)))
    for page in (answer, await browser.get(link.url)):
        assert ("are used up" in page.text, SIGN_IN in page.text, HtmlPage(page.text).forms) == (True, True, [])
    late = await browser.post(link.url, data=form.filled(choice="approve", code=link.code))
    assert (409, []) == (late.status_code, console.orchestrator.actions)
    signed_in = await console.sign_in(BO, Role.APPROVER)
    form = HtmlPage((await signed_in.get(PAGE)).text).form()
    assert 200 == (await signed_in.post(PAGE, data=form.filled(choice="approve"))).status_code


async def test_many_guesses_at_once_are_five(console):
    """However they interleave, no more are looked at, and nothing reaches the approval."""
    link, browser = await _code_link(console), console.browser()
    form = HtmlPage((await browser.get(link.url)).text).form()
    guesses = [f"{(int(link.code) + 1 + number) % 10**6:06}" for number in range(30)]
    answers = await asyncio.gather(
        *(browser.post(link.url, data=form.filled(choice="approve", code=guess)) for guess in guesses)
    )
    assert {403, 409} >= {answer.status_code for answer in answers}
    assert (5, []) == (await _tries(console, link), console.orchestrator.actions)


async def test_taking_back_and_handing_on_want_the_digits_too(console):
    """Whoever only has the link does nothing with it."""
    link, browser = await _code_link(console), console.browser()
    form = HtmlPage((await browser.get(link.url)).text).form("reassign")
    refused = await browser.post(link.url, data=form.filled(to="eve@example.com", code=_wrong(link.code)))
    assert (403, []) == (refused.status_code, console.orchestrator.actions)
    done = await browser.post(link.url, data=form.filled(to="eve@example.com", code=link.code))
    assert (200, "eve@example.com") == (done.status_code, (await console.approval()).asked[1].approver)


@pytest.mark.parametrize("policy", [{"link": "login"}, {"reauthenticate": True}])
async def test_an_old_link_only_leads_to_the_console_where_the_policy_wants_more(console, policy):
    """The question is shown, with the way to sign in; an answer that is sent all the same does not count."""
    link, browser = console.seeded.links[BO], console.browser()
    form = HtmlPage((await browser.get(link)).text).form()
    await console.ask(**policy)
    page = await browser.get(link)
    assert (200, True, []) == (page.status_code, SIGN_IN in page.text, HtmlPage(page.text).forms)
    assert "2.14.0" in page.text
    answer = await browser.post(link, data=form.filled(choice="approve"))
    assert (409, []) == (answer.status_code, console.orchestrator.actions)


async def test_a_link_of_level_login_is_the_consoles_own_page(console):
    """It holds no secret: who is not signed in is led to the form, and back."""
    await console.ask(link=LinkLevel.LOGIN)
    link = await console.mail(CLEO, level=LinkLevel.LOGIN)
    assert PAGE == link.url
    answer = await console.browser().get(link.url)
    assert (303, f"/login?next={PAGE}") == (answer.status_code, answer.headers["location"])
    browser = await console.sign_in(CLEO, Role.APPROVER)
    form = HtmlPage((await browser.get(link.url)).text).form()
    assert 200 == (await browser.post(link.url, data=form.filled(choice="approve"))).status_code
