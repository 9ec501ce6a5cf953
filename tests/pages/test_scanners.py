"""Mail scanners and prefetching browsers do their worst to a mailed link: no vote, and the person can still answer."""

from collections.abc import Iterator

import httpx2
import pytest
from fakes.html_forms import HtmlPage
from fakes.seed import ANA, BO
from fakes.served import served
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send
from trials.scanners import OVER_HTTP, click_everything, post_as_it_stands

from domain.approval_policy import LinkLevel

# Bo is asked; Ana has answered, and may take it back.
CASES = [(LinkLevel.LINK, BO), (LinkLevel.LINK, ANA), (LinkLevel.CODE, BO)]


@pytest.mark.parametrize(("level", "person"), CASES)
async def test_scanners_answer_nothing(console, address, level, person):
    """Not for who is asked, nor instead of who has answered; the person can answer afterwards."""
    await console.ask(link=level)
    link = await console.mail(person, level=level)
    async with httpx2.AsyncClient(timeout=30) as http:
        fired = {scan.__name__: await scan(http, address + link.url) for scan in OVER_HTTP}
    assert [] == [name for name, count in fired.items() if not count]
    await _nothing_has_happened(console)
    await _bo_can_answer(console, level)


@pytest.mark.browser
@pytest.mark.parametrize(("level", "person"), CASES)
async def test_a_browser_that_presses_every_button_answers_nothing(console, address, browser, level, person):
    """Even one that sends the forms past their checks; where digits are wanted, one that makes a choice, too."""
    await console.ask(link=level)
    link = await console.mail(person, level=level)
    assert 0 < await click_everything(browser, address + link.url, picks_a_choice=level == LinkLevel.CODE)
    await _nothing_has_happened(console)
    await _bo_can_answer(console, level)


PRESET = """<form method="post" action="/approve/x"><input type="radio" name="choice" value="approve" checked>
<button>Send</button></form>"""


@pytest.fixture
def naive() -> Iterator[tuple[str, list[bytes]]]:
    """A page as it must not be: with a choice that nobody made. Its link, and what was sent to it."""
    sent: list[bytes] = []

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "POST":
            sent.append(await request.body())
        await HTMLResponse(PRESET)(scope, receive, send)

    with served(page) as url:
        yield f"{url}/approve/x", sent


async def test_these_scanners_would_answer_a_page_that_makes_the_choice_for_them(naive):
    """Otherwise the tests above show nothing."""
    link, sent = naive
    async with httpx2.AsyncClient(timeout=30) as http:
        await post_as_it_stands(http, link)
    assert [b"choice=approve"] == sent


@pytest.mark.browser
async def test_this_browser_would_answer_a_page_that_makes_the_choice_for_it(naive, browser):
    """By its button, and past its checks."""
    link, sent = naive
    assert 3 == await click_everything(browser, link)
    assert [b"choice=approve"] * 3 == sent


async def _nothing_has_happened(console) -> None:
    approval = await console.approval()
    assert ([], [ANA], ()) == (console.orchestrator.actions, [c.vote.by for c in approval.votes], approval.withdrawn)


async def _bo_can_answer(console, level: LinkLevel) -> None:
    link = await console.mail(BO, level=level)
    browser = console.browser()
    form = HtmlPage((await browser.get(link.url)).text).form()
    answer = await browser.post(link.url, data=form.filled(choice="approve", code=link.code))
    assert (200, [BO]) == (answer.status_code, [vote.by for vote in console.orchestrator.votes])
