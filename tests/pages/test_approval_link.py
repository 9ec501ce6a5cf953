"""The mailed link: opening it does nothing, an explicit answer counts once, for the person it was mailed to."""

from datetime import timedelta

import httpx2
import pytest
from fakes.html_forms import HtmlPage
from fakes.seed import ANA, BO, CLEO, DEV

from api.auth import SESSION_COOKIE
from domain.approval import Channel, Choice, Verdict
from domain.approval_policy import Proof
from domain.role import Role


async def _page(console, link: str) -> HtmlPage:
    return HtmlPage((await console.browser().get(link)).text)


async def _answer(console, person: str, choice: str, **more: str):
    link = console.seeded.links[person]
    form = (await _page(console, link)).form()
    return await console.browser().post(link, data=form.filled(**{"choice": choice, "comment": "fine"} | more))


async def test_opening_the_link_any_number_of_times_is_no_answer(console):
    """Scanners of mail programs open every link, some of them often."""
    browser = console.browser()
    for _ in range(20):
        assert 200 == (await browser.get(console.seeded.links[BO])).status_code
    head = await browser.head(console.seeded.links[BO])
    assert (200, b"") == (head.status_code, head.content)
    assert [] == console.orchestrator.votes


async def test_the_page_says_what_one_must_know(console):
    """Release, stage, who asks, what changes there, what was set, instructions, who has answered, the plan's digest."""
    page = (await console.browser().get(console.seeded.links[BO])).text
    for known in (
        "webshop-41",
        "prod-eu",
        DEV,
        "2.13.2",
        "2.14.0",
        "unchanged",
        "main, ",
        "<code>log_level</code> = <code>debug</code>",
        "Friday",
        "flat",
        ANA,
        BO,
        "<b>ops</b>",
        (await console.approval()).digest[:12],
    ):
        assert known in page
    assert "checked" not in page


async def test_the_page_needs_no_session_and_is_told_to_nobody(console):
    """Neither caches nor search engines nor the next page learn of it, and no other page can frame it."""
    for method in ("GET", "HEAD", "POST"):
        headers = (await console.browser().request(method, console.seeded.links[BO])).headers
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
    answer = await _answer(console, BO, "approve", by="somebody@else.example", proof="login")
    assert 200 == answer.status_code
    assert "Your answer was counted" in answer.text
    (vote,) = console.orchestrator.votes
    assert (BO, Choice.APPROVE, Channel.LINK, Proof.LINK, "fine") == (
        vote.by,
        vote.choice,
        vote.channel,
        vote.proof,
        vote.comment,
    )


async def test_the_same_form_again_is_the_same_vote(console):
    """A reload, or an impatient second press, does no harm; a page that is loaded anew makes a vote of its own."""
    link, browser = console.seeded.links[CLEO], console.browser()
    form, other = (await _page(console, link)).form(), (await _page(console, link)).form()
    for _ in range(2):
        page = await browser.post(link, data=form.filled(choice="reject"))
        assert (200, True) == (page.status_code, "Your answer was counted" in page.text)
    assert 1 == len({vote.action_id for vote in console.orchestrator.votes})
    assert form.fields["action_id"] != other.fields["action_id"]


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "<b>"])
async def test_a_form_without_a_good_id_gets_one(console, sent):
    """Ids stand in histories and tables; what is none is not kept."""
    assert 200 == (await _answer(console, BO, "approve", action_id=sent)).status_code
    (vote,) = console.orchestrator.votes
    assert not sent or sent not in vote.action_id


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
    answer = await _answer(console, BO, "approve", digest="0" * 64)
    assert 409 == answer.status_code
    assert "has changed" in answer.text
    form = HtmlPage(answer.text).form()
    assert (await console.approval()).digest == form.fields["digest"]
    assert "fine</textarea>" in answer.text


async def test_nothing_is_answered_while_the_page_cannot_show_what_is_asked(console):
    """The release and the approval tell the tables of a change one after the other."""
    approval = await console.approval()
    await console.become(approval.model_copy(update={"digest": "f" * 64}))
    page = await console.browser().get(console.seeded.links[BO])
    assert "What is deployed is being changed" in page.text
    assert not HtmlPage(page.text).has_form()


async def test_afterwards_the_link_shows_who_decided(console):
    """To everybody who was asked, without a form."""
    await _answer(console, BO, "reject", comment="not today")
    page = await console.browser().get(console.seeded.links[CLEO])
    assert 200 == page.status_code
    assert "Already decided" in page.text
    assert "not today" in page.text
    assert [] == HtmlPage(page.text).forms


async def test_who_has_answered_is_told_so(console):
    """Ana's vote of before stands; her link offers no second one, but to take it back."""
    page = await console.browser().get(console.seeded.links[ANA])
    assert "Already answered" in page.text
    assert ["withdraw"] == [form.fields["do"] for form in HtmlPage(page.text).forms]


async def test_an_answer_is_taken_back_and_given_anew(console):
    """Before the decision, with a box that must be ticked; then the form is there again."""
    link, browser = console.seeded.links[ANA], console.browser()
    form = (await _page(console, link)).form("withdraw")
    untouched = await browser.post(link, data=form.fields)
    assert (422, True) == (untouched.status_code, "Tick the box" in untouched.text)
    taken = await browser.post(link, data=form.filled(sure="yes", comment="too soon"))
    assert (200, True) == (taken.status_code, "Your answer was taken back" in taken.text)
    assert () == (await console.approval()).votes
    anew = await browser.post(link, data=HtmlPage(taken.text).form().filled(choice="reject"))
    assert (200, Verdict.REJECTED) == (anew.status_code, (await console.approval()).verdict)


async def test_an_old_page_does_not_repeat_what_was_taken_back(console):
    """The browser's way back leads to a form whose answer was withdrawn."""
    await console.become((await console.approval()).model_copy(update={"votes": ()}))
    link, browser = console.seeded.links[ANA], console.browser()
    old = (await _page(console, link)).form()
    await browser.post(link, data=old.filled(choice="approve"))
    await browser.post(link, data=(await _page(console, link)).form("withdraw").filled(sure="yes"))
    again = await browser.post(link, data=old.filled(choice="approve"))
    assert (409, True, ()) == (again.status_code, "You took this" in again.text, (await console.approval()).votes)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("Eve@Example.com", ("eve@example.com", ("eve@example.com",))),
        ("group:night", ("group:night", ("eve@example.com", CLEO))),
    ],
)
async def test_who_is_asked_lets_somebody_else_answer(console, to, expected):
    """A person or a group as it is now; the old link ends and says who is asked instead, and why."""
    await console.put_group("night", ("eve@example.com", CLEO))
    link, browser = console.seeded.links[BO], console.browser()
    form = (await _page(console, link)).form("reassign")
    answer = await browser.post(link, data=form.filled(to=to, comment="on holiday"))
    assert (200, True) == (answer.status_code, f"{expected[0]} is asked now" in answer.text)
    asked = (await console.approval()).asked[1]
    assert expected == (asked.approver, asked.members)
    ended = await browser.get(link)
    assert 410 == ended.status_code
    for told in ("Somebody else is asked instead of you", BO, expected[0], "on holiday"):
        assert told in ended.text
    assert "webshop" not in ended.text
    assert 410 == (await browser.post(link, data={"choice": "approve"})).status_code
    assert [] == console.orchestrator.votes


@pytest.mark.parametrize(
    ("to", "status", "told"),
    [
        ("", 422, "Name who is asked instead"),
        ("nobody", 422, "Name who is asked instead"),
        ("a@b.example, c@d.example", 422, "Name who is asked instead"),
        ("group:nightt", 422, "there is no group nightt"),
        (DEV, 409, "requester may not approve"),
        (ANA, 409, "They are asked already"),
    ],
)
async def test_somebody_who_cannot_be_asked_is_told_with_what_was_typed(console, to, status, told):
    """The form stands open with it."""
    link = console.seeded.links[BO]
    form = (await _page(console, link)).form("reassign")
    answer = await console.browser().post(link, data=form.filled(to=to))
    assert (status, True) == (answer.status_code, told.lower() in answer.text.lower())
    assert to == HtmlPage(answer.text).form("reassign").fields["to"]
    assert 'id="reassign" open' in answer.text


async def test_an_approval_is_deferred(console):
    """The time is read as UTC; the page says from when on it counts."""
    answer = await _answer(console, BO, "approve", not_before="2026-11-30T08:00")
    assert (200, True) == (answer.status_code, "counts as approved from 2026-11-30 08:00 UTC on" in answer.text)
    assert Verdict.PENDING == (await console.approval()).verdict


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("2026-11-23T14:05", 422),
        ("2020-01-01T00:00", 422),
        ("soon", 422),
        ("2026-02-31T00:00", 422),
        ("2026-11-30T08:00+02:00", 422),
        ("2029-01-01T00:00", 409),
    ],
)
async def test_a_time_that_cannot_be_is_told_with_the_form(console, sent, status):
    """What is over, what is no time, and what is too far away; nothing counts at once by mistake."""
    answer = await _answer(console, BO, "approve", not_before=sent)
    assert (status, 1) == (answer.status_code, len((await console.approval()).votes))
    assert sent == HtmlPage(answer.text).form().fields["not_before"]


async def test_a_required_comment_is_marked_and_asked_for(console):
    """By the browser, and by us."""
    await console.ask(comment_required=True)
    link = console.seeded.links[BO]
    page = (await console.browser().get(link)).text
    assert 'name="comment" maxlength="2000" required' in page
    answer = await console.browser().post(link, data=HtmlPage(page).form().filled(choice="approve", comment=" "))
    assert (422, []) == (answer.status_code, console.orchestrator.votes)
    assert "needs a comment" in answer.text


async def test_a_vote_that_no_worker_counted_yet_is_stored(console):
    """Told plainly, and not as an error; no form asks for it again."""
    console.orchestrator.is_away = True
    answer = await _answer(console, BO, "approve")
    assert 202 == answer.status_code
    assert "Your answer is stored" in answer.text
    assert [] == HtmlPage(answer.text).forms


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
    link = (await console.mail(CLEO, expires_at=console.services.clock())).url
    browser = console.browser()
    for answer in (await browser.get(link), await browser.post(link, data={"choice": "approve"})):
        assert (410, True) == (answer.status_code, "The time to answer is over" in answer.text)
        assert "webshop" not in answer.text
    assert [] == console.orchestrator.votes


async def test_an_expired_link_tells_what_was_decided(console):
    """By whom and when, and nothing more of the release."""
    link = (await console.mail(CLEO, expires_at=console.services.clock())).url
    await _answer(console, BO, "reject", comment="not today")
    answer = await console.browser().get(link)
    assert 410 == answer.status_code
    assert f"The deployment was rejected by {BO} at 2026-11-23 14:05 UTC." in answer.text
    assert "2.14.0" not in answer.text


async def test_a_link_of_an_earlier_round_leads_to_the_newest_mail(console):
    """What was deployed has changed; the old link shows nothing of what is deployed now."""
    link, approval = console.seeded.links[CLEO], await console.approval()
    asked = tuple(place.model_copy(update={"round": 1}) for place in approval.asked)
    await console.become(approval.model_copy(update={"asked": asked}))
    answer = await console.browser().get(link)
    assert (410, True) == (answer.status_code, "You were asked anew" in answer.text)
    assert "webshop" not in answer.text


async def test_a_link_of_somebody_who_is_not_asked_counts_nothing(console):
    """Say, mailed while the table was behind: the approval decides."""
    link = (await console.mail("late@example.com")).url
    answer = await console.browser().post(link, data={"choice": "approve", "digest": (await console.approval()).digest})
    assert 410 == answer.status_code
    assert (await console.approval()).verdict == Verdict.PENDING


@pytest.mark.parametrize("person", [DEV, CLEO])
async def test_a_forwarded_link_is_refused_where_the_browser_is_signed_in_as_somebody_else(console, person):
    """The page says whose link it is; the requester cannot answer for Bo, nor can another approver."""
    browser = await console.sign_in(person, Role.ADMIN)
    link = console.seeded.links[BO]
    page = await browser.get(link)
    assert (200, True) == (page.status_code, f"This link was mailed to {BO}" in page.text)
    assert [] == HtmlPage(page.text).forms
    form = (await _page(console, link)).form()
    answer = await browser.post(link, data=form.filled(choice="approve"))
    assert (403, [], True) == (answer.status_code, console.orchestrator.votes, f"signed in as {person}" in answer.text)


@pytest.mark.parametrize("cookie", ["same person", "ended session"])
async def test_a_session_of_the_same_person_or_of_nobody_is_in_nobodys_way(console, cookie):
    """The answer counts as one by link."""
    browser = await console.sign_in(BO)
    if cookie == "ended session":
        browser.cookies.set(SESSION_COOKIE, "slw_ended")
    link = console.seeded.links[BO]
    answer = await browser.post(link, data=HtmlPage((await browser.get(link)).text).form().filled(choice="approve"))
    assert (200, [Channel.LINK]) == (answer.status_code, [vote.channel for vote in console.orchestrator.votes])


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
    form = (await _page(console, console.seeded.links[BO])).form()
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=console.application), base_url="http://testserver"
    ) as browser:
        answer = await browser.post(console.seeded.links[BO], data=form.filled(choice="approve"), headers=headers)
    assert (status, int(status == 200)) == (answer.status_code, len(console.orchestrator.votes))


async def test_a_comment_is_shown_as_it_was_typed(console):
    """Markup in it is text, and it is cut to its limit."""
    answer = await _answer(console, BO, "reject", comment="<img src=x onerror=alert(1)>" + "y" * 5000)
    assert "<img" not in answer.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in answer.text
    assert 2000 == len(console.orchestrator.votes[0].comment)


async def test_nobody_decides_instead_of_the_approvers_by_link(console):
    """The form is the console's, and so is the right."""
    form = (await _page(console, console.seeded.links[BO])).form()
    fields = form.filled(do="override", choice="approve", comment="because")
    assert 403 == (await console.browser().post(console.seeded.links[BO], data=fields)).status_code
    assert [] == console.orchestrator.actions


async def test_a_link_lasts_as_long_as_it_says(console):
    """To the last second."""
    link = (await console.mail(CLEO, expires_at=console.services.clock() + timedelta(seconds=1))).url
    assert 200 == (await console.browser().get(link)).status_code
