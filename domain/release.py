"""A release: the frozen snapshot of a pipeline, its artifact versions and its variables, and the digest of all that."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime

from domain.approval import Asked
from domain.artifact import PinnedArtifact
from domain.frozen import Frozen
from domain.ids import ReleaseId
from domain.nearest import did_you_mean
from domain.pipeline import Pipeline, PlainVariable
from domain.refusal import Refusal


class ReleaseRequest(Frozen):
    """What a caller asks for. ``versions`` and ``variables`` are by alias and name."""

    versions: dict[str, str] = {}
    variables: dict[str, str] = {}
    manual_stages: tuple[str, ...] = ()
    description: str = ""


class ReleasePlan(Frozen):
    """Everything a release is made of, frozen when it is created. Artifacts are pinned once, by its workflow."""

    id: ReleaseId
    name: str
    revision: int
    pipeline: Pipeline
    requested_by: str
    requested_at: datetime
    description: str = ""
    versions: dict[str, str] = {}
    variables: dict[str, str] = {}
    groups: dict[str, tuple[str, ...]] = {}
    artifacts: tuple[PinnedArtifact, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what is deployed: pipeline, pinned artifacts, chosen variables, groups. Votes bind to it."""
        content = self.model_dump(mode="json", include={"id", "pipeline", "variables", "groups", "artifacts"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def asked(self, approvers: tuple[str, ...]) -> tuple[Asked, ...]:
        """The approvers with the addresses that may answer for them; an unknown group is nobody."""
        return tuple(Asked(approver=a, members=self._members(a)) for a in approvers)

    def _members(self, approver: str) -> tuple[str, ...]:
        group = approver.removeprefix("group:")
        return (approver,) if group == approver else self.groups.get(group, ())


class UnknownStage(Refusal):
    """A stage is named that the pipeline does not have."""


class UnknownArtifact(Refusal):
    """A version is given for an artifact that the pipeline does not have."""


class VersionMissing(Refusal):
    """The artifact's version is to be named when the release is made, and was not."""


class VariableNotSettable(Refusal):
    """The variable does not exist or may not be set when a release is made."""


def freeze(  # noqa: PLR0913  a snapshot has many sides; all are named
    pipeline: Pipeline,
    request: ReleaseRequest,
    *,
    release: ReleaseId,
    revision: int,
    requested_by: str,
    now: datetime,
    groups: Mapping[str, tuple[str, ...]],
) -> ReleasePlan:
    """Make the snapshot; raises a Refusal that names what is wrong with the request."""
    _check(pipeline, request)
    stages = tuple(
        stage.model_copy(update={"manual": True}) if stage.stage in request.manual_stages else stage
        for stage in pipeline.stages
    )
    return ReleasePlan(
        id=release,
        name=release_name(pipeline, release, now, request.variables),
        revision=revision,
        pipeline=pipeline.model_copy(update={"stages": stages}),
        requested_by=requested_by,
        requested_at=now,
        description=request.description,
        versions=request.versions,
        variables=request.variables,
        groups=_members_of(_groups_named(pipeline), groups),
    )


def _check(pipeline: Pipeline, request: ReleaseRequest) -> None:
    known = {stage.stage for stage in pipeline.stages}
    for stage in request.manual_stages:
        if stage not in known:
            raise UnknownStage(f"pipeline {pipeline.pipeline} has no stage {stage}{did_you_mean(stage, known)}")
    _check_versions(pipeline, request)
    for name in request.variables:
        variable = pipeline.variables.get(name)
        if not (isinstance(variable, PlainVariable) and variable.settable):
            raise VariableNotSettable(_not_settable(pipeline, name))


def _not_settable(pipeline: Pipeline, name: str) -> str:
    text = f"variable {name} may not be set for a release of {pipeline.pipeline}"
    settable = [name for name, v in pipeline.variables.items() if isinstance(v, PlainVariable) and v.settable]
    return text + (did_you_mean(name, settable) if name not in pipeline.variables else "")


def _check_versions(pipeline: Pipeline, request: ReleaseRequest) -> None:
    for alias in request.versions:
        if alias not in pipeline.artifacts:
            guess = did_you_mean(alias, pipeline.artifacts)
            raise UnknownArtifact(f"pipeline {pipeline.pipeline} has no artifact {alias}{guess}")
    for alias, artifact in pipeline.artifacts.items():
        if (request.versions.get(alias) or artifact.version) == "ask":
            raise VersionMissing(f"name the version of artifact {alias}: its pipeline asks for it")


def _groups_named(pipeline: Pipeline) -> set[str]:
    policies = [checks.approval for stage in pipeline.stages for checks in (stage.before, stage.after_deployment)]
    approvers = [approver for policy in policies if policy for approver in policy.approvers]
    return {approver.removeprefix("group:") for approver in approvers if approver.startswith("group:")}


def _members_of(named: set[str], groups: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The groups that are named, which a pipeline does in lower case; the exact name goes before another spelling."""
    folded = {name.lower(): members for name, members in sorted(groups.items())}
    return {name: folded[name] for name in sorted(named) if name in folded}


_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


def release_name(pipeline: Pipeline, release: ReleaseId, now: datetime, variables: Mapping[str, str]) -> str:
    """Fill the pipeline's mask: ``{pipeline}``, ``{number}``, ``{date}`` and plain variables; unknown names stay."""
    values = {name: v.value for name, v in pipeline.variables.items() if isinstance(v, PlainVariable)}
    values |= dict(variables)
    values |= {"pipeline": release.pipeline, "number": str(release.number), "date": now.strftime("%Y%m%d")}
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), pipeline.release_name)[:200]
