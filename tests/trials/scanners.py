"""What mail scanners, previews and prefetching browsers do to a mailed link, replayed over HTTP and in a browser.

Each takes the link's whole address, does its worst, and returns how often it did something.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urljoin

import httpx2
from fakes.html_forms import HtmlPage
from playwright.async_api import Browser, Page

Scanner = Callable[[httpx2.AsyncClient, str], Awaitable[int]]

_PROGRAMS = (
    "Mozilla/5.0 (compatible; Microsoft Office Mobile; SafeLinks)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (via ggpht.com GoogleImageProxy)",
    "BarracudaCentral/1.0",
    "Mozilla/5.0 (compatible; proofpoint urldefense)",
    "Mimecast URL Protect",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "facebookexternalhit/1.1",
    "WhatsApp/2.23.20.0",
    "python-requests/2.32",
)
_PREFETCHES = (
    {"Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"X-Moz": "prefetch"},
    {"X-Purpose": "preview"},
    {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"},
    {"Range": "bytes=0-0"},
)
_OTHER_METHODS = ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE")


async def _read(http: httpx2.AsyncClient, link: str) -> HtmlPage:
    return HtmlPage((await http.get(link)).text)


async def head(http: httpx2.AsyncClient, link: str) -> int:
    """Only ask whether it is there."""
    return int((await http.head(link)).status_code == httpx2.codes.OK)


async def get_often(http: httpx2.AsyncClient, link: str) -> int:
    """Open it twenty times."""
    return sum([(await http.get(link)).status_code == httpx2.codes.OK for _ in range(20)])


async def prefetch(http: httpx2.AsyncClient, link: str) -> int:
    """Open it as other programs do, and as browsers do that guess what is opened next."""
    headers = [*({"User-Agent": program} for program in _PROGRAMS), *_PREFETCHES]
    return sum([(await http.get(link, headers=each)).is_success for each in headers])


async def follow_links(http: httpx2.AsyncClient, link: str) -> int:
    """Open everything that the page leads to here."""
    here = urljoin(link, "/")
    found = {urljoin(link, one) for one in (await _read(http, link)).links if not one.startswith("#")}
    answers = [await http.get(one) for one in sorted(found) if one.startswith(here)]
    return len(answers)


async def post_as_it_stands(http: httpx2.AsyncClient, link: str) -> int:
    """Send every form of the page untouched, without the browser's checks."""
    forms = (await _read(http, link)).forms
    for form in forms:
        await http.post(urljoin(link, form.action), data=form.fields)
    return len(forms)


async def post_nothing(http: httpx2.AsyncClient, link: str) -> int:
    """Send an empty body, as a form and as anything else."""
    kinds = ("application/x-www-form-urlencoded", "application/json", "text/plain", "multipart/form-data; boundary=b")
    answers = [await http.post(link, content=b"", headers={"Content-Type": kind}) for kind in kinds]
    return len(answers)


async def other_methods(http: httpx2.AsyncClient, link: str) -> int:
    """Try the methods that a page has no use for."""
    answers = [await http.request(method, link) for method in _OTHER_METHODS]
    return sum(answer.status_code >= httpx2.codes.BAD_REQUEST for answer in answers)


OVER_HTTP: tuple[Scanner, ...] = (
    head,
    get_often,
    prefetch,
    follow_links,
    post_as_it_stands,
    post_nothing,
    other_methods,
)


async def click_everything(browser: Browser, link: str, *, picks_a_choice: bool = False) -> int:
    """Run the page's script, press each of its buttons, then send each form past the browser's checks."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(link)
    buttons = await page.locator("button").count()
    forms = await page.locator("form").count()
    for number in range(buttons):
        await _open(page, link, picks_a_choice=picks_a_choice)
        await page.locator("button").nth(number).click()
        await page.wait_for_load_state()
    for number in range(forms):
        for way in ("form => form.submit()", "form => { form.noValidate = true; form.requestSubmit() }"):
            await _open(page, link, picks_a_choice=picks_a_choice)
            async with page.expect_navigation():
                await page.locator("form").nth(number).evaluate(way)
    await context.close()
    return buttons + 2 * forms


async def _open(page: Page, link: str, *, picks_a_choice: bool) -> None:
    """The page anew, with all that is folded away unfolded, and perhaps a choice that nobody made."""
    await page.goto(link)
    await page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    if picks_a_choice:
        await page.evaluate("document.querySelectorAll('[name=choice][value=approve]').forEach(it => it.click())")
