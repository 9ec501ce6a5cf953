"""The mails that Slipway writes, as HTML and as plain text."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

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
from domain.ids import DeploymentId
from domain.plain_text import one_line, printable

_LONGEST_SUBJECT = 180
_WHAT_HELPS = (
    "A release manager can ask somebody else in this place, or decide instead, on the page of the approval. "
    "If an address or a group is wrong, correct it and deploy again."
)


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

    def approval_wanted(self, ask: AskApprover, person: str, link: IssuedLink, delivery_id: str) -> Letter:
        """Asks one person, for the first time or again. Opening the link decides nothing, and the letter says so."""
        is_login = ask.level == LinkLevel.LOGIN
        values = _asking(ask, person) | {
            "link": link.url,
            "code": link.code,
            "is_login": is_login,
            "action": "Sign in to answer" if is_login else "Review and answer",
        }
        return self._letter("asking", values, person, delivery_id)

    def approver_unreachable(self, told: TellUnreachable, person: str, delivery_id: str) -> Letter:
        """Tells who requested a deployment why nobody will answer, and what helps."""
        approver, release = one_line(told.approver), one_line(told.release_name)
        values = {
            "subject": f"Nobody answers as {approver}: {release}, {one_line(told.stage)}",
            "title": f"Nobody answers as {approver}",
            "about": "an approval waits in vain",
            "because": _sentence(told.reason),
            "release": release,
            "pipeline": one_line(told.pipeline),
            "moment": _when(told.moment, told.stage),
            "approver": approver,
            "help": _WHAT_HELPS,
            "link": f"{self._public_url}/approvals/{quote(told.approval_id)}",
            "action": "Open the approval",
        }
        return self._letter("unreachable", values, person, delivery_id)

    def decision_wanted(self, told: TellDecisionWanted, person: str, delivery_id: str) -> Letter:
        """Tells who requested a deployment that a job of it waits, for what and until when."""
        release, stage = one_line(told.release_name), one_line(told.stage)
        deployment = DeploymentId.parse(told.deployment)
        values = {
            "subject": f"How does the job go on? {release}, {stage}",
            "title": "How does the job go on?",
            "about": f"the deployment to {stage} waits for a decision",
            "because": one_line(told.question),
            "release": release,
            "pipeline": one_line(told.pipeline),
            "step": one_line(told.title),
            "run_id": one_line(told.run_id),
            "choices": [one_line(choice) for choice in told.choices],
            "expires": _by_the_clock(told.expires_at),
            "link": f"{self._public_url}/releases/{quote(str(deployment.release))}#stage-{quote(deployment.stage)}",
            "action": "Open the release",
        }
        return self._letter("deciding", values, person, delivery_id)

    def no_release(self, told: TellNoRelease, person: str, delivery_id: str) -> Letter:
        """Tells who answers for a pipeline why a release of it did not start itself."""
        pipeline = one_line(told.pipeline)
        values = {
            "subject": f"No release of {pipeline}: {one_line(told.reason)}",
            "title": f"No release of {pipeline}",
            "about": "something was to start one, and could not",
            "because": _sentence(told.reason),
            "release": pipeline,
            "pipeline": pipeline,
            "what": one_line(told.what),
            "link": f"{self._public_url}/pipelines/{quote(told.pipeline)}/triggers",
            "action": "Open the triggers",
        }
        return self._letter("no_release", values, person, delivery_id)

    def _letter(self, template: str, values: Mapping[str, Any], person: str, delivery_id: str) -> Letter:
        values = {**values, "public_url": self._public_url, "subject": _subject(values["subject"])}
        return Letter(
            delivery_id=delivery_id,
            to=person,
            subject=values["subject"],
            text=self._templates.get_template(f"{template}.txt").render(values),
            html=self._inliner.inline(self._templates.get_template(f"{template}.html").render(values)),
        )


def _asking(ask: AskApprover, person: str) -> dict[str, Any]:
    stage, release, approver = one_line(ask.stage), one_line(ask.release_name), one_line(ask.approver)
    title = f"Deploy to {stage}?" if ask.moment == "before" else f"Is {stage} as it should be?"
    return {
        "subject": f"{_BEGINNINGS[ask.kind].format(approver=approver)}{title} {release}",
        "title": title,
        "about": f"{_ABOUT[ask.kind]} {_when(ask.moment, ask.stage)}",
        "because": _because(ask, approver),
        "release": release,
        "pipeline": one_line(ask.pipeline),
        "artifacts": [one_line(artifact) for artifact in ask.artifacts],
        "changes": _changes(ask),
        "description": printable(ask.description),
        "instructions": printable(ask.instructions),
        "requested_by": one_line(ask.requested_by),
        "asked_as": _asked_as(ask, person, approver),
        "expires": _by_the_clock(ask.expires_at),
        "person": one_line(person),
    }


def _changes(ask: AskApprover) -> dict[str, Any] | None:
    """What changes beside what is there now; nothing for a first deployment, and where it is not known."""
    told = ask.changes
    if told is None or not told.since:
        return None
    verb = "changes" if ask.moment == "before" else "changed"
    return {
        "title": f"What {verb} in {one_line(ask.stage)} since {one_line(told.since)}",
        "is_rollback": told.is_rollback,
        "artifacts": [
            {
                "text": one_line(artifact.text),
                "commits": [one_line(commit) for commit in artifact.commits],
                "more": artifact.more,
                "is_taken_away": artifact.is_taken_away,
                "unknown": one_line(artifact.unknown),
            }
            for artifact in told.artifacts
        ],
        "more_artifacts": told.more_artifacts,
    }


_BEGINNINGS = {
    LetterKind.WANTED: "",
    LetterKind.REMINDER: "Still waiting: ",
    LetterKind.DEPUTY: "In place of {approver}: ",
}
_ABOUT = {
    LetterKind.WANTED: "your answer is wanted",
    LetterKind.REMINDER: "your answer is still wanted",
    LetterKind.DEPUTY: "you may answer, too,",
}


def _when(moment: str, stage: str) -> str:
    return f"{'before' if moment == 'before' else 'after'} the deployment to {one_line(stage)}"


def _because(ask: AskApprover, approver: str) -> str:
    """Why this person is asked now, where that is not plain."""
    because = one_line(ask.because)
    if ask.kind == LetterKind.DEPUTY:
        return f"{because or f'{approver} has not answered.'} You may answer in their place."
    if ask.kind == LetterKind.REMINDER:
        return f"{because} This is reminder {ask.number}.".strip()
    return because


def _asked_as(ask: AskApprover, person: str, approver: str) -> str:
    if approver == person:
        return ""
    if approver.startswith("group:") and ask.kind != LetterKind.DEPUTY:
        return f"{approver}; one answer counts for the whole group"
    return f"deputy for {approver}"


def _by_the_clock(moment: datetime) -> str:
    return f"{moment:%A, %d %B %Y, %H:%M} UTC"


def _sentence(text: str) -> str:
    line = one_line(text).rstrip(".")
    return f"{line[:1].upper()}{line[1:]}."


def _subject(line: str) -> str:
    """Not too long, and without the mark by which mail programs know text that they must decode first."""
    plain = line.replace("=?", "= ?")
    return plain if len(plain) <= _LONGEST_SUBJECT else plain[: _LONGEST_SUBJECT - 1] + "…"
