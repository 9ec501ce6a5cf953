"""Pipelines in the console, and making a release there."""

from fakes.seed import DEV

from domain.role import Role

PAGE = "/pipelines/webshop"


def _field(page: str, name: str) -> str:
    return page.split(f'name="{name}" value="')[1].split('"', maxsplit=1)[0]


async def test_the_form_asks_what_the_pipeline_asks(console):
    """A version that is to be named, the settable variables, the stages; nothing else is settable."""
    page = (await (await console.sign_in(DEV, Role.RELEASER)).get(PAGE)).text
    assert 'name="version.app" value="" required' in page
    assert 'name="version.config" value="" placeholder="the latest"' in page
    assert 'name="variable.log_level" value="info"' in page
    assert 'name="variable.region"' not in page
    assert 5 == page.count('name="manual"')


async def test_a_release_is_made_once_however_often_the_form_is_sent(console):
    """The form holds the key of the request."""
    browser = await console.sign_in(DEV, Role.RELEASER)
    page = (await browser.get(PAGE)).text
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
    form = {"csrf": _field((await browser.get(PAGE)).text, "csrf"), "description": 'a "quoted" <word>'}
    answer = await browser.post(f"{PAGE}/releases", data=form)
    assert (422, []) == (answer.status_code, console.orchestrator.started)
    assert "name the version of artifact app" in answer.text
    assert "a &#34;quoted&#34; &lt;word&gt;</textarea>" in answer.text


async def test_a_viewer_sees_the_pipeline_without_the_form(console):
    """And cannot send it."""
    browser = await console.sign_in(DEV)
    page = (await browser.get(PAGE)).text
    assert "Start release" not in page
    assert 403 == (await browser.post(f"{PAGE}/releases", data={"csrf": _field(page, "csrf")})).status_code


async def test_an_unknown_pipeline_is_not_found(console):
    """As a page."""
    answer = await (await console.sign_in(DEV)).get("/pipelines/nothing")
    assert (404, True) == (answer.status_code, "There is no pipeline nothing" in answer.text)
