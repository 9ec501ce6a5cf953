"""The page of one release."""

import re

import pytest
from fakes.seed import BO, CLEO, DEV

from domain.role import Role

PAGE = "/releases/webshop/41"


def _csrf(page: str) -> str:
    return page.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]


async def test_it_says_in_one_sentence_what_the_release_waits_for(console):
    """Person and group by name; what merely runs is named too."""
    page = await (await console.sign_in(DEV)).get(PAGE)
    assert (
        "prod-eu waits for approval before the deployment by ana@example.com, group:ops; prod-us is being deployed."
        in page.text
    )


async def test_a_status_is_told_by_colour_icon_and_word(console):
    """Colour never speaks alone."""
    page = (await (await console.sign_in(DEV)).get(PAGE)).text
    badges = re.findall(r'<span class="badge (\w+)">(<svg.*?</svg>)([\w ]+)</span>', page)
    assert badges
    assert all(tone and "use href" in icon and word for tone, icon, word in badges)


async def test_the_picture_has_an_equivalent_list(console):
    """For screen readers and narrow screens; the picture itself is hidden from the former."""
    page = (await (await console.sign_in(DEV)).get(PAGE)).text
    assert '<div class="picture" aria-hidden="true">' in page
    ladder = page.split('<ol class="ladder')[1].split("</ol>")[0]
    assert ["test", "staging", "prod-eu", "prod-us", "announce"] == re.findall(r'href="#stage-([\w-]+)"', ladder)
    assert "after prod-eu and prod-us" in ladder


async def test_the_last_lines_of_a_running_step_are_shown(console):
    """In colour, with a link to the whole log."""
    page = (await (await console.sign_in(DEV)).get(PAGE)).text
    assert '<span class="fg-green">healthy</span>' in page
    assert "draining 60%" not in page
    assert 'href="/logs/webshop/41/prod-us/1/deploy/1/1"' in page


async def test_a_finished_release_does_not_refresh_itself(console):
    """There is nothing to wait for."""
    browser = await console.sign_in(DEV)
    running, ended = await browser.get(PAGE), await browser.get("/releases/webshop/40")
    assert (True, False) == ("data-live" in running.text, "data-live" in ended.text)


async def test_who_may_only_look_has_no_buttons(console):
    """What one cannot do is not offered."""
    viewer = (await (await console.sign_in(DEV)).get(PAGE)).text
    releaser = (await (await console.sign_in(DEV, Role.RELEASER)).get(PAGE)).text
    assert (False, True) == ("Cancel release" in viewer, "Cancel release" in releaser)
    assert (False, True) == ("Deploy again" in viewer, "Deploy again" in releaser)


async def test_the_run_can_be_opened_in_temporal(console):
    """The release's and each deployment's."""
    page = (await (await console.sign_in(DEV)).get(PAGE)).text
    assert "/namespaces/default/workflows/release%2Fwebshop%2F41/" in page
    assert "/namespaces/default/workflows/deployment%2Fwebshop%2F41%2Fprod-us%2F1" in page


async def test_canceling_asks_the_workflow_and_comes_back(console):
    """With the reason, and who asked."""
    browser = await console.sign_in(DEV, Role.RELEASER)
    form = {"csrf": _csrf((await browser.get(PAGE)).text), "reason": "wrong build"}
    answer = await browser.post(f"{PAGE}/cancel", data=form)
    assert (303, PAGE) == (answer.status_code, answer.headers["location"])
    ((release, request),) = console.orchestrator.canceled
    assert ("webshop/41", DEV, "wrong build") == (release, request.by, request.reason)


async def test_deploying_again_twice_is_one_request(console):
    """The form holds the request's id, so that a second press repeats it."""
    browser = await console.sign_in(DEV, Role.RELEASER)
    page = (await browser.get(PAGE)).text
    request_id = page.split('name="request_id" value="')[1].split('"')[0]
    form = {"csrf": _csrf(page), "request_id": request_id, "comment": "again"}
    for _ in range(2):
        answer = await browser.post(f"{PAGE}/stages/test/deploy", data=form)
        assert (303, f"{PAGE}#stage-test") == (answer.status_code, answer.headers["location"])
    assert 1 == len({request.request_id for request in console.orchestrator.deployed})


@pytest.mark.parametrize("path", [f"{PAGE}/cancel", f"{PAGE}/stages/test/deploy"])
async def test_a_button_needs_the_right_and_the_sessions_mark(console, path):
    """A viewer is refused with the right mark, a releaser with a wrong one."""
    viewer, releaser = await console.sign_in(DEV), await console.sign_in(DEV, Role.RELEASER)
    mark = _csrf((await viewer.get(PAGE)).text)
    for browser in (viewer, releaser):
        assert 403 == (await browser.post(path, data={"csrf": mark})).status_code
    assert ([], []) == (console.orchestrator.canceled, console.orchestrator.deployed)


async def test_a_release_that_does_not_exist_is_a_friendly_page(console):
    """Not a piece of JSON."""
    answer = await (await console.sign_in(DEV)).get("/releases/webshop/999")
    assert (404, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert "There is no release webshop/999" in answer.text


@pytest.mark.parametrize("path", ["/", PAGE, f"/approvals{PAGE.removeprefix('/releases')}/prod-eu/1/before"])
async def test_for_whom_a_release_was_requested_is_shown_beside_the_requester(console, path):
    """In the list, on its page, and where it is approved; once where somebody asks for themselves."""
    browser = await console.sign_in(DEV)
    for person, words in (("cleo@example.com", f"{DEV} for cleo@example.com"), (DEV, DEV)):
        await console.request_for(person)
        page = (await browser.get(path)).text
        assert (words in page, f"{DEV} for {DEV}" in page) == (True, False)


async def test_who_is_asked_may_answer_under_any_of_their_addresses(console):
    """Bo is signed in with an alias; Cleo under the very address; the developer is not asked."""
    await console.know(BO, "robert@example.com")
    link = '<a class="button primary" href="/approvals/webshop/41/prod-eu/1/before">Answer</a>'
    people = ("robert@example.com", CLEO, DEV)
    assert [True, True, False] == [link in (await (await console.sign_in(one)).get(PAGE)).text for one in people]
