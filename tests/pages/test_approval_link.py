"""The mailed link: opening it does nothing, an explicit answer counts once."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
from fakes.seed import ANA, BO, CLEO, DEV

from api.app import create_app
from domain.approval import Channel, Choice, Verdict
from storage import approvals
from storage.approvals import SqlApprovalLinks


def _digest(page: str) -> str:
    return page.split('name="digest" value="')[1].split('"', maxsplit=1)[0]


async def _answer(console, person: str, choice: str, **more: str):
    browser = console.browser()
    page = await browser.get(console.seeded.links[person])
    form = {"choice": choice, "comment": "fine", "digest": _digest(page.text)} | more
    return await browser.post(console.seeded.links[person], data=form)


async def test_opening_the_link_any_number_of_times_is_no_answer(console):
    """Scanners of mail programs open every link, some of them often."""
    browser = console.browser()
    for _ in range(20):
        assert 200 == (await browser.get(console.seeded.links[BO])).status_code
    head = await browser.head(console.seeded.links[BO])
    assert (200, b"") == (head.status_code, head.content)
    assert [] == console.orchestrator.votes


async def test_the_page_says_what_one_must_know(console):
    """Release, stage, who asks, what changes there, instructions, who has answered."""
    page = (await console.browser().get(console.seeded.links[BO])).text
    for known in (
        "webshop-41",
        "prod-eu",
        DEV,
        "2.13.2",
        "2.14.0",
        "unchanged",
        "Friday",
        "flat",
        ANA,
        BO,
        "group ops",
    ):
        assert known in page
    assert "checked" not in page


async def test_the_page_needs_no_session_and_is_told_to_nobody(console):
    """Neither caches nor search engines nor the next page learn of it."""
    headers = (await console.browser().get(console.seeded.links[BO])).headers
    assert ("no-store", "no-referrer", "noindex, nofollow", "DENY") == (
        headers["cache-control"],
        headers["referrer-policy"],
        headers["x-robots-tag"],
        headers["x-frame-options"],
    )
    assert {"form-action 'self'", "frame-ancestors 'none'", "script-src 'self'"} <= set(
        headers["content-security-policy"].split("; ")
    )


async def test_an_explicit_answer_counts_for_the_person_of_the_link(console):
    """Whatever else the form claims."""
    answer = await _answer(console, BO, "approve", voter="somebody@else.example")
    assert 200 == answer.status_code
    assert "Your answer was counted" in answer.text
    (vote,) = console.orchestrator.votes
    assert (BO, Choice.APPROVE, Channel.LINK, "fine") == (vote.voter, vote.choice, vote.channel, vote.comment)


async def test_the_same_answer_again_is_the_same_vote(console):
    """A reload, or an impatient second press, does no harm."""
    first = await _answer(console, CLEO, "reject")
    page = await console.browser().post(
        console.seeded.links[CLEO], data={"choice": "reject", "digest": console.orchestrator.votes[0].digest}
    )
    assert (200, 200) == (first.status_code, page.status_code)
    assert "Your answer was counted" in page.text
    assert 1 == len({vote.vote_id for vote in console.orchestrator.votes})


async def test_no_vote_id_tells_the_link(console):
    """Vote ids stand in histories and tables."""
    await _answer(console, BO, "approve")
    token = console.seeded.links[BO].rsplit("/", 1)[1]
    assert token not in console.orchestrator.votes[0].vote_id
    assert hashlib.sha256(token.encode()).hexdigest() != console.orchestrator.votes[0].vote_id


@pytest.mark.parametrize("choice", [None, "", "yes", "APPROVE"])
async def test_without_a_choice_nothing_is_sent_and_the_form_comes_again(console, choice):
    """With the comment, so that nothing typed is lost."""
    form = {"comment": "my <b>words</b>", "digest": "0" * 64} | ({"choice": choice} if choice is not None else {})
    answer = await console.browser().post(console.seeded.links[BO], data=form)
    assert (422, []) == (answer.status_code, console.orchestrator.votes)
    assert "Choose Approve or Reject first" in answer.text
    assert "my &lt;b&gt;words&lt;/b&gt;</textarea>" in answer.text


async def test_an_answer_to_another_plan_does_not_count(console):
    """The form comes again with what is deployed now."""
    answer = await console.browser().post(console.seeded.links[BO], data={"choice": "approve", "digest": "0" * 64})
    assert 409 == answer.status_code
    assert "has changed" in answer.text
    assert "0" * 64 != _digest(answer.text)


async def test_afterwards_the_link_shows_who_decided(console):
    """To everybody who was asked, without a form."""
    await _answer(console, BO, "reject", comment="not today")
    page = await console.browser().get(console.seeded.links[CLEO])
    assert 200 == page.status_code
    assert "Already decided" in page.text
    assert "not today" in page.text
    assert "<textarea" not in page.text


async def test_who_has_answered_is_told_so(console):
    """Ana's vote of before stands; her link offers no second one."""
    page = await console.browser().get(console.seeded.links[ANA])
    assert "Already answered" in page.text
    assert "<textarea" not in page.text


async def test_a_vote_that_no_worker_counted_yet_is_stored(console):
    """Told plainly, and not as an error."""
    console.orchestrator.is_away = True
    answer = await _answer(console, BO, "approve")
    assert 202 == answer.status_code
    assert "Your answer is stored" in answer.text


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 200, "..%2f..", "<script>alert(1)</script>"])
async def test_an_unknown_link_tells_nothing(console, token):
    """One clear page for all of them."""
    browser = console.browser()
    for answer in (await browser.get(f"/approve/{token}"), await browser.post(f"/approve/{token}", data={})):
        assert 404 == answer.status_code
        assert "webshop" not in answer.text
        assert "<script>alert" not in answer.text


async def test_an_expired_link_says_so_and_no_more(console):
    """From the very second on, for looking and for answering."""
    link = await _issued(console, expires_in=timedelta(0))
    browser = console.browser()
    for answer in (await browser.get(link), await browser.post(link, data={"choice": "approve"})):
        assert 410 == answer.status_code
        assert "webshop" not in answer.text
    assert [] == console.orchestrator.votes


async def _issued(console, expires_in: timedelta) -> str:
    issuer = SqlApprovalLinks(console.services.database, bytes(32), "")
    expires_at = console.services.clock() + expires_in
    return await issuer.issue(console.seeded.approval_id, "late@example.com", "late@example.com", expires_at)


async def test_a_link_of_somebody_who_is_not_asked_counts_nothing(console):
    """Say, issued for another set of approvers: the frozen policy decides."""
    link = await _issued(console, expires_in=timedelta(hours=1))
    page = await console.browser().get(link)
    assert "You are not asked" in page.text
    digest = (await console.browser().get(console.seeded.links[BO])).text
    answer = await console.browser().post(link, data={"choice": "approve", "digest": _digest(digest)})
    assert (409, Verdict.PENDING) == (answer.status_code, await _verdict(console))


async def _verdict(console) -> str:
    async with console.services.database.reading() as session:
        row = await approvals.get(session, console.seeded.approval_id)
    assert row is not None
    return row.verdict


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 200),
        ({"Origin": "http://testserver"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200),
        ({}, 200),
    ],
)
async def test_only_our_own_page_may_send_the_form_where_the_browser_tells(console, headers, status):
    """Programs that tell nothing are let through: they hold the link."""
    app = create_app(replace(console.services))
    page = await console.browser().get(console.seeded.links[BO])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://testserver") as browser:
        form = {"choice": "approve", "digest": _digest(page.text)}
        answer = await browser.post(console.seeded.links[BO], data=form, headers=headers)
    assert (status, int(status == 200)) == (answer.status_code, len(console.orchestrator.votes))


async def test_a_comment_is_shown_as_it_was_typed(console):
    """Markup in it is text, and it is cut to its limit."""
    answer = await _answer(console, BO, "reject", comment="<img src=x onerror=alert(1)>" + "y" * 5000)
    assert "<img" not in answer.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in answer.text
    assert 2000 == len(console.orchestrator.votes[0].comment)
