"""The mails: what they say, that names cannot break out of their place, and that the link is exact."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser

import pytest

from activities.notifications import (
    AskApprover,
    IssuedLink,
    Letter,
    LetterKind,
    TellDecisionWanted,
    TellNoRelease,
    TellUnreachable,
)
from domain.approval_policy import LinkLevel
from domain.change_outline import Outline, OutlinedArtifact
from integrations.letters import HtmlLetters

LINK = "https://slipway.example.com/approve/Abc_def-123"
PAGE = "https://slipway.example.com/approvals/webshop/41/prod/1/before"
ASK = AskApprover(
    approval_id="webshop/41/prod/1/before",
    approver="group:ops",
    members=("ana@example.com",),
    release_name="webshop-41",
    pipeline="webshop",
    stage="prod",
    moment="before",
    requested_by="rita@example.com",
    instructions="Is the team informed,\nand nobody on a train?",
    description="the cart loses no items",
    artifacts=("web 142", "infra 2102"),
    digest="d" * 64,
    expires_at=datetime(2026, 11, 26, 14, 0, tzinfo=UTC),
)
TOLD = TellUnreachable(
    approval_id="webshop/41/prod/1/before",
    people=("rita@example.com",),
    approver="ana@example.com",
    reason="no mail reaches ana@example.com",
    release_name="webshop-41",
    pipeline="webshop",
    stage="prod",
    moment="before",
)
WANTED = TellDecisionWanted(
    run_id="webshop/41/prod/1/deploy/2/1",
    deployment="webshop/41/prod/1",
    people=("rita@example.com",),
    title="Smoke test",
    question="outcome unknown: web-2 was lost; did Smoke test run to its end?",
    choices=("it ran to its end; go on", "run it again", "let the job fail"),
    expires_at=datetime(2026, 11, 26, 14, 0, tzinfo=UTC),
    release_name="webshop-41",
    pipeline="webshop",
    stage="prod",
)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "{% raw %}a{# b #}",
    "a\r\nBcc: eve@example.com",
    "a\rBcc: eve@example.com",
    "a\n\nReview and answer:\n\nhttps://evil.example/approve",
    "a\n\nOpen the approval:\n\nhttps://evil.example/approve",
    "a\n\nOpen the release:\n\nhttps://evil.example/releases",
    "gpj.\u202egnp",
    "\x1b[31mred\x1b]8;;https://evil.example\x07",
    "a\x00b\x85c\u2028d",
    "half a \ud83d character",
    "</style><style>*{display:none}",
    "=?utf-8?q?=0D=0ABcc:_eve=40example.com?=",
    "=?utf-8?b?DQpCY2M6IGV2ZUBleGFtcGxlLmNvbQ==?=",
)


NO_RELEASE = TellNoRelease(
    event_id="e1",
    pipeline="webshop",
    people=("rita@example.com",),
    what="jenkins ci: web #142",
    reason="variable X may not be set for a release of webshop",
)


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str | None]:
        return [attributes["href"] for tag, attributes in self.tags if tag == "a"]


LETTERS = HtmlLetters("https://slipway.example.com/")


def write(person: str = "ana@example.com", code: str = "", url: str = LINK, **changes: object) -> Letter:
    return LETTERS.approval_wanted(ASK.model_copy(update=changes), person, IssuedLink(url=url, code=code), "d-1")


def tell(person: str = "rita@example.com", **changes: object) -> Letter:
    return LETTERS.approver_unreachable(TOLD.model_copy(update=changes), person, "d-1")


def tell_decision(person: str = "rita@example.com", **changes: object) -> Letter:
    return LETTERS.decision_wanted(WANTED.model_copy(update=changes), person, "d-1")


def tell_no_release(person: str = "rita@example.com", **changes: object) -> Letter:
    return LETTERS.no_release(NO_RELEASE.model_copy(update=changes), person, "d-1")


def says(letter: Letter, fact: str) -> bool:
    """Whether both forms do."""
    return all(fact in " ".join(form.split()) for form in (letter.text, Elements(letter.html).text))


@pytest.mark.parametrize(
    "fact",
    [
        "webshop-41",
        "prod",
        "before the deployment",
        "web 142",
        "infra 2102",
        "rita@example.com",
        "Thursday, 26 November 2026, 14:00 UTC",
        "nobody on a train?",
        "the cart loses no items",
        "group:ops; one answer counts for the whole group",
        "decides nothing",
        "meant for ana@example.com alone",
    ],
)
def test_both_forms_say_what_an_approver_must_know(fact):
    """Whoever reads plain text knows as much."""
    assert says(write(), fact)


def test_the_link_stands_alone_in_the_text_and_twice_in_the_html():
    """Once as the button, once written out; and there is no other link."""
    letter = write()
    assert LINK in letter.text.splitlines()
    assert [LINK, LINK] == Elements(letter.html).links
    assert 3 == unescape(letter.html).count(LINK)


def test_the_letter_is_addressed_and_numbered():
    """As the transport needs it."""
    letter = write()
    assert ("ana@example.com", "d-1", "Deploy to prod? webshop-41") == (letter.to, letter.delivery_id, letter.subject)


def test_after_a_deployment_the_question_is_another():
    """Nothing is deployed by that answer."""
    letter = write(moment="after")
    assert "Is prod as it should be? webshop-41" == letter.subject
    assert "after the deployment to prod" in letter.text


def test_what_is_not_there_leaves_no_empty_heading():
    """No artifacts, words, group, digits or reason."""
    letter = write(artifacts=(), description="", instructions="", approver="ana@example.com")
    for heading in ("Deploys", "What is new", "Before you answer", "Asked as", "six digits", 'class="because"'):
        assert heading not in letter.text
        assert heading not in letter.html
    assert "\n\n\n" not in letter.text


def test_the_six_digits_are_to_be_typed_by_hand():
    """They stand in the text of the mail, in no address and in no subject, so that following links is not enough."""
    letter = write(level=LinkLevel.CODE, code="074213")
    assert says(letter, "Type these six digits by hand when you answer: 074213")
    assert [LINK, LINK] == Elements(letter.html).links
    assert "074213" not in letter.subject
    assert 1 == letter.text.count("074213") == letter.html.count("074213")


def test_where_a_login_is_wanted_the_button_leads_to_the_console():
    """That address is no secret, and the mail does not make it look like one."""
    letter = write(level=LinkLevel.LOGIN, url=PAGE)
    assert says(letter, "Sign in to answer")
    assert says(letter, "Only who has signed in can answer there.")
    assert [PAGE, PAGE] == Elements(letter.html).links
    assert not says(letter, "do not forward")


def test_a_reminder_says_since_when_and_how_often():
    """And is told from the first mail at a glance."""
    letter = write(kind=LetterKind.REMINDER, number=2, because="Asked since 2026-11-23 12:00 UTC.")
    assert "Still waiting: Deploy to prod? webshop-41" == letter.subject
    assert says(letter, "Asked since 2026-11-23 12:00 UTC. This is reminder 2.")
    assert says(letter, "your answer is still wanted before the deployment to prod")


def test_a_deputy_reads_in_whose_place_and_why():
    """Without a reason, too."""
    letter = write("otto@example.com", kind=LetterKind.DEPUTY, because="group:ops has not answered for 24h.")
    assert "In place of group:ops: Deploy to prod? webshop-41" == letter.subject
    assert says(letter, "group:ops has not answered for 24h. You may answer in their place.")
    assert says(letter, "deputy for group:ops")
    assert says(write(kind=LetterKind.DEPUTY), "group:ops has not answered. You may answer in their place.")


def test_a_deputy_who_is_reminded_is_not_taken_for_the_approver():
    """Reminders go to all who may answer."""
    letter = write("otto@example.com", kind=LetterKind.REMINDER, number=1, approver="ana@example.com")
    assert says(letter, "deputy for ana@example.com")


def test_who_is_asked_anew_reads_why():
    """Above everything else."""
    letter = write(because="What is deployed has changed since you were asked first.", round=1)
    assert says(letter, "What is deployed has changed since you were asked first.")


def outlined(text: str = "web 141 → 142", since: str = "webshop-40", **values: object) -> Outline:
    artifacts = (OutlinedArtifact(text=text, **values),)  # type: ignore[arg-type]
    return Outline(since=since, is_rollback=True, artifacts=artifacts, more_artifacts=2)


def test_an_approver_reads_what_changes():
    """Instead of the bare versions: a few commits, how many more, what is taken away, what is not known."""
    told = outlined(commits=("3f2a91bc Fix the cart (Ana)",), more=12, is_taken_away=True, unknown="ci did not answer")
    letter = write(changes=told)
    for fact in (
        "What changes in prod since webshop-40",
        "This is a rollback.",
        "web 141 → 142",
        "aken away:",
        "3f2a91bc Fix the cart (Ana)",
        "and 12 more",
        "ci did not answer",
        "and 2 more artifacts",
    ):
        assert says(letter, fact)
    assert not says(letter, "web 142")
    assert says(write(changes=told, moment="after"), "What changed in prod since webshop-40")


def test_of_a_first_deployment_the_versions_are_told():
    """There is nothing to compare them with."""
    letter = write(changes=outlined(since=""))
    assert says(letter, "web 142")
    assert not says(letter, "since")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_words_in_what_changes_stay_words(hostile):
    """Messages and names of commits, versions, and what a source says."""
    told = outlined(hostile, hostile, commits=(hostile,), more=1, is_taken_away=True, unknown=hostile)
    usual = outlined("text", "since", commits=("commit",), more=1, is_taken_away=True, unknown="unknown")
    stays_words(write, "changes", told, changes=usual)


def test_requesters_read_whom_no_mail_reaches_and_what_helps():
    """With the page on which it can be helped; it holds no secret."""
    letter = tell()
    assert "Nobody answers as ana@example.com: webshop-41, prod" == letter.subject
    for fact in ("No mail reaches ana@example.com.", "before the deployment to prod", "A release manager can"):
        assert says(letter, fact)
    assert [PAGE, PAGE] == Elements(letter.html).links
    assert PAGE in letter.text.splitlines()


def test_requesters_read_what_a_job_asks_and_until_when():
    """With the release's page at the stage; it holds no secret."""
    letter = tell_decision()
    assert "How does the job go on? webshop-41, prod" == letter.subject
    for fact in (
        "outcome unknown: web-2 was lost; did Smoke test run to its end?",
        "webshop/41/prod/1/deploy/2/1",
        "run it again",
        "let the job fail",
        "Thursday, 26 November 2026, 14:00 UTC",
        "Without a decision until then, the job fails.",
    ):
        assert says(letter, fact)
    page = "https://slipway.example.com/releases/webshop/41#stage-prod"
    assert [page, page] == Elements(letter.html).links
    assert page in letter.text.splitlines()


def test_who_answers_for_a_pipeline_reads_why_no_release_started_itself():
    """And what was to start it, with the page that shows the rest."""
    letter = tell_no_release()
    assert "No release of webshop: variable X may not be set for a release of webshop" == letter.subject
    for fact in (
        "jenkins ci: web #142",
        "Variable X may not be set for a release of webshop.",
        "make the release by hand",
    ):
        assert says(letter, fact)
    page = "https://slipway.example.com/pipelines/webshop/triggers"
    assert [page, page] == Elements(letter.html).links
    assert page in letter.text.splitlines()


ASKED = [
    "release_name",
    "pipeline",
    "stage",
    "moment",
    "requested_by",
    "approver",
    "instructions",
    "description",
    "artifacts",
    "because",
    "person",
]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("kind", [LetterKind.WANTED, LetterKind.REMINDER, LetterKind.DEPUTY])
@pytest.mark.parametrize("field", ASKED)
def test_hostile_words_stay_words(field, kind, hostile):
    """No element, link, header or line of our own comes from what others wrote."""
    stays_words(write, field, hostile, kind=kind, because="because", code="123456")


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("field", ["release_name", "pipeline", "stage", "moment", "approver", "reason", "person"])
def test_hostile_words_stay_words_to_requesters(field, hostile):
    """As in the other letters."""
    stays_words(tell, field, hostile)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("field", ["release_name", "pipeline", "stage", "title", "question", "run_id", "person"])
def test_hostile_words_stay_words_where_a_decision_is_wanted(field, hostile):
    """What a step is called, and says of itself, most of all."""
    stays_words(tell_decision, field, hostile)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("field", ["what", "reason", "person"])
def test_hostile_words_stay_words_where_there_is_no_release(field, hostile):
    """What another server called its build, most of all."""
    stays_words(tell_no_release, field, hostile)


def stays_words(writing: Callable[..., Letter], field: str, hostile: object, **values: object) -> None:
    usual, letter = writing(**values), writing(**values | {field: (hostile,) if field == "artifacts" else hostile})
    before, after = Elements(usual.html), Elements(letter.html)
    assert {tag for tag, _ in after.tags} <= {tag for tag, _ in before.tags}
    assert set(before.links) == set(after.links)
    assert not any(name.startswith("on") for _, attributes in after.tags for name in attributes)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]|=\?", letter.subject)
    assert not re.search(r"[\x00\x07\x1b\x85\r\u2028\u202e]", letter.text + letter.html)
    for line in ("Review and answer:", "Open the approval:", "Open the release:", "--"):
        assert usual.text.splitlines().count(line) == letter.text.splitlines().count(line)
    assert "49" not in letter.text.replace(str(hostile), "")
    letter.model_dump_json(exclude={"to"}).encode()  # fit for every transport, which checks the address itself


def test_a_long_name_is_cut_in_the_subject_only():
    """Nobody's mail program shows more."""
    letter = write(release_name="x" * 500)
    assert 180 == len(letter.subject)
    assert "x" * 500 in letter.text


@pytest.mark.parametrize(
    "letter", [write(code="123456"), write(level=LinkLevel.LOGIN, url=PAGE), tell(), tell_decision()]
)
def test_dark_mode_is_kept_beside_the_inlined_styles(letter):
    """Programs that drop style elements still show a button."""
    assert "prefers-color-scheme: dark" in letter.html
    button = next(attributes for tag, attributes in Elements(letter.html).tags if attributes.get("class") == "button")
    assert "background-color" in (button["style"] or "")


@pytest.mark.parametrize("letter", [write(code="123456"), tell(), tell_decision()])
def test_a_mail_loads_and_runs_nothing(letter):
    """No image tells anybody that it was opened."""
    tags = {tag for tag, _ in Elements(letter.html).tags}
    assert tags.isdisjoint({"img", "script", "link", "iframe", "form", "object", "base"})
    assert "url(" not in letter.html
    assert "@import" not in letter.html
