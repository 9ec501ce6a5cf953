"""What a deployment changes, on every page that shows it."""

from datetime import timedelta

import pytest
from fakes.seed import ANA, DEV
from fakes.told_source import ToldSource
from pydantic import SecretStr

from activities.artifact_source import SourceUnreachable
from domain.artifact import Change
from domain.changes import Found, StageChanges, with_found
from domain.connection import Connection, ConnectionKind
from domain.ids import DeploymentId
from domain.role import Role
from storage import connections
from storage.changes import SqlChanges

PAGE = "/releases/webshop/41/stages/prod-eu/changes"
DEPLOYMENT = DeploymentId.parse("webshop/41/prod-eu/1")
HOSTILE = "<script>alert('1')</script>\"onmouseover=alert(2) {{7*7}} <img src=x>\u202egnp\u2066\x1b[2J"


async def _found(console, *commits: Change, unknown: str = "") -> StageChanges:
    """Let the deployment to prod-eu have begun with these commits of its first artifact."""
    store = SqlChanges(console.services.database)
    compared = await store.compared(DEPLOYMENT)
    assert compared is not None
    app, *others = compared.changes.artifacts
    artifacts = (with_found(app, Found(commits=commits, unknown=unknown)), *others)
    found = compared.changes.model_copy(update={"artifacts": artifacts})
    await store.keep(DEPLOYMENT, found)
    return found


async def _connect(console) -> ToldSource:
    source = ToldSource()
    console.serving(open_source=source.open)
    async with console.services.database.transaction() as session:
        for name, kind in (("ci", ConnectionKind.JENKINS), ("ado", ConnectionKind.AZURE_PIPELINES)):
            known = Connection(name=name, kind=kind, url="http://ci.example", user="u", token=SecretStr("t"))
            await connections.put(session, console.services.sealing, known, console.services.clock())
    return source


@pytest.mark.parametrize("path", [PAGE, "/releases/webshop/41", "/approvals/webshop/41/prod-eu/1/before", "link"])
async def test_versions_and_commits_stand_wherever_it_matters(console, path):
    """On the page of the changes, of the release, of the approval, and behind the mailed link."""
    browser = await console.sign_in(DEV)
    text = (await browser.get(console.seeded.links[ANA] if path == "link" else path)).text
    for part in ("2.13.2", "2.14.0", "Checkout v2 behind a flag", "Search answers twice as fast", "webshop-40"):
        assert part in text
    assert "Reviewed by Bo" not in text


async def test_only_so_many_commits_stand_among_other_things(console):
    """The rest is on the page of the changes."""
    commits = [Change(version="2.14.0", commit=f"{number:08d}aa", message=f"Step {number}") for number in range(230)]
    await _found(console, *commits)
    browser = await console.sign_in(DEV)
    counts = [
        (await browser.get(path)).text.count("Step ")
        for path in (PAGE, "/releases/webshop/41", "/approvals/webshop/41/prod-eu/1/before")
    ]
    assert [200, 10, 20] == counts
    assert f'and <a href="{PAGE}">220 more</a>' in (await browser.get("/releases/webshop/41")).text
    assert "and 30 more" in (await browser.get(PAGE)).text


async def test_a_source_that_was_silent_is_told(console):
    """Nobody takes it for no commits."""
    await _found(console, unknown="Jenkins ci did not answer, commits unknown")
    browser = await console.sign_in(DEV)
    assert "Jenkins ci did not answer, commits unknown." in (await browser.get(PAGE)).text


async def test_a_stage_that_was_not_deployed_is_previewed(console):
    """With what the sources tell, on its own page; on the release's page without asking them."""
    source = await _connect(console)
    browser = await console.sign_in(DEV)
    assert "Would change" in (await browser.get("/releases/webshop/41")).text
    assert [] == source.asked
    text = (await browser.get("/releases/webshop/41/stages/announce/changes")).text
    assert "What would change in announce" in text
    assert "already" not in text
    assert "Fix the cart" in text
    assert [("2.13.2", "2.14.0")] == source.asked
    source.trouble = SourceUnreachable("reset")
    assert "Jenkins ci did not answer" in (await browser.get(f"{PAGE}?preview=true")).text


async def test_a_rollback_is_shown_as_such(console):
    """The commits that are taken away, too."""
    await _connect(console)
    for at, stage in enumerate(("prod-eu", "announce")):
        await console.seeder._went_well(
            (await SqlChanges(console.services.database).compared(DEPLOYMENT)).plan, stage, 2, timedelta(seconds=9 - at)
        )
    browser = await console.sign_in(DEV)
    there = (await browser.get("/releases/webshop/41/stages/announce/changes?preview=true")).text
    assert "webshop-41 is in announce already." in there
    text = (await browser.get("/releases/webshop/40/stages/announce/changes?preview=true")).text
    assert "Rollback from webshop-41" in text
    assert "2 commits taken away" in text
    assert "rolled back</span>" in text


@pytest.mark.parametrize("path", [PAGE, "/releases/webshop/41", "/approvals/webshop/41/prod-eu/1/before", "link"])
async def test_what_commits_say_stays_text(console, path):
    """Neither markup nor links that do something, nor turned text."""
    commit = Change(version=HOSTILE, commit=HOSTILE, message=HOSTILE, author=HOSTILE, url="javascript:alert(3)")
    await _found(console, commit, unknown=HOSTILE)
    browser = await console.sign_in(DEV, Role.ADMIN)
    text = (await browser.get(console.seeded.links[ANA] if path == "link" else path)).text
    assert "alert(" in text
    for forbidden in ("<script>alert", "<img", '"onmouseover', "javascript:", "\u202e", "\u2066", "49 &lt;img"):
        assert forbidden not in text


async def test_what_does_not_exist_is_not_found(console):
    """As a page."""
    browser = await console.sign_in(DEV)
    for path in ("/releases/webshop/99/stages/prod-eu/changes", "/releases/webshop/41/stages/moon/changes"):
        assert 404 == (await browser.get(path)).status_code
