"""The page of the agents."""

from datetime import timedelta

from fakes.html_forms import HtmlForm, HtmlPage
from fakes.seed import DEV

from domain.role import Role
from storage import agent_care, agents
from storage.token_hash import token_hash


async def _form(browser, does: str) -> HtmlForm:
    """The form whose address ends so."""
    page = HtmlPage((await browser.get("/agents")).text)
    return next(form for form in page.forms if form.action.endswith(does))


async def test_agents_are_found_by_what_they_have(console):
    """All words have to fit; nobody fits what nobody has."""
    viewer = await console.sign_in(DEV)
    told = [(await viewer.get(f"/agents?q={words}")).text for words in ("WEB-1+os%3Dlin", "docker%3D27", "quantum")]
    assert [1, 3, 0] == [page.count('id="agent-web') + page.count('id="agent-mac') for page in told]
    assert "No agent has quantum." in told[2]


async def test_an_admin_takes_an_agent_out_and_back(console):
    """The page says so, and why; nobody else has the buttons, nor may send what they send."""
    admin, viewer = await console.sign_in(DEV, Role.ADMIN), await console.sign_in(DEV)
    form = await _form(admin, "/agents/web-1/maintenance")
    assert 303 == (await admin.post(form.action, data=form.filled(reason="disk <swap>"))).status_code
    page = (await viewer.get("/agents")).text
    assert "takes no new jobs: it is under maintenance: disk &lt;swap&gt;" in page
    assert "/maintenance" not in page
    assert 403 == (await viewer.post(form.action, data=form.filled(reason="mine"))).status_code
    form = await _form(admin, "/agents/web-1/maintenance")
    assert 303 == (await admin.post(form.action, data=form.fields)).status_code
    assert "under maintenance" not in (await viewer.get("/agents")).text


async def test_an_admin_lets_an_agent_in(console):
    """Until then it is shown as one that waits."""
    now = console.services.clock()
    async with console.services.database.transaction() as session:
        _, token = await agents.enrolment(
            session, pool="default", created_by=DEV, expires_at=now + timedelta(hours=1), needs_approval=True
        )
        await agents.enrol(
            session, token_hash(token), name="new-1", instance_id="new-1", capabilities={}, slots=1, now=now
        )
    admin = await console.sign_in(DEV, Role.ADMIN)
    assert "waiting for approval" in (await admin.get("/agents")).text
    form = await _form(admin, "/agents/new-1/approval")
    assert 303 == (await admin.post(form.action, data=form.fields)).status_code
    assert "waiting for approval" not in (await admin.get("/agents")).text


async def test_a_wrong_clock_and_what_runs_are_shown(console):
    """Each job leads to its stage."""
    async with console.services.database.transaction() as session:
        row = await agent_care.set_slots(session, "web-2", 7)
        row.clock_ahead = 180.0
    page = (await (await console.sign_in(DEV)).get("/agents")).text
    assert "its clock is 3 min ahead" in page
    assert "1 of 7 slots busy: " in page
    assert 'href="/releases/webshop/41#stage-prod-us"' in page


async def test_a_form_of_another_page_changes_no_agent(console):
    """It does not know the secret of the session."""
    admin = await console.sign_in(DEV, Role.ADMIN)
    for path in ("/agents/web-1/maintenance", "/agents/web-1/approval"):
        assert 403 == (await admin.post(path, data={"csrf": "guessed", "on": "yes"})).status_code
    assert "under maintenance" not in (await admin.get("/agents")).text
