"""What a deployment changes in its stage, beside the last good deployment of another release there.

Never beside the release itself: who deploys a stage again still wants to know what the release brings.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from domain.artifact import Change, PinnedArtifact
from domain.frozen import Frozen
from domain.ids import Slug
from domain.release import ReleasePlan

MOST_COMMITS = 200
_LONGEST_MESSAGE = 1000
_LONGEST_WORD = 300
_NUMBERS = re.compile(r"[vV]?([0-9]{1,18}(?:\.[0-9]{1,18})*)")


class Way(StrEnum):
    """How an artifact changes. ``CHANGED``: it is another one, and nobody can say which is the newer."""

    SAME = "same"
    NEWER = "newer"
    ROLLED_BACK = "rolled back"
    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"


class Base(Frozen):
    """The last good deployment of another release at the stage: what is there now."""

    release: str
    name: str
    deployment: str
    finished_at: datetime | None = None


class ArtifactChange(Frozen):
    """One artifact. ``before`` is None where none is there, ``after`` where the release has none.

    ``commits``, newest first, come with it, or are taken away by a rollback; ``left_out`` says how many more there
    are, and ``unknown`` in one sentence why they could not be found. ``note`` is what nobody expects of it.
    """

    alias: Slug
    way: Way
    before: PinnedArtifact | None = None
    after: PinnedArtifact | None = None
    note: str = ""
    commits: tuple[Change, ...] = ()
    left_out: int = 0
    unknown: str = ""

    @property
    def is_taken_away(self) -> bool:
        """Whether the commits are in the stage now, and will not be any more."""
        return self.way == Way.ROLLED_BACK

    @property
    def commit_count(self) -> int:
        return len(self.commits) + self.left_out

    @property
    def versions(self) -> str:
        """Such as ``141 → 142``, ``142 (unchanged)``, ``142 → 141 (rolled back, the same bytes)``."""
        pins = [pin.version for pin in (self.before, self.after) if pin]
        shown = pins[-1:] if self.way == Way.SAME else pins
        words = [word for word in (_WORDS.get(self.way, ""), self.note) if word]
        return " → ".join(shown) + (f" ({', '.join(words)})" if words else "")


_WORDS = {
    Way.SAME: "unchanged",
    Way.NEW: "new",
    Way.GONE: "no longer part of it",
    Way.ROLLED_BACK: "rolled back",
}


class StageChanges(Frozen):
    """All artifacts of a release at a stage: in the release's order, then those that are gone."""

    release: str
    name: str
    stage: str
    base: Base | None = None
    artifacts: tuple[ArtifactChange, ...] = ()

    @property
    def is_first(self) -> bool:
        """Whether no other release was ever deployed there with success."""
        return self.base is None

    @property
    def is_rollback(self) -> bool:
        """Whether something goes back, and nothing forth."""
        ways = {artifact.way for artifact in self.artifacts}
        return Way.ROLLED_BACK in ways and Way.NEWER not in ways

    @property
    def is_nothing(self) -> bool:
        """Whether the very same bytes are there already."""
        return not self.is_first and all(artifact.way == Way.SAME for artifact in self.artifacts)

    @property
    def summary(self) -> str:
        """One sentence: ``Since webshop-40: web 141 → 142; 12 commits.``."""
        if self.base is None:
            return f"The first release in {self.stage}: no other one was deployed there with success."
        if not self.artifacts:
            return "No artifacts, neither in this release nor in the one before."
        if self.is_nothing:
            return f"Nothing changes since {self.base.name}."
        parts = [f"{one.alias} {one.versions}" for one in self.artifacts if one.way != Way.SAME]
        text = "; ".join([", ".join(parts), *_counted(self.artifacts)])
        return f"{'Rollback from' if self.is_rollback else 'Since'} {self.base.name}: {text}."


class Found(Frozen):
    """What a source said of one artifact's commits: these, or why there is nothing to say."""

    commits: tuple[Change, ...] = ()
    unknown: str = ""


class Span(Frozen):
    """The commits to ask a source for: those after ``since``, up to ``until``."""

    since: str
    until: str


def compare(plan: ReleasePlan, stage: str, base: Base | None, there: ReleasePlan | None) -> StageChanges:
    """``there`` is the plan of the base. Knows no commits yet."""
    before = {pin.alias: pin for pin in there.artifacts} if there else {}
    after = {pin.alias: pin for pin in plan.artifacts}
    aliases = (*after, *(alias for alias in before if alias not in after))
    return StageChanges(
        release=str(plan.id),
        name=plan.name,
        stage=stage,
        base=base,
        artifacts=tuple(
            _change(alias, before.get(alias), after.get(alias), is_same_source=_is_same_source(alias, there, plan))
            for alias in aliases
        ),
    )


def span(change: ArtifactChange) -> Span | None:
    """Which commits to ask for; None where there are none, or the source cannot know."""
    old, new = change.before, change.after
    if old is None or new is None or old.version == new.version or change.note == _OTHER_SOURCE:
        return None
    if change.is_taken_away:
        return Span(since=new.version, until=old.version)
    return Span(since=old.version, until=new.version)


def with_found(change: ArtifactChange, found: Found) -> ArtifactChange:
    """The change with its commits: not too many of them, and none too long."""
    kept = tuple(_cut(commit) for commit in found.commits[:MOST_COMMITS])
    left_out = len(found.commits) - len(kept)
    return change.model_copy(update={"commits": kept, "left_out": left_out, "unknown": found.unknown})


def headline(message: str) -> str:
    """The first line of a commit's message that says something."""
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


_OTHER_BYTES = "other bytes under the same version"
_SAME_BYTES = "the same bytes"
_OTHER_SOURCE = "from another source"


def _change(
    alias: str, old: PinnedArtifact | None, new: PinnedArtifact | None, *, is_same_source: bool
) -> ArtifactChange:
    if old is None or new is None:
        return ArtifactChange(alias=alias, way=Way.NEW if old is None else Way.GONE, before=old, after=new)
    is_same_version, is_same_bytes = old.version == new.version, old.digest == new.digest
    if is_same_version and is_same_bytes:
        return ArtifactChange(alias=alias, way=Way.SAME, before=old, after=new)
    note = _OTHER_BYTES if is_same_version else _SAME_BYTES if is_same_bytes else ""
    note = note if is_same_source else _OTHER_SOURCE
    way = _by_age(old, new, is_same_source=is_same_source)
    return ArtifactChange(alias=alias, way=way, before=old, after=new, note=note)


def _by_age(old: PinnedArtifact, new: PinnedArtifact, *, is_same_source: bool) -> Way:
    """By the time of the builds and by their numbers, which must not say the opposite of each other."""
    ways = {_by_time(old.built_at, new.built_at)}
    if is_same_source:
        ways.add(_by_number(_numbers(old.version), _numbers(new.version)))
    ways.discard(None)
    return ways.pop() or Way.CHANGED if len(ways) == 1 else Way.CHANGED


def _by_time(old: datetime | None, new: datetime | None) -> Way | None:
    if not (old and new and old.tzinfo and new.tzinfo) or old == new:
        return None
    return Way.NEWER if new > old else Way.ROLLED_BACK


def _by_number(old: tuple[int, ...], new: tuple[int, ...]) -> Way | None:
    """Numbers with more or fewer parts are of another kind."""
    if not old or len(old) != len(new) or old == new:
        return None
    return Way.NEWER if new > old else Way.ROLLED_BACK


def _numbers(version: str) -> tuple[int, ...]:
    """``(2, 14, 0)`` of ``v2.14.0``; nothing for what is no number."""
    found = _NUMBERS.fullmatch(version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _is_same_source(alias: str, there: ReleasePlan | None, plan: ReleasePlan) -> bool:
    """Whether both come from the same place; which of its files are taken may differ."""
    artifacts = [known.pipeline.artifacts.get(alias) for known in (there, plan) if known]
    places = [artifact.source.model_dump(exclude={"paths", "sha256"}) for artifact in artifacts if artifact]
    return all(place == places[0] for place in places)


def _counted(artifacts: Iterable[ArtifactChange]) -> list[str]:
    """How many commits come, and how many go."""
    known = [artifact for artifact in artifacts if artifact.commits]
    coming = sum(artifact.commit_count for artifact in known if not artifact.is_taken_away)
    going = sum(artifact.commit_count for artifact in known if artifact.is_taken_away)
    told = [(coming, ""), (going, " taken away")]
    return [f"{count} commit{'s' if count > 1 else ''}{what}" for count, what in told if count]


def _cut(commit: Change) -> Change:
    """So that no message, however long, fills the tables and mails."""
    short = {name: getattr(commit, name)[:_LONGEST_WORD] for name in ("version", "commit")}
    author = commit.author[:_LONGEST_WORD] if commit.author else None
    url = commit.url if commit.url and len(commit.url) <= _LONGEST_MESSAGE else None
    return commit.model_copy(
        update=short | {"message": commit.message[:_LONGEST_MESSAGE], "author": author, "url": url}
    )
