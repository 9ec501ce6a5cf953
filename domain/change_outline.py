"""What a deployment changes, in so few words that they fit into a mail."""

from domain.artifact import Change
from domain.changes import ArtifactChange, StageChanges, headline
from domain.frozen import Frozen

_MOST_LINES = 10
_MOST_ARTIFACTS = 20
_LONGEST_LINE = 100


class OutlinedArtifact(Frozen):
    """One artifact: ``web 141 → 142``, a few of its commits, how many more there are, and what is not known."""

    text: str
    commits: tuple[str, ...] = ()
    more: int = 0
    is_taken_away: bool = False
    unknown: str = ""


class Outline(Frozen):
    """The changes in short. ``since`` is the name of the release that is there now; empty for a first deployment."""

    since: str = ""
    is_rollback: bool = False
    artifacts: tuple[OutlinedArtifact, ...] = ()
    more_artifacts: int = 0


def outline(changes: StageChanges) -> Outline:
    """At most ten commits in all, shared among the artifacts in their order."""
    left, outlined = _MOST_LINES, []
    for artifact in changes.artifacts[:_MOST_ARTIFACTS]:
        outlined.append(_outlined(artifact, left))
        left -= len(outlined[-1].commits)
    return Outline(
        since=changes.base.name if changes.base else "",
        is_rollback=changes.is_rollback,
        artifacts=tuple(outlined),
        more_artifacts=max(0, len(changes.artifacts) - _MOST_ARTIFACTS),
    )


def commit_line(commit: Change) -> str:
    """``3f2a91bc Fix the cart (Ana Lima)``."""
    author = f" ({commit.author})" if commit.author else ""
    return f"{commit.commit[:8]} {_short(headline(commit.message), _LONGEST_LINE)}".strip() + _short(author, 60)


def _outlined(artifact: ArtifactChange, left: int) -> OutlinedArtifact:
    shown = artifact.commits[:left]
    return OutlinedArtifact(
        text=f"{artifact.alias} {artifact.versions}",
        commits=tuple(commit_line(commit) for commit in shown),
        more=artifact.commit_count - len(shown),
        is_taken_away=artifact.is_taken_away,
        unknown=artifact.unknown,
    )


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
