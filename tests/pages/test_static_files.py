"""Static files under names that hold their content's hash."""

from api.pages import assets


async def test_a_file_may_be_kept_for_ever(console):
    """Its name changes with its content. No session is needed: the sign-in page has style, too."""
    answer = await console.browser().get(assets.address("console.css"))
    assert (200, "text/css; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert "public, max-age=31536000, immutable" == answer.headers["cache-control"]


async def test_a_name_that_is_not_served_is_not_found(console):
    """Neither yesterday's hash nor the bare name nor a way out of the folder."""
    browser = console.browser()
    for name in ("console.css", "console.000000000000.css", "..%2f__init__.py", "%2e%2e/router.py"):
        assert 404 == (await browser.get(f"/static/{name}")).status_code


def test_every_file_a_page_names_exists():
    """Asked of each template by rendering is asked too late."""
    assert {"console.css", "favicon.svg", "live.js", "log.js", "times.js"} <= assets.names()
