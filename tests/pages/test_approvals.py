"""An approval in the console: answering, taking back, handing on, and deciding instead of the approvers."""

from datetime import timedelta

import pytest
from fakes.html_forms import HtmlPage
from fakes.seed import ANA, BO, CLEO, DEV

from api.auth import SESSION_COOKIE
from domain.approval import Channel, Verdict
from domain.approval_policy import Proof
from domain.role import Role
from storage import tokens

PAGE = "/approvals/webshop/41/prod-eu/1/before"
MANAGER = "mona@example.com"


async def _forms(browser) -> HtmlPage:
    return HtmlPage((await browser.get(PAGE)).text)


async def test_who_is_asked_answers_as_themselves(console):
    """Over the console, which the vote says, and with the login that the session was made with."""
    browser = await console.sign_in(BO, Role.APPROVER, ago=timedelta(minutes=10))
    answer = await browser.post(PAGE, data=(await _forms(browser)).form().filled(choice="approve"))
    assert 200 == answer.status_code
    assert "Your answer was counted" in answer.text
    (vote,) = console.orchestrator.votes
    assert (BO, Channel.CONSOLE, Proof.LOGIN) == (vote.by, vote.channel, vote.proof)


async def test_a_person_answers_with_any_of_their_addresses(console):
    """The vote is theirs, and says under which other names they are known."""
    await console.know(BO, "robert@example.com")
    browser = await console.sign_in("robert@example.com", Role.APPROVER)
    assert 200 == (await browser.post(PAGE, data=(await _forms(browser)).form().filled(choice="approve"))).status_code
    (vote,) = console.orchestrator.votes
    assert (BO, ("robert@example.com",)) == (vote.by, vote.also)


async def test_who_is_not_asked_sees_why_there_is_no_form(console):
    """And learns where the approval stands."""
    page = (await (await console.sign_in("eve@example.com", Role.APPROVER)).get(PAGE)).text
    assert "eve@example.com is not asked for this approval." in page
    assert not HtmlPage(page).has_form()


async def test_a_viewer_who_is_asked_is_told_which_role_is_missing(console):
    """Their mailed link would do."""
    browser = await console.sign_in(BO)
    page = (await browser.get(PAGE)).text
    assert "answering needs the role approver" in page
    csrf = HtmlPage(page).forms[0].fields["csrf"]
    assert 403 == (await browser.post(PAGE, data={"csrf": csrf, "choice": "approve"})).status_code


async def test_without_a_choice_or_mark_nothing_is_sent(console):
    """The first is told on the form, the second refused."""
    browser = await console.sign_in(BO, Role.APPROVER)
    untouched = (await _forms(browser)).form().fields
    statuses = [(await browser.post(PAGE, data=form)).status_code for form in (untouched, {"choice": "approve"})]
    assert ([422, 403], []) == (statuses, console.orchestrator.votes)


async def test_an_approval_that_does_not_exist_is_not_found(console):
    """Also one of a moment that there is not."""
    browser = await console.sign_in(BO)
    assert 404 == (await browser.get("/approvals/webshop/41/prod-eu/7/before")).status_code


async def test_an_answer_is_taken_back_in_the_console(console):
    """Also one that came by link; and the history says so."""
    browser = await console.sign_in(ANA, Role.APPROVER)
    form = (await _forms(browser)).form("withdraw")
    answer = await browser.post(PAGE, data=form.filled(sure="yes"))
    assert (200, True) == (answer.status_code, "Your answer was taken back" in answer.text)
    assert "took back that they approved in the console" in (await browser.get(PAGE)).text
    assert (await _forms(browser)).has_form()


async def test_who_is_asked_hands_on_their_own_place_only(console):
    """A release manager anybody's."""
    mine = (await _forms(await console.sign_in(CLEO, Role.APPROVER))).form("reassign")
    assert "group:ops" == mine.fields["approver"]
    await console.become((await console.approval()).model_copy(update={"votes": ()}))
    manager = await console.sign_in(MANAGER, Role.RELEASE_MANAGER)
    page = (await manager.get(PAGE)).text
    assert all(f"<option>{approver}</option>" in page for approver in (ANA, "group:ops"))
    form = HtmlPage(page).form("reassign")
    answer = await manager.post(PAGE, data=form.filled(approver=ANA, to="eve@example.com"))
    assert (200, "eve@example.com") == (answer.status_code, (await console.approval()).asked[0].approver)
    assert f"instead of {ANA}" in (await manager.get("/releases/webshop/41")).text


async def test_a_release_manager_decides_instead_of_the_approvers_with_a_reason(console):
    """Set apart, never without a reason, and seen wherever the approval is."""
    manager = await console.sign_in(MANAGER, Role.RELEASE_MANAGER)
    form = (await _forms(manager)).form("override")
    for missing in ({"choice": "approve"}, {"comment": "the shop is down"}):
        assert 422 == (await manager.post(PAGE, data=form.filled(**missing))).status_code
    assert [] == console.orchestrator.actions
    answer = await manager.post(PAGE, data=form.filled(choice="approve", comment="the shop is down"))
    assert (200, True) == (answer.status_code, "You approved it instead of the approvers" in answer.text)
    approval = await console.approval()
    assert (Verdict.APPROVED, MANAGER, True) == (approval.verdict, approval.decided_by, approval.is_overridden)
    release = (await manager.get("/releases/webshop/41")).text
    assert "</svg>overridden" in release
    assert "(overriding the approvers)" in release


@pytest.mark.parametrize("role", [Role.APPROVER, Role.RELEASER])
async def test_others_neither_see_nor_may_send_that_form(console, role):
    """Whatever they send."""
    browser = await console.sign_in(BO, role)
    page = await _forms(browser)
    assert not page.has_form("override")
    sent = page.form().filled(do="override", choice="approve", comment="because")
    assert (403, []) == ((await browser.post(PAGE, data=sent)).status_code, console.orchestrator.actions)


async def test_the_requester_is_offered_nothing_even_as_a_release_manager(console):
    """And told why."""
    page = (await (await console.sign_in(DEV, Role.ADMIN)).get(PAGE)).text
    assert not any(HtmlPage(page).has_form(form) for form in ("answer", "reassign", "override"))


async def test_a_stale_login_is_asked_to_sign_in_again_where_the_policy_wants_a_fresh_one(console):
    """The form gives way to the way to sign in, and an answer that is sent all the same is refused."""
    browser = await console.sign_in(BO, Role.APPROVER, ago=timedelta(minutes=10))
    form = (await _forms(browser)).form()
    await console.ask(reauthenticate=True)
    page = await browser.get(PAGE)
    assert (False, True) == (HtmlPage(page.text).has_form(), f'href="/login?next={PAGE}"' in page.text)
    assert "Sign in again to answer" in page.text
    answer = await browser.post(PAGE, data=form.filled(choice="approve"))
    assert (409, True) == (answer.status_code, "login of the last ten minutes" in answer.text)
    assert [] == console.orchestrator.actions


async def test_signing_in_again_is_enough_for_ten_minutes(console):
    """While one is signed in, and back to the page."""
    await console.ask(reauthenticate=True)
    browser = await console.sign_in(BO, Role.APPROVER, ago=timedelta(minutes=10))
    async with console.services.database.transaction() as session:
        now = console.services.clock()
        _, token = await tokens.issue(
            session, name="t", subject=BO, role=Role.APPROVER, expires_at=now + timedelta(days=1), now=now
        )
    login = await browser.post("/login", data={"token": token, "next": PAGE})
    assert (303, PAGE) == (login.status_code, login.headers["location"])
    form = (await _forms(browser)).form()
    console.serving(clock=lambda: now + timedelta(minutes=10))
    assert not (await _forms(browser)).has_form()
    console.serving()
    assert 200 == (await browser.post(PAGE, data=form.filled(choice="approve"))).status_code
    assert [Proof.FRESH_LOGIN] == [vote.proof for vote in console.orchestrator.votes]


async def test_mails_are_told_beside_whom_they_were_sent_to(console):
    """Delivered, and come back with the reason."""
    await console.mailed(BO, "delivered")
    await console.mailed(CLEO, "bounced", "550 no such user")
    page = (await (await console.sign_in(BO, Role.APPROVER)).get(PAGE)).text
    words = " ".join(page.replace("<", " <").split())
    assert f"{BO}: mail" in words
    assert "delivered" in words
    assert "came back </span>: 550 no such user" in words


async def test_an_automatic_approval_is_one_quiet_line(console):
    """Nobody was asked, and nobody can answer."""
    await console.record_automatic("prod-us")
    page = (await (await console.sign_in(BO, Role.APPROVER)).get("/releases/webshop/41")).text
    assert "Approval before the deployment: nobody is asked; approved automatically at" in page


async def test_deputies_are_told_beside_the_approver(console):
    """On the release's page too."""
    approval = await console.approval()
    asked = (approval.asked[0], approval.asked[1].model_copy(update={"deputies": ("dora@example.com",)}))
    await console.become(approval.model_copy(update={"asked": asked}))
    browser = await console.sign_in("dora@example.com", Role.APPROVER)
    for path in (PAGE, "/releases/webshop/41"):
        assert "or deputy dora@example.com" in (await browser.get(path)).text
    assert (await _forms(browser)).has_form()


async def test_what_only_the_clock_has_decided_is_not_called_decided(console):
    """The workflow decides that; until it has told so, there is just nothing to answer."""
    browser = await console.sign_in(BO, Role.APPROVER)
    expires_at = (await console.approval()).expires_at
    async with console.services.database.transaction() as session:
        _, value = await tokens.issue(
            session, name="t", subject=BO, role=Role.APPROVER, expires_at=expires_at + timedelta(days=1), now=expires_at
        )
    browser.cookies.set(SESSION_COOKIE, value)
    console.serving(clock=lambda: expires_at)
    page = (await browser.get(PAGE)).text
    assert ("The time to answer is over" in page, HtmlPage(page).has_form()) == (True, False)
