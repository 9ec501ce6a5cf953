"""The page of one log."""

import re
from datetime import UTC, datetime

import pytest
from fakes.hostile_output import MARKUP, SEQUENCES
from fakes.seed import DEV
from sqlalchemy import update

from api.pages.step_progress import progress_in
from domain.outputs import Issue, IssueKind
from domain.role import Role
from storage import logs, step_files
from storage.tables import ReleaseRow, StepRunRow

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
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
    first = int(page.text.split('<ol><li id="L')[1].split('"')[0])
    assert _item(first) in page.text
    assert _item(20_000) in page.text
    assert _item(first - 1) not in page.text
    assert f'href="/logs/{run}?from_line={first - 500}"' in page.text


def _item(number: int) -> str:
    return f'<li id="L{number}"><a class="no" href="#L{number}">{number}</a>line {number}</li>'


async def test_lines_from_some_number_on_are_a_page_of_their_own(console):
    """With the way to the lines before and after them; a number beyond the end shows the end."""
    run = "webshop/41/prod-us/1/deploy/0/1"
    async with console.services.database.transaction() as session:
        await logs.append(session, run, 0, b"".join(b"line %d\n" % number for number in range(1, 2_001)))
    client = await console.sign_in(DEV)
    middle = (await client.get(f"/logs/{run}?from_line=1000")).text
    assert [False, True, True, False] == [_item(number) in middle for number in (999, 1000, 1499, 1500)]
    assert f'href="/logs/{run}?from_line=500"' in middle
    assert f'href="/logs/{run}?from_line=1500"' in middle
    assert "data-stream" not in middle
    for number in (-10, 9999):
        end = (await client.get(f"/logs/{run}?from_line={number}")).text
        assert (True, False) == (_item(2000) in end, "Later lines" in end)


async def test_the_logs_of_a_deployment_are_searched_on_a_page(console):
    """Without script; each line leads to its place; what was typed and what was found are text."""
    run = "webshop/41/prod-us/1/deploy/0/1"
    async with console.services.database.transaction() as session:
        text = b"".join(b"\x1b[31m<b>%d</b>\n" % number for number in range(1, 301))
        await logs.append(session, run, 0, text)
    client = await console.sign_in(DEV)
    page = (await client.get("/deployments/webshop/41/prod-us/1/logs", params={"q": "<b>1"})).text
    assert f'href="/logs/{run}?from_line=80#L100"' in page
    assert "<code>&lt;b&gt;100&lt;/b&gt;</code>" in page
    assert 'value="&lt;b&gt;1"' in page
    more = page.split('class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    rest = (await client.get(more)).text
    assert ("199</b>".replace("<", "&lt;").replace(">", "&gt;") in rest, "All logs were searched." in rest) == (
        True,
        True,
    )
    assert 404 == (await client.get("/deployments/webshop/41/prod-us/9/logs")).status_code


async def test_hostile_output_is_text(console):
    """Markup, links of terminals, turned text."""
    run = "webshop/41/prod-us/1/deploy/0/1"
    async with console.services.database.transaction() as session:
        await logs.append(
            session, run, 0, "<script>alert(1)</script>\x1b]8;;https://evil\x07x\u202e\n".encode() + b"\xff"
        )
    page = (await (await console.sign_in(DEV)).get(f"/logs/{run}")).text
    assert "</a>&lt;script&gt;alert(1)&lt;/script&gt;x</li>" in page
    assert "evil" not in page


@pytest.mark.parametrize("hostile", MARKUP)
async def test_markup_in_a_log_is_text(console, hostile):
    """On its page, in the lines that a search finds, and in the last lines on the release's page."""
    run = "webshop/41/prod-us/1/deploy/1/1"
    async with console.services.database.transaction() as session:
        await logs.append(session, run, await logs.size(session, run), f"{hostile} needle\n".encode())
    client = await console.sign_in(DEV)
    for path in (
        f"/logs/{run}",
        f"/logs/{run}?from_line=1",
        "/releases/webshop/41",
        "/deployments/webshop/41/prod-us/1/logs?q=needle",
    ):
        page = (await client.get(path)).text
        assert "needle" in page
        assert not re.search(r"<script>|<img|<b>bold|<a href='j|onmouseover=\"alert|1787569", page), path


async def test_the_bytes_of_a_hostile_log_are_kept(console):
    """The API gives what was written; it is downloaded as plain text that no browser takes for anything else."""
    run = "webshop/41/prod-us/1/deploy/0/1"
    written = "".join(SEQUENCES + MARKUP).encode() + b"\xff\xfe\x00"
    async with console.services.database.transaction() as session:
        await logs.append(session, run, 0, written)
    answer = await (await console.sign_in(DEV)).get(f"/api/v1/logs/{run}/text")
    headers = [answer.headers[name] for name in ("content-type", "x-content-type-options")]
    assert (written, ["text/plain; charset=utf-8", "nosniff"]) == (answer.content, headers)


async def test_issues_of_a_step_stand_above_its_log(console):
    """By kind in word and colour, with the place they tell of; what a step says is text."""
    issues = [
        Issue(kind=IssueKind.ERROR, message="<b>no</b>", source_path="src/a.ts", line=4, code="TS1"),
        Issue(kind=IssueKind.WARNING, message="old"),
    ]
    async with console.services.database.transaction() as session:
        await session.execute(update(StepRunRow).values(issues=[issue.model_dump(mode="json") for issue in issues]))
    page = (await (await console.sign_in(DEV)).get(PAGE)).text
    assert "</svg> error</span> &lt;b&gt;no&lt;/b&gt;" in page
    assert "<code>src/a.ts:4</code>" in page
    assert "</svg> warning</span> old</li>" in page


async def test_the_page_of_a_removed_log_says_when_it_went(console):
    """Instead of an empty log."""
    async with console.services.database.transaction() as session:
        await session.execute(update(ReleaseRow).values(logs_removed_at=NOW, logs_kept_days=90))
    page = (await (await console.sign_in(DEV)).get(PAGE)).text
    assert "Its log was removed on" in page
    assert "kept for 90 days" in page
    assert "data-stream" not in page


async def test_files_of_a_step_are_listed_and_linked(console):
    """Those that are here; of a removed log, their names."""
    noted = [{"name": "<b>bold", "size": 2048}, {"name": "lost.txt", "size": 1}]
    async with console.services.database.transaction() as session:
        await session.execute(
            update(StepRunRow).where(StepRunRow.id == PAGE.removeprefix("/logs/")).values(files=noted)
        )
        await step_files.append(session, PAGE.removeprefix("/logs/"), 1, 0, bytes(2048))
    client = await console.sign_in(DEV)
    page = (await client.get(PAGE)).text
    assert f'<a href="/api/v1{PAGE}/files/1" download>&lt;b&gt;bold</a>' in page
    assert "lost.txt <span" in page
    assert ", not arrived from the agent" in page
    assert 2048 == len((await client.get(f"/api/v1{PAGE}/files/1")).content)
    async with console.services.database.transaction() as session:
        await session.execute(update(ReleaseRow).values(logs_removed_at=NOW, logs_kept_days=90))
    removed = (await client.get(PAGE)).text
    assert ("&lt;b&gt;bold <span" in removed, "/files/1" in removed) == (True, False)


async def test_how_far_a_running_step_is_stands_on_its_pages(console):
    """By what it said last; when it has ended, its end tells more."""
    run = PAGE.removeprefix("/logs/")
    client = await console.sign_in(DEV)
    assert '<p class="small muted" id="progress" hidden>' in (await client.get(PAGE)).text
    async with console.services.database.transaction() as session:
        said = b"##vso[task.setprogress value=10]one\n##vso[task.setprogress value=40]<b>two%3B\n" + b"-\n" * 2000
        await logs.append(session, run, await logs.size(session, run), said)
    for path in (PAGE, "/releases/webshop/41"):
        page = (await client.get(path)).text
        assert '<progress max="100" value="40" aria-label="Progress of ' in page
        assert "<span>40%: &lt;b&gt;two;</span>" in page
    async with console.services.database.transaction() as session:
        await session.execute(update(StepRunRow).where(StepRunRow.id == run).values(status="failed"))
    assert ["<progress" in (await client.get(path)).text for path in (PAGE, "/releases/webshop/41")] == [False, False]


@pytest.mark.parametrize(
    ("output", "percent"),
    [
        (b"nothing", None),
        (b"a ##vso[Task.SetProgress Value = 7;]x", 7),
        (b"##vso[task.setprogress value=7]\r\n##vso[task.setprogress value=no]", 7),
        (b"##vso[task.setprogress value=7]\n##vso[task.setprogress value=400]\n", 100),
        (b"\xff\n##vso[task.setprogress value=7]\n##vso[task.setprogress val", 7),
    ],
    ids=["none", "case", "wrong", "beyond", "cut"],
)
def test_progress_is_read_as_the_agent_reads_it(output: bytes, percent: int | None):
    """The last that can be understood."""
    told = progress_in(output)
    assert percent == (told.percent if told else None)


async def test_a_release_is_kept_for_ever_from_its_page(console):
    """By a releaser, where logs are removed at all."""
    client = await console.sign_in(DEV, Role.RELEASER)
    assert "keep for ever" not in (await client.get("/releases/webshop/41")).text
    console.serving(log_retention_days=90)
    page = (await client.get("/releases/webshop/41")).text
    assert "kept 90 days" in page
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    kept = await client.post("/releases/webshop/41/keep", data={"csrf": csrf, "keep": "yes"}, follow_redirects=True)
    assert "kept for ever" in kept.text
    assert "Its logs are kept for ever" in kept.text
    again = await client.post("/releases/webshop/41/keep", data={"csrf": csrf, "keep": ""}, follow_redirects=True)
    assert "kept 90 days" in again.text


async def test_a_log_that_does_not_exist_is_not_found(console):
    """As a page."""
    answer = await (await console.sign_in(DEV)).get("/logs/webshop/41/prod-us/1/deploy/9/1")
    assert (404, True) == (answer.status_code, "There is no step run" in answer.text)
