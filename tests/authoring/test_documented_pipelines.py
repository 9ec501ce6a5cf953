"""What the documentation shows is true: every pipeline in it loads, every key is explained, every link leads there."""

import re
from pathlib import Path
from textwrap import indent

import pytest

from authoring.expectations import keys
from authoring.loading import load
from domain import pipeline as definitions
from domain.approval import ReceiptKind
from domain.approval_policy import ApprovalPolicy, AtLeast
from domain.frozen import Frozen
from settings import Settings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/user-guide/pipeline-file.md"
GUIDE = ROOT / "docs/user-guide/approvals.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ONLY_FOR_STAND_INS = {"sendgrid_allow_http"}
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
MODELS = [ApprovalPolicy, AtLeast] + [
    model
    for model in vars(definitions).values()
    if isinstance(model, type) and issubclass(model, Frozen) and model.__module__ == definitions.__name__
]


def blocks(page: Path) -> list[str]:
    """The pipelines that a page shows whole."""
    return [text for text in BLOCK.findall(page.read_text()) if text.startswith("pipeline:")]


def anchors(page: Path) -> set[str]:
    """Where a link may lead on a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def around(approval: str) -> str:
    """A pipeline with this approval, which a page shows alone."""
    jobs = "    jobs: [{job: deploy, steps: [{run: ./deploy.sh}]}]"
    return f"pipeline: shown\nstages:\n  - stage: prod\n{jobs}\n    before:\n{indent(approval, 6 * ' ')}"


SHOWN = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}-{at}") for page in PAGES for at, text in enumerate(blocks(page))
]
APPROVALS = [text for text in BLOCK.findall(GUIDE.read_text()) if text.startswith("approval:")]


@pytest.mark.parametrize("text", SHOWN)
def test_a_pipeline_that_is_shown_loads(text: str) -> None:
    """Nobody copies a mistake from us."""
    assert load(text, "shown.yaml").stages


@pytest.mark.parametrize("approval", APPROVALS)
def test_an_approval_that_is_shown_loads(approval: str) -> None:
    """Also where its pipeline is left out."""
    assert load(around(approval), "shown.yaml").stages[0].before.approval


def test_every_receipt_is_explained() -> None:
    """Whoever is told one finds what it means."""
    rows = re.findall(r"^\| (`[^|]*) \|", GUIDE.read_text(), re.MULTILINE)
    told = {kind for row in rows for kind in re.findall(r"`([a-z ]+)`", row)}
    assert set() == {*ReceiptKind, "stored"} - told


def test_every_setting_of_the_servers_is_explained() -> None:
    """An operator reads what can be set, not the code."""
    pages = "".join((ROOT / "docs/operator-guide" / name).read_text() for name in ("install.md", "mail.md"))
    names = [f"SLIPWAY_{field.upper()}" for field in Settings.model_fields if field not in ONLY_FOR_STAND_INS]
    assert [] == [name for name in names if f"`{name}`" not in pages]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_loads(file: Path) -> None:
    """They run as they stand."""
    assert load(file.read_text(), file.name).stages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_there(page: Path) -> None:
    """To a file that exists, and to a heading that it has."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text())
    lost = [
        (file, heading)
        for file, heading in links
        if not (target := (page.parent / file if file else page)).exists()
        or (heading and heading not in anchors(target))
    ]
    assert [] == lost


def test_the_reference_shows_pipelines() -> None:
    """The shortest, and one with everything; the README one to begin with."""
    assert 2 == len(blocks(REFERENCE))
    assert 1 <= len(blocks(ROOT / "README.md"))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_in_the_reference_and_in_its_complete_example(model: type[Frozen]) -> None:
    """What can be written is explained and shown."""
    text, complete = REFERENCE.read_text(), blocks(REFERENCE)[1]
    for key in keys(model):
        assert re.search(rf"[`{{ ]{key}[`:,}}]", text), f"{key} is not explained"
        assert re.search(rf"\b{key}:", complete) or key == "value", f"{key} is not shown"


def test_the_glossary_is_in_alphabetical_order_and_uses_only_its_own_words() -> None:
    """Every word in italics has its own line, perhaps in the plural, and none has two."""
    text = (ROOT / "docs/concepts.md").read_text()
    words: list[str] = []
    for group in text.split("\n## ")[1:]:
        own = re.findall(r"^\| \*\*(.+?)\*\* \|", group, re.MULTILINE)
        assert sorted(own) == own
        words += own
    known = [word for entry in words for word in entry.split(", ")]
    assert len(set(known)) == len(known)
    used = set(re.findall(r"(?<![\w*])\*([a-z][a-z ]*)\*(?!\*)", text)) - {"italics"}
    assert set() == {word for word in used if {word, word.removesuffix("s"), word[:-3] + "y"}.isdisjoint(known)}
