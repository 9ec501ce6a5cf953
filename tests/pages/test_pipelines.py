"""Pipelines in the console, and making a release there."""

from fakes.seed import DEV
from fakes.told_source import ToldSource
from pydantic import SecretStr

from activities.artifact_source import SourceUnreachable
from domain.artifact import VersionOffer
from domain.connection import Connection, ConnectionKind
from domain.role import Role
from storage import connections

PAGE = "/pipelines/webshop"
NEW = f"{PAGE}/new"


def _field(page: str, name: str) -> str:
    return page.split(f'name="{name}" value="')[1].split('"', maxsplit=1)[0]


async def test_the_form_asks_what_the_pipeline_asks(console):
    """A version that is to be named, the settable variables, the stages; nothing else is settable."""
    page = (await (await console.sign_in(DEV, Role.RELEASER)).get(NEW)).text
    assert 'name="version.app" value="" aria-label="Version of app" required' in page
    assert 'name="version.config" value="" aria-label="Version of config" placeholder="the latest"' in page
    assert 'name="variable.log_level" value="info"' in page
    assert 'name="variable.region"' not in page
    assert 5 == page.count('name="manual"')


async def test_a_release_is_made_once_however_often_the_form_is_sent(console):
    """The form holds the key of the request."""
    browser = await console.sign_in(DEV, Role.RELEASER)
    page = (await browser.get(NEW)).text
    form = {
        "csrf": _field(page, "csrf"),
        "key": _field(page, "key"),
        "version.app": "3.0",
        "version.config": "",
        "variable.log_level": "debug",
        "manual": ["prod-us"],
        "description": "hello",
    }
    answers = [await browser.post(f"{PAGE}/releases", data=form) for _ in range(2)]
    assert [303, 303] == [answer.status_code for answer in answers]
    assert 1 == len({answer.headers["location"] for answer in answers})
    (plan,) = console.orchestrator.started
    assert ({"app": "3.0"}, {"log_level": "debug"}, "hello", DEV) == (
        plan.versions,
        plan.variables,
        plan.description,
        plan.requested_by,
    )
    assert plan.pipeline.stage("prod-us").manual


async def test_what_is_wrong_is_told_on_the_form_with_all_that_was_typed(console):
    """Nothing is made."""
    browser = await console.sign_in(DEV, Role.RELEASER)
    form = {"csrf": _field((await browser.get(NEW)).text, "csrf"), "description": 'a "quoted" <word>'}
    answer = await browser.post(f"{PAGE}/releases", data=form)
    assert (422, []) == (answer.status_code, console.orchestrator.started)
    assert "name the version of artifact app" in answer.text
    assert "a &#34;quoted&#34; &lt;word&gt;</textarea>" in answer.text


async def test_a_viewer_sees_the_pipeline_without_the_form(console):
    """And cannot send it."""
    browser = await console.sign_in(DEV)
    page = (await browser.get(PAGE)).text
    assert "New release" not in page
    assert 403 == (await browser.get(NEW)).status_code
    assert 403 == (await browser.post(f"{PAGE}/releases", data={"csrf": _field(page, "csrf")})).status_code


async def test_an_unknown_pipeline_is_not_found(console):
    """As a page."""
    answer = await (await console.sign_in(DEV)).get("/pipelines/nothing")
    assert (404, True) == (answer.status_code, "There is no pipeline nothing" in answer.text)


async def _connect(console) -> ToldSource:
    source = ToldSource()
    console.serving(open_source=source.open)
    async with console.services.database.transaction() as session:
        for name, kind in (("ci", ConnectionKind.JENKINS), ("ado", ConnectionKind.AZURE_PIPELINES)):
            known = Connection(name=name, kind=kind, url="http://ci.example", user="u", token=SecretStr("t"))
            await connections.put(session, console.services.sealing, known, console.services.clock())
    return source


async def test_the_form_offers_recent_versions_and_leaves_room_for_another(console):
    """With branch, time and author; where the pipeline asks for a version, none is chosen beforehand."""
    await _connect(console)
    page = (await (await console.sign_in(DEV, Role.RELEASER)).get(NEW)).text
    app, config = page.split('<select name="chosen.')[1:]
    assert '<option value="">Choose a version…</option>' in app
    assert '<option value="">The latest</option>' in config
    assert '<option value="142">#142 · main · 23 Nov 2026, 04:00 UTC · Ana Lima</option>' in app
    assert (
        'name="version.app" value="" aria-label="Another version of app" placeholder="or type another version"' in app
    )
    assert " selected" not in page


async def test_what_was_chosen_counts_and_what_was_typed_counts_before_it(console):
    """And a form that comes back still has both."""
    await _connect(console)
    browser = await console.sign_in(DEV, Role.RELEASER)
    page = (await browser.get(NEW)).text
    form = {"csrf": _field(page, "csrf"), "key": _field(page, "key"), "chosen.app": "141", "version.app": ""}
    wrong = await browser.post(f"{PAGE}/releases", data=form | {"variable.region": "us"})
    assert (422, True) == (wrong.status_code, '<option value="141" selected>' in wrong.text)
    typed = form | {"chosen.config": "142", "version.config": "7"}
    assert 303 == (await browser.post(f"{PAGE}/releases", data=typed)).status_code
    assert [{"app": "141", "config": "7"}] == [plan.versions for plan in console.orchestrator.started]


async def test_a_source_that_does_not_answer_leaves_the_version_to_be_typed(console):
    """The form says why, and works."""
    source = await _connect(console)
    source.trouble = SourceUnreachable("reset")
    page = (await (await console.sign_in(DEV, Role.RELEASER)).get(NEW)).text
    assert "Jenkins ci did not answer: there is nothing to choose from, so type the version." in page
    assert "<select" not in page


async def test_versions_that_say_strange_things_stay_text(console):
    """Names of branches and authors are anybody's."""
    source = await _connect(console)
    hostile = '<script>alert(1)</script>"onload=x {{7*7}}\u202e'
    source.versions = (VersionOffer(version=hostile, label=hostile, branch=hostile, author=hostile, tags=(hostile,)),)
    page = (await (await console.sign_in(DEV, Role.RELEASER)).get(NEW)).text
    assert "alert(1)" in page
    for forbidden in ("<script>alert", '"onload', "\u202e", ">49"):
        assert forbidden not in page
