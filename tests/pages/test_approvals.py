"""Approvals in the console."""

from fakes.seed import ANA, BO, DEV

from domain.approval import Channel
from domain.role import Role

PAGE = "/approvals/webshop/41/prod-eu/1/before"


def _field(page: str, name: str) -> str:
    return page.split(f'name="{name}" value="')[1].split('"', maxsplit=1)[0]


async def test_the_inbox_shows_what_waits_for_me_only(console):
    """Bo is asked through the group; Ana has answered, the developer is not asked."""
    found = [
        "webshop-41 to prod-eu" in (await (await console.sign_in(person)).get("/approvals")).text
        for person in (BO, ANA, DEV)
    ]
    assert [True, False, False] == found


async def test_an_admin_may_see_everybodys_and_others_may_not(console):
    """The same address shows others their own."""
    path = "/approvals?everybody=yes"
    admin, viewer = await console.sign_in(DEV, Role.ADMIN), await console.sign_in(DEV)
    found = ["webshop-41 to prod-eu" in (await browser.get(path)).text for browser in (admin, viewer)]
    assert [True, False] == found


async def test_who_is_asked_answers_as_themselves(console):
    """Over the console, which the vote says."""
    browser = await console.sign_in(BO, Role.APPROVER)
    page = (await browser.get(PAGE)).text
    form = {"csrf": _field(page, "csrf"), "digest": _field(page, "digest"), "choice": "approve"}
    answer = await browser.post(PAGE, data=form)
    assert 200 == answer.status_code
    assert "Your answer was counted" in answer.text
    (vote,) = console.orchestrator.votes
    assert (BO, Channel.CONSOLE) == (vote.voter, vote.channel)


async def test_who_is_not_asked_sees_why_there_is_no_form(console):
    """And learns where the approval stands."""
    page = (await (await console.sign_in("eve@example.com", Role.APPROVER)).get(PAGE)).text
    assert "eve@example.com is not asked for this approval." in page
    assert "<textarea" not in page


async def test_a_viewer_who_is_asked_is_told_which_role_is_missing(console):
    """Their mailed link would do."""
    browser = await console.sign_in(BO)
    page = (await browser.get(PAGE)).text
    assert "answering needs the role approver" in page
    assert 403 == (await browser.post(PAGE, data={"csrf": _field(page, "csrf"), "choice": "approve"})).status_code


async def test_without_a_choice_or_mark_nothing_is_sent(console):
    """The first is told on the form, the second refused."""
    browser = await console.sign_in(BO, Role.APPROVER)
    mark = _field((await browser.get(PAGE)).text, "csrf")
    statuses = [(await browser.post(PAGE, data=form)).status_code for form in ({"csrf": mark}, {"choice": "approve"})]
    assert ([422, 403], []) == (statuses, console.orchestrator.votes)


async def test_an_approval_that_does_not_exist_is_not_found(console):
    """Also one of a moment that there is not."""
    browser = await console.sign_in(BO)
    assert 404 == (await browser.get("/approvals/webshop/41/prod-eu/7/before")).status_code
