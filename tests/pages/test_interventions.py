"""People decide on the release's page how a job goes on, and find what is asked in their inbox."""

from datetime import timedelta

import pytest
import pytest_asyncio
from fakes.html_forms import HtmlForm, HtmlPage
from fakes.seed import BO, DEV

from activities.records import DeploymentFact, StepFact
from domain.ids import DeploymentId
from domain.intervention import Cause, Decision, Intervention, Remedy, end
from domain.role import Role
from domain.status import RunStatus, StageStatus

DEPLOYMENT = DeploymentId.parse("webshop/41/prod-us/1")
RUN = f"{DEPLOYMENT}/deploy/1/1"
ACTION = f"/step-runs/{RUN}/decision"
PAGE, INBOX, LISTED = "/releases/webshop/41", "/approvals", 'href="/releases/webshop/41#stage-prod-us"'


@pytest_asyncio.fixture(loop_scope="session")
async def asked(console) -> Intervention:
    """The second step of prod-us has failed, and its author wants people to be asked."""
    now = console.services.clock()
    question = Intervention(
        cause=Cause.FAILED_STEP,
        question="Roll out to <us-east> failed: the disk is full",
        asked_at=now,
        expires_at=now + timedelta(days=1),
    )
    await _ask(console, question, "a decision about Roll out to us-east, which failed")
    return question


async def _ask(console, asked: Intervention, waiting_for: str = "") -> None:
    now = console.services.clock()
    await console.seeder.say(
        DEPLOYMENT.workflow_id,
        timedelta(0),
        DeploymentFact(
            deployment=str(DEPLOYMENT),
            status=StageStatus.IN_PROGRESS,
            requested_by=DEV,
            waiting_for=waiting_for,
            started_at=now - timedelta(minutes=2),
        ),
        StepFact(
            run_id=RUN,
            job_id=f"{DEPLOYMENT}/deploy",
            step=1,
            try_number=1,
            title="Roll out to us-east",
            status=RunStatus.FAILED,
            reason="the disk is full",
            started_at=now - timedelta(minutes=1),
            finished_at=now,
            intervention=asked,
        ),
    )


async def _form(browser) -> HtmlForm | None:
    page = HtmlPage((await browser.get(PAGE)).text)
    return next((form for form in page.forms if form.action == ACTION), None)


@pytest.mark.usefixtures("asked")
async def test_a_releaser_decides_with_a_button(console) -> None:
    """With a comment, once however often the form is sent, and is led back to the stage."""
    browser = await console.sign_in(BO, Role.RELEASER)
    text = (await browser.get(PAGE)).text
    for button in ("Run it again", "Go on without it", "Let the job fail"):
        assert f">{button}</button>" in text
    assert "It ran to its end" not in text
    form = await _form(browser)
    assert form is not None
    sent = form.filled(remedy="retry", comment="the disk is free again")
    answers = [await browser.post(ACTION, data=sent) for _ in range(2)]
    assert [(303, f"{PAGE}#stage-prod-us")] * 2 == [(a.status_code, a.headers["location"]) for a in answers]
    [(run, first), (_, again)] = console.orchestrator.decisions
    assert (RUN, BO, Remedy.RETRY, "the disk is free again") == (run, first.by, first.remedy, first.comment)
    assert first.decision_id == again.decision_id


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER], ids=str)
async def test_others_see_the_question_and_no_buttons(console, role: Role) -> None:
    """What they send all the same is refused."""
    browser = await console.sign_in(BO, role)
    text = (await browser.get(PAGE)).text
    assert "A releaser decides how the job goes on" in text
    assert await _form(browser) is None
    csrf = HtmlPage((await browser.get("/agents")).text).forms[0].fields["csrf"]
    assert 403 == (await browser.post(ACTION, data={"csrf": csrf, "remedy": "retry"})).status_code
    assert [] == console.orchestrator.decisions


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("remedy", ["", "explode", "it_ran"], ids=["none", "strange", "not-offered"])
async def test_what_is_no_choice_here_is_refused_in_words(console, remedy: str) -> None:
    """And nothing is sent."""
    browser = await console.sign_in(BO, Role.RELEASER)
    form = await _form(browser)
    assert form is not None
    answer = await browser.post(ACTION, data=form.filled(remedy=remedy, decision_id="<>"))
    told = "Your decision was not counted" if remedy == "it_ran" else "Choose how the job goes on"
    assert (409 if remedy == "it_ran" else 422, True) == (answer.status_code, told in answer.text)
    assert [] == console.orchestrator.decisions


async def test_who_comes_second_reads_who_was_first(console, asked: Intervention) -> None:
    """On the page of their own try, and later beside the step."""
    browser = await console.sign_in(BO, Role.RELEASER)
    form = await _form(browser)
    assert form is not None
    decision = Decision(decision_id="d", by="ana@example.com", remedy=Remedy.SKIP, comment="not needed <today>")
    await _ask(console, end(asked.model_copy(update={"decision": decision}), console.services.clock()))
    answer = await browser.post(ACTION, data=form.filled(remedy="retry"))
    assert 409 == answer.status_code
    text = (await browser.get(PAGE)).text
    for page in (answer.text, text):
        assert "ana@example.com decided: go on without it (not needed &lt;today&gt;)." in page
    assert await _form(browser) is None


@pytest.mark.usefixtures("asked")
async def test_a_decision_while_no_worker_runs_is_stored(console) -> None:
    """The page says so, and leads back."""
    console.orchestrator.is_away = True
    browser = await console.sign_in(BO, Role.RELEASER)
    form = await _form(browser)
    assert form is not None
    answer = await browser.post(ACTION, data=form.filled(remedy="skip"))
    assert (202, True) == (answer.status_code, "Your decision is stored" in answer.text)
    assert f"{PAGE}#stage-prod-us" in HtmlPage(answer.text).links


@pytest.mark.usefixtures("asked")
async def test_lists_say_that_a_release_waits_for_a_decision(console) -> None:
    """In the words of the release's own page."""
    browser = await console.sign_in(DEV)
    for path in ("/", PAGE):
        text = (await browser.get(path)).text
        assert "prod-us waits for a decision about Roll out to us-east, which failed." in text


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("role", "query", "is_listed"),
    [
        (Role.RELEASER, "", True),
        (Role.ADMIN, "?everybody=yes&pipeline=webshop&stage=prod-us", True),
        (Role.RELEASER, "?pipeline=other", False),
        (Role.RELEASER, "?stage=test", False),
        (Role.RELEASER, "?group=ops", False),
        (Role.RELEASER, "?verdict=approved", False),
        (Role.APPROVER, "", False),
        (Role.VIEWER, "", False),
    ],
    ids=["releaser", "admin", "other-pipeline", "other-stage", "group", "decided", "approver", "viewer"],
)
async def test_the_inbox_lists_decisions_for_those_who_may_decide(
    console,
    role: Role,
    query: str,
    is_listed: bool,  # noqa: FBT001  a table column
) -> None:
    """Narrowed as approvals are; what steps say is only text there."""
    text = (await (await console.sign_in("rita@example.com", role)).get(INBOX + query)).text
    assert (is_listed, is_listed) == (LISTED in text, "Decisions about steps" in text)
    assert is_listed == ("Roll out to &lt;us-east&gt; failed: the disk is full" in text)


async def test_a_decided_question_leaves_the_inbox(console, asked: Intervention) -> None:
    """As does one that nobody decided in time."""
    await _ask(console, end(asked, console.services.clock()))
    text = (await (await console.sign_in("rita@example.com", Role.RELEASER)).get(INBOX)).text
    assert LISTED not in text
