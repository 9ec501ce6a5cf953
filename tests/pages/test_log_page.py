"""The page of one log."""

from fakes.seed import DEV

from storage import logs

PAGE = "/logs/webshop/41/prod-us/1/deploy/1/1"


async def test_the_log_is_there_without_script(console):
    """In colour; where there is script it is followed from the same place."""
    page = (await (await console.sign_in(DEV)).get(PAGE)).text
    assert '<span class="fg-green">healthy</span>' in page
    assert 'data-stream="/api/v1/logs/webshop/41/prod-us/1/deploy/1/1/follow?offset=0"' in page
    assert 'href="/api/v1/logs/webshop/41/prod-us/1/deploy/1/1/text"' in page
    assert 'role="log"' in page


async def test_a_large_log_is_shown_from_its_end_with_its_own_line_numbers(console):
    """The page stays small; the rest is in the plain text."""
    run = "webshop/41/prod-us/1/deploy/0/1"
    async with console.services.database.transaction() as session:
        text = b"".join(b"line %d\n" % number for number in range(1, 20_001))
        await logs.append(session, run, 0, text)
    page = await (await console.sign_in(DEV)).get(f"/logs/{run}")
    assert len(page.content) < 100_000
    first = int(page.text.split('<ol start="')[1].split('"')[0])
    assert f"<li>line {first}</li>" in page.text
    assert "<li>line 20000</li>" in page.text
    assert f"<li>line {first - 1}</li>" not in page.text


async def test_hostile_output_is_text(console):
    """Markup, links of terminals, turned text."""
    run = "webshop/41/prod-us/1/deploy/0/1"
    async with console.services.database.transaction() as session:
        await logs.append(
            session, run, 0, "<script>alert(1)</script>\x1b]8;;https://evil\x07x\u202e\n".encode() + b"\xff"
        )
    page = (await (await console.sign_in(DEV)).get(f"/logs/{run}")).text
    assert "<li>&lt;script&gt;alert(1)&lt;/script&gt;x</li>" in page
    assert "evil" not in page


async def test_a_log_that_does_not_exist_is_not_found(console):
    """As a page."""
    answer = await (await console.sign_in(DEV)).get("/logs/webshop/41/prod-us/1/deploy/9/1")
    assert (404, True) == (answer.status_code, "There is no step run" in answer.text)
