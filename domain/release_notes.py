"""The release notes of a release at one stage, as plain text that reads well as Markdown, too."""

from collections.abc import Iterator

from domain.artifact import Change
from domain.changes import ArtifactChange, StageChanges, Way, headline
from domain.plain_text import one_line, printable
from domain.release import ReleasePlan


def release_notes(plan: ReleasePlan, changes: StageChanges) -> str:
    """Name, description, and what the release changes in the stage."""
    title = one_line(changes.name)
    lines = [title, "=" * len(title), "", _origin(plan), ""]
    if plan.description:
        lines += [printable(plan.description), ""]
    heading = f"What changes in {one_line(changes.stage)}"
    lines += [heading, "-" * len(heading), "", one_line(changes.summary)]
    for artifact in changes.artifacts:
        lines += ["", *_artifact(artifact)]
    return "\n".join(lines) + "\n"


def _origin(plan: ReleasePlan) -> str:
    requester = one_line(plan.requested_by)
    person = f" for {one_line(plan.requested_for)}" if plan.requested_for not in {"", plan.requested_by} else ""
    return f"Requested by {requester}{person}, {plan.requested_at:%d %B %Y, %H:%M} UTC."


def _artifact(artifact: ArtifactChange) -> Iterator[str]:
    yield f"{artifact.alias}: {one_line(artifact.versions)}"
    if artifact.unknown:
        yield f"  {one_line(artifact.unknown)}"
    if artifact.way == Way.CHANGED:
        yield "  Which of the two is the newer one is not known."
    if artifact.is_taken_away and artifact.commits:
        yield "  These commits are taken away:"
    for commit in artifact.commits:
        yield f"  - {_commit(commit)}"
    if artifact.left_out:
        yield f"  - and {artifact.left_out} more"


def _commit(commit: Change) -> str:
    told = [f"build {commit.version}"] if commit.version else []
    who = ", ".join([*([commit.author] if commit.author else []), *told])
    return one_line(f"{commit.commit[:8]} {headline(commit.message)}") + (f" ({one_line(who)})" if who else "")
