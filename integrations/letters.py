"""The mails that Slipway writes, as HTML and as plain text."""

import re
from collections.abc import Mapping
from typing import Any

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from activities.notifications import AskApprover, Letter

_LONGEST_SUBJECT = 180
_NOT_PRINTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class HtmlLetters:
    """Implements Letters. ``public_url`` is where people reach Slipway; it stands in the footer."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url.rstrip("/")
        self._templates = Environment(
            loader=PackageLoader("integrations"),
            autoescape=select_autoescape(enabled_extensions=("html",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # Dark mode needs its media query, so the style element stays; what mail programs drop is inlined as well.
        self._inliner = css_inline.CSSInliner(keep_style_tags=True, keep_at_rules=True, load_remote_stylesheets=False)

    def approval_wanted(self, ask: AskApprover, person: str, link: str, delivery_id: str) -> Letter:
        """Asks one person. Opening the link decides nothing, and the letter says so."""
        values = self._values(ask, person, link)
        return Letter(
            delivery_id=delivery_id,
            to=person,
            subject=_cut(f"{values['question']} {values['release']}"),
            text=self._templates.get_template("approval_wanted.txt").render(values),
            html=self._inliner.inline(self._templates.get_template("approval_wanted.html").render(values)),
        )

    def _values(self, ask: AskApprover, person: str, link: str) -> Mapping[str, Any]:
        before = ask.moment == "before"
        stage, before = _one_line(ask.stage), ask.moment == "before"
        return {
            "question": f"Deploy to {stage}?" if before else f"Is {stage} as it should be?",
            "moment": f"{'before' if before else 'after'} the deployment to {stage}",
            "release": _one_line(ask.release_name),
            "pipeline": _one_line(ask.pipeline),
            "artifacts": [_one_line(artifact) for artifact in ask.artifacts],
            "description": _printable(ask.description),
            "instructions": _printable(ask.instructions),
            "requested_by": _one_line(ask.requested_by),
            "asked_as": "" if ask.approver == person else _one_line(ask.approver.removeprefix("group:")),
            "expires": f"{ask.expires_at:%A, %d %B %Y, %H:%M} UTC",
            "person": _one_line(person),
            "link": link,
            "public_url": self._public_url,
        }


def _printable(text: str) -> str:
    """Without characters that a terminal obeys, or that make text read in another order than it is written."""
    return _NOT_PRINTED.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _one_line(text: str) -> str:
    """So that no name makes a line of its own, or a header."""
    return " ".join(_printable(text).split())


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_SUBJECT else line[: _LONGEST_SUBJECT - 1] + "…"
