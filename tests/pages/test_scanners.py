"""Mail scanners and prefetching browsers do their worst to a mailed link: no vote, and the person can still answer."""

import httpx2
import pytest
from fakes.html_forms import HtmlPage
from fakes.seed import ANA, BO
from trials.scanners import OVER_HTTP, click_everything

from domain.approval_policy import LinkLevel

LEVELS = [LinkLevel.LINK, LinkLevel.CODE]


@pytest.mark.parametrize("level", LEVELS)
async def test_scanners_answer_nothing(console, address, level):
    """Not for who is asked, nor instead of who has answered; the person can answer afterwards."""
    await console.ask(link=level)
    for person in (BO, ANA):
        link = await console.mail(person, level=level)
        async with httpx2.AsyncClient(timeout=30) as http:
            fired = {scan.__name__: await scan(http, address + link.url) for scan in OVER_HTTP}
        assert [] == [name for name, count in fired.items() if not count]
    await _nothing_has_happened(console)
    await _bo_can_answer(console, level)


@pytest.mark.browser
@pytest.mark.parametrize("level", LEVELS)
async def test_a_browser_that_presses_every_button_answers_nothing(console, address, browser, level):
    """Even one that sends the forms past their checks; where digits are wanted, one that makes a choice, too."""
    await console.ask(link=level)
    for person in (BO, ANA):
        link = await console.mail(person, level=level)
        assert 0 < await click_everything(browser, address + link.url, picks_a_choice=level == LinkLevel.CODE)
    await _nothing_has_happened(console)
    await _bo_can_answer(console, level)


async def _nothing_has_happened(console) -> None:
    approval = await console.approval()
    assert ([], [ANA], ()) == (console.orchestrator.actions, [c.vote.by for c in approval.votes], approval.withdrawn)


async def _bo_can_answer(console, level: LinkLevel) -> None:
    link = await console.mail(BO, level=level)
    browser = console.browser()
    form = HtmlPage((await browser.get(link.url)).text).form()
    answer = await browser.post(link.url, data=form.filled(choice="approve", code=link.code))
    assert (200, [BO]) == (answer.status_code, [vote.by for vote in console.orchestrator.votes])
