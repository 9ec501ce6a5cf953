"""The console in a real browser: wide and narrow, with script and without."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from fakes.seed import ANA, BO
from playwright.async_api import Browser, BrowserContext, Page, expect

from activities.records import StageFact
from api.auth import SESSION_COOKIE
from domain.role import Role
from domain.status import StageStatus
from storage import logs

RUNNING = "webshop/41/prod-us/1/deploy/1/1"
PAGES = [
    "/",
    "/pipelines",
    "/pipelines/webshop",
    "/pipelines/webshop/new",
    "/releases/webshop/41",
    "/releases/webshop/40",
    "/releases/webshop/41/stages/prod-eu/changes",
    f"/logs/{RUNNING}",
    "/approvals",
    "/approvals/webshop/41/prod-eu/1/before",
    "/agents",
    "/outbox",
]

pytestmark = pytest.mark.browser


@contextlib.asynccontextmanager
async def _signed_in(
    console, browser: Browser, address: str, width: int = 1280, **more
) -> AsyncIterator[BrowserContext]:
    client = await console.sign_in(BO, Role.ADMIN)
    context = await browser.new_context(viewport={"width": width, "height": 800}, **more)
    cookie = {"name": SESSION_COOKIE, "value": client.cookies[SESSION_COOKIE], "url": address}
    await context.add_cookies([cookie])
    yield context
    await context.close()


async def _opened(context: BrowserContext, address: str) -> tuple[Page, list[str]]:
    """A page that remembers what its console complains about."""
    page, complaints = await context.new_page(), []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(address)
    return page, complaints


async def test_every_page_fits_and_nothing_is_complained_about(console, browser, address):
    """No sideways scrolling, no script error, nothing the content policy forbids."""
    async with _signed_in(console, browser, address, 1280) as context:
        page, complaints = await _opened(context, address)
        for path in [*PAGES, console.seeded.links[BO]]:
            await page.goto(address + path)
            await page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
            for width in (1280, 375, 320):
                await page.set_viewport_size({"width": width, "height": 800})
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert (path, width, True) == (path, width, wide <= width)
        assert [] == complaints


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
async def test_a_mailed_link_is_answered(console, browser, address, script):
    """Nothing is pre-set, and the browser itself insists on a choice."""
    context = await browser.new_context(java_script_enabled=script, viewport={"width": 375, "height": 800})
    page, complaints = await _opened(context, address + console.seeded.links[BO])
    assert 0 == await page.locator("input[name=choice]:checked").count()
    await page.get_by_role("button", name="Send answer").click()
    assert [] == console.orchestrator.votes
    await page.get_by_text("The deployment may start.").click()
    await page.get_by_label("Comment").fill("looks good")
    await page.get_by_role("button", name="Send answer").click()
    await expect(page.get_by_role("status")).to_contain_text("Your answer was counted")
    await page.reload()
    await expect(page.locator("main")).to_contain_text("looks good")
    assert (1, []) == (len({vote.action_id for vote in console.orchestrator.votes}), complaints)
    await context.close()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
async def test_a_link_with_six_digits_is_answered_later_on(console, browser, address, script):
    """The browser insists on the digits; the time is typed as UTC, whatever zone the reader is in."""
    await console.ask(link="code")
    link = await console.mail(BO, level="code")
    context = await browser.new_context(java_script_enabled=script, timezone_id="Asia/Tokyo")
    page, complaints = await _opened(context, address + link.url)
    await page.get_by_text("The deployment may start.").click()
    await page.get_by_text("Approve from a later time on").click()
    await page.get_by_label("Not before").fill("2026-11-30T08:00")
    await page.get_by_role("button", name="Send answer").click()
    assert [] == console.orchestrator.votes
    await page.locator("#code-answer").fill(f"{link.code[:3]} {link.code[3:]}")
    await page.get_by_role("button", name="Send answer").click()
    await expect(page.get_by_role("status")).to_contain_text("counts as approved from 2026-11-30 08:00 UTC on")
    assert [] == complaints
    await context.close()


async def test_an_answer_is_handed_on_and_taken_back_without_script(console, browser, address):
    """What is folded away unfolds by itself."""
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 375, "height": 800})
    page, complaints = await _opened(context, address + console.seeded.links[ANA])
    await page.get_by_text("Take my answer back…").click()
    await page.get_by_text("my approval no longer counts").click()
    await page.get_by_role("button", name="Take it back").click()
    await expect(page.get_by_role("status")).to_contain_text("Your answer was taken back")
    await page.get_by_text("Let somebody else answer…").click()
    await page.get_by_label("Who is asked").fill("eve@example.com")
    await page.get_by_role("button", name="Ask them instead").click()
    await expect(page.get_by_role("status")).to_contain_text("eve@example.com is asked now")
    assert [] == complaints
    await context.close()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
async def test_several_are_answered_in_the_inbox(console, browser, address, script):
    """Those that are ticked, and no others."""
    await console.ask_also("webshop/40/prod-eu/1/after")
    async with _signed_in(console, browser, address, width=375, java_script_enabled=script) as context:
        page, complaints = await _opened(context, f"{address}/approvals")
        await page.get_by_label("Answer webshop-40 to prod-eu").check()
        await page.get_by_text("Every deployment that is ticked may go on.").click()
        await page.get_by_role("button", name="Send answers").click()
        await expect(page.get_by_role("status")).to_contain_text("Your answer was counted")
        await expect(page.locator("#several")).not_to_contain_text("webshop-40")
        await expect(page.locator("#several")).to_contain_text("webshop-41")
        assert (1, []) == (len(console.orchestrator.votes), complaints)


async def test_one_signs_in_starts_a_release_and_signs_out_without_script(console, browser, address):
    """The forms are all there is to it."""
    async with _signed_in(console, browser, address, java_script_enabled=False) as context:
        page, complaints = await _opened(context, f"{address}/pipelines/webshop")
        await page.get_by_role("link", name="New release").click()
        await page.get_by_label("Version of app").fill("3.0.0")
        await page.get_by_role("button", name="Start release").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("webshop-1")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert [] == complaints


async def test_a_release_page_renews_itself_and_leaves_the_reader_alone(console, browser, address):
    """What changed is swapped; what was opened stays open, and nothing scrolls."""
    async with _signed_in(console, browser, address) as context:
        page, complaints = await _opened(context, f"{address}/releases/webshop/41")
        steps = page.locator("#stage-test details").filter(has_text="step runs")
        await steps.locator("summary").click()
        await page.evaluate("scrollTo(0, 300)")
        done = StageFact(release="webshop/41", stage="prod-us", status=StageStatus.SUCCEEDED, attempt=1)
        await console.seeder.say("release/webshop/41", timedelta(0), done)
        await expect(page.locator("#stage-prod-us .badge").first).to_have_text("succeeded", timeout=10_000)
        assert ("", 300) == (await steps.get_attribute("open"), await page.evaluate("scrollY"))
        assert [] == complaints


async def test_what_is_typed_stays_while_the_page_renews_itself(console, browser, address):
    """Also when the focus has gone on to the button, and a part elsewhere is swapped."""
    async with _signed_in(console, browser, address) as context:
        page, complaints = await _opened(context, f"{address}/releases/webshop/41")
        await page.locator("#deploy-test summary").click()
        await page.locator("#comment-test").fill("once more")
        await page.keyboard.press("Tab")
        done = StageFact(release="webshop/41", stage="prod-us", status=StageStatus.SUCCEEDED, attempt=1)
        await console.seeder.say("release/webshop/41", timedelta(0), done)
        await expect(page.locator("#stage-prod-us .badge").first).to_have_text("succeeded", timeout=10_000)
        assert "once more" == await page.locator("#comment-test").input_value()
        await expect(page.locator("#deploy-test form button")).to_be_focused()
        assert [] == complaints


async def test_a_running_log_is_followed(console, browser, address):
    """What script shows is what the page without script shows, and then goes on."""
    async with (
        _signed_in(console, browser, address, java_script_enabled=False) as plain,
        _signed_in(console, browser, address) as live,
    ):
        still, _ = await _opened(plain, f"{address}/logs/{RUNNING}")
        page, complaints = await _opened(live, f"{address}/logs/{RUNNING}")
        await expect(page.locator("#log-state")).to_have_text("Live")
        await expect(page.locator(".log li")).to_have_count(6)
        html = "[...document.querySelectorAll('.log li')].map((li) => li.outerHTML)"
        served = [await line.evaluate("li => li.outerHTML") for line in await still.locator(".log li").all()]
        assert served == await page.evaluate(html)
        await _append(console, b"\xe2\x9c\x93 one\r\n\x1b[3")
        await _append(console, b"1mred\x1b[0m <b>two</b>\n")
        await expect(page.locator(".log li").last).to_have_text("8red <b>two</b>", timeout=10_000)
        assert "red" == await page.locator(".log li .fg-red").inner_text()
        assert [] == complaints


async def test_progress_is_shown_as_it_is_told(console, browser, address):
    """The same with and without script."""
    await _append(console, b"##vso[task.setprogress value=10]one\n")
    async with _signed_in(console, browser, address) as live:
        page, complaints = await _opened(live, f"{address}/logs/{RUNNING}")
        await expect(page.locator("#progress span")).to_have_text("10%: one")
        await expect(page.locator("#log-state")).to_have_text("Live")
        await _append(console, b"a ##vso[Task.SetProgress a=b; Value = 400;]<b>two%3B%AZP25 %25\n")
        await _append(console, b"##vso[task.setprogress value=x]\n")
        await expect(page.locator("#progress span")).to_have_text("100%: <b>two;% %", timeout=10_000)
        assert 100 == await page.locator("#progress progress").evaluate("one => one.value")
        await page.reload()
        await expect(page.locator("#progress span")).to_have_text("100%: <b>two;% %")
        assert [] == complaints


async def test_groups_and_marks_are_the_same_with_and_without_script(console, browser, address):
    """Groups fold when they end, those with errors stay open; every mark has its word."""
    await _append(
        console,
        b"##[group]Restore \x1b[32mpackages\x1b[0m\n##[command]npm ci\nadded\n##[endgroup]\n"
        b"##[gr\x1b[1moup]\n##[error]no\n##[endgroup]\n##[section]Next\n##[warning]<b>old</b>\n"
        b"##[debug]x\n##[group]one\na\n##[group]two\nb\n##[endgroup]\n##[endgroup]\n##[group]still open\nc\n",
    )
    async with (
        _signed_in(console, browser, address, java_script_enabled=False) as plain,
        _signed_in(console, browser, address) as live,
    ):
        still, _ = await _opened(plain, f"{address}/logs/{RUNNING}")
        page, complaints = await _opened(live, f"{address}/logs/{RUNNING}")
        await expect(page.locator("#log-state")).to_have_text("Live")
        await expect(page.locator("#L24")).to_have_text("24c")
        served = await still.locator(".page-log ol").first.inner_html()
        assert served.replace("\n", "") == await page.locator(".page-log ol").first.inner_html()
        assert [False, True, False, False, True] == await page.locator(".page-log details").evaluate_all(
            "all => all.map((one) => one.open)"
        )
        assert [] == complaints


async def test_a_line_can_be_linked_to(console, browser, address):
    """One before those shown leads to where it is; one in a folded group opens it."""
    await _append(console, b"".join(b"line %d\n" % number for number in range(7, 10_000)))
    await _append(console, b"##[group]g\nin it\n##[endgroup]\n")
    async with _signed_in(console, browser, address) as context:
        page, complaints = await _opened(context, f"{address}/logs/{RUNNING}#L1234")
        await expect(page.locator("#L1234")).to_have_text("1234line 1234")
        await expect(page.locator("#L1234")).to_be_in_viewport()
        page, more = await _opened(context, f"{address}/logs/{RUNNING}#L10001")
        await expect(page.locator("#L10001")).to_be_in_viewport()
        assert [] == complaints + more


async def _append(console, data: bytes) -> None:
    async with console.services.database.transaction() as session:
        await logs.append(session, RUNNING, await logs.size(session, RUNNING), data)


async def test_times_are_told_in_the_readers_zone(console, browser, address):
    """With UTC at hand."""
    async with _signed_in(console, browser, address, timezone_id="Asia/Tokyo", locale="en-GB") as context:
        page, _ = await _opened(context, f"{address}/releases/webshop/40")
        time = page.locator("#summary time").first
        await expect(time).to_have_text("20 Nov 2026, 23:05")
        await expect(time).to_have_attribute("title", "2026-11-20 14:05:00 UTC")
