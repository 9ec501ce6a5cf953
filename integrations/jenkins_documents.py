"""What is read of Jenkins' answers: builds and jobs, with the commits that came in, in either shape."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import AliasChoices, Field

from domain.frozen import Frozen

_REVISION = "actions[lastBuiltRevision[SHA1,branch[name]]]"
_AUTHORS = "items[commitId,timestamp,author[fullName]]"
_CHANGES = "items[commitId,timestamp,author[fullName],msg]"
_BUILD = f"number,building,result,timestamp,{_REVISION}"
RECENT = f"{_BUILD},changeSet[{_AUTHORS}],changeSets[{_AUTHORS}]"
HISTORY = f"{_BUILD},changeSet[{_CHANGES}],changeSets[{_CHANGES}]"
NUMBERS = "nextBuildNumber,firstBuild[number]"
ABOUT = f"name,disabled,{NUMBERS},jobs[name]{{0,5}}"
FILES = "number,building,timestamp,artifacts[relativePath]"
WHOLE = f"{RECENT},artifacts[relativePath],fingerprint[fileName,hash,original[name]]"
GOOD = frozenset({"SUCCESS", "UNSTABLE"})
STABLE = frozenset({"SUCCESS"})


class Head(NamedTuple):
    """The commit that was built, and its branch."""

    commit: str | None
    branch: str | None


class _ArchivedFile(Frozen):
    path: str = Field(alias="relativePath")

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class _Branch(Frozen):
    name: str | None = None


class _Revision(Frozen):
    commit: str = Field(alias="SHA1")
    branch: tuple[_Branch, ...] | None = None

    @property
    def head(self) -> Head:
        """Without the names git gives to remote branches."""
        names = [branch.name for branch in self.branch or () if branch.name]
        branch = names[0].removeprefix("refs/remotes/").removeprefix("origin/") if names else None
        return Head(self.commit or None, branch)


class _Action(Frozen):
    """Most actions are of no interest, and some are empty objects."""

    revision: _Revision | None = Field(alias="lastBuiltRevision", default=None)


class _Author(Frozen):
    name: str | None = Field(alias="fullName", default=None)


class Commit(Frozen):
    """``timestamp`` is in milliseconds since 1970, and -1 where the version control does not tell."""

    id: str | None = Field(alias="commitId", default=None)
    message: str | None = Field(alias="msg", default=None)
    timestamp: int = -1
    author: _Author | None = None

    @property
    def at(self) -> datetime | None:
        return moment(self.timestamp) if self.timestamp > 0 else None

    @property
    def author_name(self) -> str | None:
        return (self.author.name if self.author else None) or None


class _ChangeSet(Frozen):
    items: tuple[Commit, ...] = ()


class _Original(Frozen):
    name: str = ""


class _Fingerprint(Frozen):
    """An MD5 that Jenkins recorded; ``original`` is null for files that no job of it made."""

    file_name: str = Field(alias="fileName", default="")
    hash: str = ""
    original: _Original | None = None


class BuildDocument(Frozen):
    """A build. ``timestamp`` is in milliseconds since 1970.

    A freestyle build has one ``changeSet``, that of a pipeline has ``changeSets``, one for each checkout.
    """

    number: int
    building: bool
    result: str | None = None
    timestamp: int
    artifacts: tuple[_ArchivedFile, ...] = ()
    actions: tuple[_Action | None, ...] = ()
    fingerprints: tuple[_Fingerprint, ...] = Field(alias="fingerprint", default=())
    change_set: _ChangeSet | None = Field(alias="changeSet", default=None)
    change_sets: tuple[_ChangeSet, ...] = Field(alias="changeSets", default=())

    @property
    def built_at(self) -> datetime:
        return moment(self.timestamp)

    def head(self, branch: str) -> Head:
        """What was built: of that branch, or else what was checked out first, which may be a library of pipelines."""
        heads = [action.revision.head for action in self.actions if action and action.revision]
        return next((head for head in heads if head.branch == branch), heads[0] if heads else Head(None, None))

    @property
    def author(self) -> str | None:
        """Who made the newest commit that came in with this build."""
        newest = next(iter(self.commits()), None)
        return newest.author_name if newest else None

    def commits(self) -> Iterator[Commit]:
        """What came in with this build, newest first: version controls do not agree on an order."""
        for changes in (*([self.change_set] if self.change_set else []), *self.change_sets):
            items = changes.items
            yield from reversed(items) if self._is_newest(items) else items

    def _is_newest(self, items: tuple[Commit, ...]) -> bool:
        """Whether the last one is the newest: the one that was built, or else by the time."""
        if not items:
            return False
        built = {action.revision.commit for action in self.actions if action and action.revision}
        if {items[0].id, items[-1].id} & built:
            return items[0].id not in built
        return items[-1].timestamp > items[0].timestamp

    def md5s(self, job: str) -> dict[str, str]:
        """What Jenkins recorded of the archived files, by path.

        It knows files by name only, and also those that the build took from elsewhere; so a name counts when it is
        that of one archived file, and of one file that builds of this very ``job`` made.
        """
        names = Counter(file.name for file in self.artifacts)
        found = {one.file_name: one.hash for one in self.fingerprints}
        made = Counter(one.file_name for one in self.fingerprints)
        own = {one.file_name for one in self.fingerprints if one.original and one.original.name == job}
        return {
            file.path: found[file.name]
            for file in self.artifacts
            if file.name in own and names[file.name] == 1 and made[file.name] == 1
        }


class _Number(Frozen):
    number: int


class JobDocument(Frozen):
    """A job with its newest builds, or a folder with its jobs; the builds come newest first."""

    java_class: str = Field(alias="_class", default="")
    name: str = ""
    disabled: bool = False
    next_number: int = Field(alias="nextBuildNumber", default=0)
    first: _Number | None = Field(alias="firstBuild", default=None)
    builds: tuple[BuildDocument, ...] = Field(validation_alias=AliasChoices("builds", "allBuilds"), default=())
    jobs: tuple["JobDocument", ...] = ()

    @property
    def has_branches(self) -> bool:
        return "MultiBranch" in self.java_class


def moment(milliseconds: int) -> datetime:
    """Since 1970, as Jenkins counts."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
