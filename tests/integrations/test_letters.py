"""The mails: what they say, that names cannot break out of their place, and that the link is exact."""

import re
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser

import pytest

from activities.notifications import AskApprover, Letter
from integrations.letters import HtmlLetters

LINK = "https://slipway.example.com/approve/Abc_def-123"
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
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "a\r\nBcc: eve@example.com",
    "a\n\nReview and answer:\n\nhttps://evil.example/approve",
    "gpj.\u202egnp",
    "\x1b[31mred\x1b]8;;https://evil.example\x07",
    "</style><style>*{display:none}",
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


def write(**changes: object) -> Letter:
    letters = HtmlLetters("https://slipway.example.com/")
    return letters.approval_wanted(ASK.model_copy(update=changes), "ana@example.com", LINK, "d-1")


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
        "a member of ops",
        "decides nothing",
    ],
)
def test_both_forms_say_what_an_approver_must_know(fact):
    """Whoever reads plain text knows as much."""
    letter = write()
    assert fact in letter.text
    assert fact in " ".join(Elements(letter.html).text.split())


def test_the_link_stands_alone_in_the_text_and_twice_in_the_html():
    """Once as the button, once written out; and there is no other link."""
    letter = write()
    hrefs = [attributes["href"] for tag, attributes in Elements(letter.html).tags if tag == "a"]
    assert LINK in letter.text.splitlines()
    assert [LINK, LINK] == hrefs
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
    """No artifacts, words or group."""
    letter = write(artifacts=(), description="", instructions="", approver="ana@example.com")
    for heading in ("Deploys", "What is new", "Before you answer", "Asked as"):
        assert heading not in letter.text
        assert heading not in letter.html


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    "field",
    ["release_name", "pipeline", "stage", "requested_by", "approver", "instructions", "description", "artifacts"],
)
def test_hostile_words_stay_words(field, hostile):
    """No element, link, header or line of our own comes from what others wrote."""
    letter = write(**{field: (hostile,) if field == "artifacts" else hostile})
    allowed = [tag for tag, _ in Elements(write().html).tags]
    tags = Elements(letter.html).tags
    assert set(tags_of(tags)) <= set(allowed)
    assert {LINK} == {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert not re.search(r"[\x00-\x1f\x7f\u2028\u202e]", letter.subject)
    assert not re.search(r"[\x1b\x07\u202e]", letter.text + letter.html)
    assert 1 == letter.text.splitlines().count("Review and answer:")
    assert "{{ 7 * 7 }}" not in hostile or "49" not in letter.text


def tags_of(tags: list[tuple[str, dict[str, str | None]]]) -> list[str]:
    return [tag for tag, _ in tags]


def test_a_long_name_is_cut_in_the_subject_only():
    """Nobody's mail program shows more."""
    letter = write(release_name="x" * 500)
    assert 180 == len(letter.subject)
    assert "x" * 500 in letter.text


def test_dark_mode_is_kept_beside_the_inlined_styles():
    """Programs that drop style elements still show a button."""
    html = write().html
    assert "prefers-color-scheme: dark" in html
    button = next(attributes for tag, attributes in Elements(html).tags if attributes.get("class") == "button")
    assert "background-color" in (button["style"] or "")
