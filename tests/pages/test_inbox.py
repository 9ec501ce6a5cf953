"""The inbox: what waits for whom, and one answer to several approvals."""

from datetime import timedelta

import pytest
from fakes.html_forms import HtmlPage
from fakes.seed import ANA, BO, DEV

from domain.role import Role

ASKED = "webshop/41/prod-eu/1/before"
LISTED = f'href="/approvals/{ASKED}"'
OTHER = "webshop/40/prod-eu/1/after"


async def _several(browser) -> dict[str, str]:
    """The list's form, as it comes, without the box that a browser would not send unticked."""
    page = HtmlPage((await browser.get("/approvals")).text)
    return next(form.fields for form in page.forms if f"digest.{ASKED}" in form.fields)


async def test_the_inbox_shows_what_waits_for_me_only(console):
    """Bo is asked through the group; Ana has answered, the developer is not asked."""
    found = [LISTED in (await (await console.sign_in(person)).get("/approvals")).text for person in (BO, ANA, DEV)]
    assert [True, False, False] == found


async def test_release_managers_and_admins_may_see_everybodys_and_others_may_not(console):
    """The same address shows others their own."""
    roles = (Role.ADMIN, Role.RELEASE_MANAGER, Role.RELEASER, Role.VIEWER)
    browsers = [await console.sign_in("mona@example.com", role) for role in roles]
    found = [LISTED in (await b.get("/approvals?everybody=yes")).text for b in browsers]
    assert [True, True, False, False] == found


@pytest.mark.parametrize(
    ("query", "is_listed"),
    [
        ("pipeline=webshop", True),
        ("pipeline=other", False),
        ("stage=prod-eu&group=ops&verdict=pending", True),
        ("stage=prod-us", False),
        ("group=dba", False),
        ("verdict=approved", False),
        ("verdict=any", True),
        ("verdict=nonsense&pipeline=&stage=&group=", True),
    ],
)
async def test_the_list_is_filtered(console, query, is_listed):
    """What makes no sense is left out."""
    page = await (await console.sign_in(BO)).get(f"/approvals?{query}")
    assert (200, is_listed) == (page.status_code, LISTED in page.text)


async def test_several_are_answered_with_one_answer(console):
    """Each for its own plan, each with its own receipt; sent again, it is the same."""
    await console.ask_also(OTHER)
    browser = await console.sign_in(BO, Role.APPROVER)
    form = await _several(browser) | {"approval": [ASKED, OTHER], "choice": "approve", "comment": "all green"}
    for _ in range(2):
        answer = await browser.post("/approvals", data=form)
        assert (200, 2) == (answer.status_code, answer.text.count("<b>Your answer was counted</b>"))
    votes = {(vote.action_id, vote.digest, vote.comment) for vote in console.orchestrator.votes}
    assert {(f"{form['action_id']}-approve", form[f"digest.{one}"], "all green") for one in (ASKED, OTHER)} == votes
    assert "Nothing waits for you." in answer.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"approval": []}, "Tick the approvals that you answer first"),
        ({"choice": ""}, "Choose Approve or Reject first"),
        ({f"digest.{ASKED}": "x"}, "This list is out of date"),
    ],
)
async def test_what_is_missing_is_told_and_nothing_is_sent(console, change, told):
    """With what was ticked and typed."""
    browser = await console.sign_in(BO, Role.APPROVER)
    sent = await _several(browser) | {"approval": [ASKED], "choice": "approve", "comment": "so <far>"} | change
    answer = await browser.post("/approvals", data=sent)
    assert (422, True, []) == (answer.status_code, told in answer.text, console.orchestrator.actions)
    assert "so &lt;far&gt;</textarea>" in answer.text
    assert bool(sent["approval"]) == (" checked>" in answer.text)


async def test_an_answer_that_does_not_count_is_told_beside_those_that_do(console):
    """The plan of one has changed since the list was loaded, and another is none."""
    await console.ask_also(OTHER)
    browser = await console.sign_in(BO, Role.APPROVER)
    form = await _several(browser) | {"choice": "approve", f"digest.{ASKED}": "0" * 64}
    form |= {"approval": [ASKED, OTHER, "webshop/9/prod-eu/1/before"], "digest.webshop/9/prod-eu/1/before": "0" * 64}
    answer = await browser.post("/approvals", data=form)
    assert 409 == answer.status_code
    for title in ("What is deployed has changed", "Your answer was counted", "This answer was not sent"):
        assert f"<b>{title}</b>" in answer.text


async def test_what_a_policy_wants_is_told_on_its_line(console):
    """A comment; or a login of the last minutes, without which there is no box."""
    browser = await console.sign_in(BO, Role.APPROVER, ago=timedelta(minutes=10))
    await console.ask(comment_required=True)
    assert "needs a comment" in (await browser.get("/approvals")).text
    form = await _several(browser) | {"approval": [ASKED], "choice": "approve"}
    answer = await browser.post("/approvals", data=form)
    assert (409, True) == (answer.status_code, "<b>A comment is missing</b>" in answer.text)
    await console.ask(reauthenticate=True)
    page = (await browser.get("/approvals")).text
    assert ("sign in again to answer" in page, 'type="checkbox"' in page) == (True, False)


async def test_who_may_not_answer_ticks_nothing(console):
    """A viewer who is asked sees the list, and is refused."""
    browser = await console.sign_in(BO)
    page = (await browser.get("/approvals")).text
    assert 'type="checkbox"' not in page
    csrf = HtmlPage(page).forms[0].fields["csrf"]
    sent = {"csrf": csrf, "approval": ASKED, "choice": "approve"}
    assert 403 == (await browser.post("/approvals", data=sent)).status_code


async def test_an_answer_that_no_worker_counted_yet_is_stored(console):
    """Each is told so."""
    console.orchestrator.is_away = True
    browser = await console.sign_in(BO, Role.APPROVER)
    answer = await browser.post("/approvals", data=await _several(browser) | {"approval": ASKED, "choice": "reject"})
    assert (202, True) == (answer.status_code, "<b>Your answer is stored</b>" in answer.text)


async def test_the_list_says_for_whom_a_release_was_requested(console):
    """Beside the service that requested it."""
    await console.request_for("cleo@example.com")
    page = (await (await console.sign_in(BO)).get("/approvals")).text
    assert f"requested by {DEV} for cleo@example.com" in page
