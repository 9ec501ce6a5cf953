"""Releases that start themselves: which build makes a release of which pipeline, and the key that makes it one release.

One build of one source has one key, whichever way it was told and however often: by a webhook when it was completed
and again when it was finalized, by five deliveries of either, by the poll that found it as well.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote, unquote

from domain.artifact import VersionOffer
from domain.frozen import Frozen
from domain.pipeline import Artifact, AzurePipelinesSource, JenkinsSource, LatestOf, Pipeline, Source, Trigger
from domain.release import ReleaseRequest

LATEST = "latest"
ASK = "ask"
REQUESTER = "trigger:"
_BRANCH_END = "#"  # as the versions of a multibranch job are spelt
_PULL_REQUEST = "refs/pull/"
_BEFORE_BRANCHES = ("refs/heads/", "refs/remotes/origin/", "refs/remotes/", "origin/")


class TriggerKind(StrEnum):
    """What started a release, or tried to."""

    JENKINS = "jenkins"
    AZURE = "azure"
    WEBHOOK = "webhook"
    POLL = "poll"
    SCHEDULE = "schedule"

    @property
    def requester(self) -> str:
        """Whom the releases name as the one who asked for them."""
        return f"{REQUESTER}{self.value}"


class TriggerOutcome(StrEnum):
    """What became of it: a release will be made of it, was made, was not wanted, or could not be made."""

    WAITING = "waiting"
    MADE = "made"
    IGNORED = "ignored"
    FAILED = "failed"


class NewVersion(Frozen):
    """A good version that came to be. ``tags`` None: nothing was said of them, which is not the same as none.

    ``people`` are the names and addresses of those behind it, as they were told.
    """

    version: str
    label: str = ""
    branch: str | None = None
    tags: tuple[str, ...] | None = None
    is_stable: bool = True
    url: str | None = None
    people: tuple[str, ...] = ()

    @classmethod
    def of(cls, offer: VersionOffer) -> "NewVersion":
        """What a source offers has been chosen by tags and stability already, so that neither is asked again."""
        people = (offer.author,) if offer.author else ()
        known = offer.model_dump(include={"version", "label", "branch", "url"})
        return cls(**known, tags=offer.tags or None, people=people)


class JenkinsBuild(Frozen):
    """A build that Jenkins told of. ``job`` is its path, as ``url`` has it, each name unquoted once."""

    server: str
    job: str
    number: int
    built: NewVersion

    def version_of(self, source: Source) -> NewVersion | None:
        """The version that it is of this source; None when it is no build of it.

        A branch of a multibranch job is a job of its own below it, its slashes quoted in its name.
        """
        if not isinstance(source, JenkinsSource) or source.server != self.server:
            return None
        if _job(source.job) == _job(self.job):
            return self.built
        above, _, name = self.job.rpartition("/")
        if not above or _job(source.job) != _job(above):
            return None
        branch = unquote(name)
        version = f"{branch}{_BRANCH_END}{self.number}"
        return self.built.model_copy(update={"version": version, "branch": self.built.branch or branch})


class AzureBuild(Frozen):
    """A build that Azure DevOps told of: the names and ids that its project and its pipeline go by."""

    connection: str
    projects: tuple[str, ...]
    pipelines: tuple[str, ...]
    built: NewVersion

    def version_of(self, source: Source) -> NewVersion | None:
        """The version that it is of this source; None when it is no build of it."""
        if not isinstance(source, AzurePipelinesSource) or source.connection != self.connection:
            return None
        is_named = _among(source.project, self.projects) and _among(source.pipeline.replace("\\", "/"), self.pipelines)
        return self.built if is_named else None


ToldBuild = JenkinsBuild | AzureBuild


class TriggerEvent(Frozen):
    """Something that is to make a release, told for the first time or again.

    ``via`` is the hook or schedule it came by; ``outcome`` is WAITING, or IGNORED with the ``reason``.
    """

    pipeline: str
    key: str
    kind: TriggerKind
    via: str = ""
    alias: str = ""
    new: NewVersion = NewVersion(version="")
    request: ReleaseRequest = ReleaseRequest()
    outcome: TriggerOutcome = TriggerOutcome.WAITING
    reason: str = ""


class Hit(Frozen):
    """A version that concerns a pipeline: what a release of it takes, or ``why_not`` there is to be none."""

    alias: str
    key: str
    versions: dict[str, str]
    new: NewVersion
    why_not: str = ""

    def event(self, pipeline: str, kind: TriggerKind, via: str) -> TriggerEvent:
        """To be written down, whether or not it is to make a release."""
        return TriggerEvent(
            pipeline=pipeline,
            key=self.key,
            kind=kind,
            via=via,
            alias=self.alias,
            new=self.new,
            request=ReleaseRequest(versions=self.versions),
            outcome=TriggerOutcome.IGNORED if self.why_not else TriggerOutcome.WAITING,
            reason=self.why_not,
        )


def hit_of_build(pipeline: Pipeline, told: ToldBuild) -> Hit | None:
    """What this build is to this pipeline; None when no trigger of it waits for such builds."""
    hits = [
        _hit(pipeline, alias, artifact, new)
        for alias, artifact in pipeline.artifacts.items()
        if artifact.trigger is not None and (new := told.version_of(artifact.source)) is not None
    ]
    return next((hit for hit in hits if not hit.why_not), hits[0] if hits else None)


def hit_of_poll(pipeline: Pipeline, alias: str, offer: VersionOffer) -> Hit:
    """What a version that the source has is to the pipeline."""
    artifact = pipeline.artifacts[alias]
    new = NewVersion.of(offer)
    # The source was asked for the tags; where it does not repeat them, they are there all the same.
    told = new if new.tags else new.model_copy(update={"tags": wanted_of(artifact).tags})
    return _hit(pipeline, alias, artifact, told)


def why_not(artifact: Artifact, new: NewVersion) -> str:
    """Why this version of the artifact makes no release, in words; empty when it makes one. Exclusion wins."""
    trigger = artifact.trigger
    if trigger is None:
        return "the artifact has no trigger"
    return _wrong_branch(_branches(artifact, trigger), trigger.exclude, new.branch) or _wrong_build(artifact, new)


def wanted_of(artifact: Artifact) -> LatestOf:
    """What to ask the source for, so that it leaves out what the trigger would refuse anyway.

    Jenkins is asked for a branch only where the artifact's version names one: to it, that is another job.
    """
    rule = artifact.version if isinstance(artifact.version, LatestOf) else LatestOf()
    trigger = artifact.trigger or Trigger()
    named = _branches(artifact, trigger)
    is_one = len(named) == 1 and "*" not in named[0]
    branch = named[0] if is_one and not (trigger.branches and isinstance(artifact.source, JenkinsSource)) else None
    return LatestOf(branch=branch, tags=tuple(dict.fromkeys((*rule.tags, *trigger.tags))), stable=rule.stable)


def newer(offers: Sequence[VersionOffer], seen: Collection[str]) -> tuple[VersionOffer, ...]:
    """The offers that are new, oldest first; both ``offers`` and ``seen`` as the source lists them, newest first.

    What stands behind all that was seen is older, and came into the list only because something left it.
    """
    last_seen = max((at for at, offer in enumerate(offers) if offer.version in seen), default=len(offers))
    return tuple(reversed([offer for offer in offers[:last_seen] if offer.version not in seen]))


def build_key(source: Source, version: str) -> str:
    """The one key of this version of this source. Which of its files are taken makes no other build of it."""
    return _digest([identity(source), version])


def identity(source: Source) -> str:
    """The same for all artifacts that come from one job, pipeline, repository or place."""
    parts = source.model_dump(mode="json", exclude={"paths", "artifact", "sha256"})
    return _digest([type(source).__name__, parts])


def place_of(artifact: Artifact) -> str:
    """The same as long as the same is asked of the same source: what another question brings up is not new."""
    return _digest([identity(artifact.source), wanted_of(artifact).model_dump(mode="json")])


def schedule_key(number: int, at: datetime) -> str:
    """The one key of one firing of one schedule of a pipeline, counted from 0."""
    return _digest(["schedule", number, at.isoformat()])


def message_key(hook: str, message: str) -> str:
    """The one key of a message that its sender gave an id, and sends again with it."""
    return _digest(["message", hook, message])


def fits(pattern: str, name: str) -> bool:
    """Whether the name is like the pattern, in which ``*`` stands for anything, slashes included."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == first
    *between, last = rest
    if not name.startswith(first) or len(name) < len(first) + len(last) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in between:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def plain_branch(name: str) -> str:
    """Without what git and servers put in front: ``refs/heads/main`` and ``origin/main`` are main."""
    before = next((before for before in _BEFORE_BRANCHES if name.startswith(before)), "")
    return name.removeprefix(before)


def _hit(pipeline: Pipeline, alias: str, artifact: Artifact, new: NewVersion) -> Hit:
    """All artifacts that come from the same place take this very build, but for those whose version is fixed."""
    place = identity(artifact.source)
    versions = {
        other: new.version
        for other, candidate in pipeline.artifacts.items()
        if other == alias or (identity(candidate.source) == place and not is_fixed(candidate))
    }
    key = build_key(artifact.source, new.version)
    return Hit(alias=alias, key=key, versions=versions, new=new, why_not=why_not(artifact, new))


def is_fixed(artifact: Artifact) -> bool:
    """Whether the pipeline names the one version that there will ever be."""
    return isinstance(artifact.version, str) and artifact.version not in (LATEST, ASK)


def _branches(artifact: Artifact, trigger: Trigger) -> tuple[str, ...]:
    """Those of the trigger; else the one whose versions the artifact takes anyway."""
    if not trigger.branches and isinstance(artifact.version, LatestOf) and artifact.version.branch:
        return (artifact.version.branch,)
    return trigger.branches


def _wrong_branch(wanted: Iterable[str], excluded: Iterable[str], branch: str | None) -> str:
    wanted, excluded = tuple(map(plain_branch, wanted)), tuple(map(plain_branch, excluded))
    if branch is None:
        return "its branch is not known, and the trigger is for some branches only" if wanted or excluded else ""
    name = plain_branch(branch)
    against = next((pattern for pattern in excluded if fits(pattern, name)), None)
    if against is not None:
        return f"branch {name} is excluded by {against}"
    if not wanted and name.startswith(_PULL_REQUEST):
        return f"{name} is a pull request; name {_PULL_REQUEST}* under branches to release those"
    if wanted and not any(fits(pattern, name) for pattern in wanted):
        return f"branch {name} is none of {', '.join(wanted)}"
    return ""


def _wrong_build(artifact: Artifact, new: NewVersion) -> str:
    wanted = wanted_of(artifact)
    if wanted.stable and not new.is_stable:
        return "it has failed tests, and the artifact takes stable builds only"
    if wanted.tags and new.tags is None:
        return "its tags were not told; poll the source to trigger by tags"
    missing = [tag for tag in wanted.tags if tag not in (new.tags or ())]
    return f"it lacks the tag {', '.join(missing)}" if missing else ""


def _job(path: str) -> str:
    """One spelling of a job's path. A branch may be written as it is, or as its job is called."""
    return "/".join(quote(unquote(unquote(name)), safe="") for name in path.strip("/").split("/"))


def _among(name: str, names: Iterable[str]) -> bool:
    """Azure DevOps does not tell upper from lower case."""
    return name.strip("/").casefold() in {one.strip("/").casefold() for one in names}


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
