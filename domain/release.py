"""A release: the frozen snapshot of a pipeline, its artifact versions and its variables, and the digest of all that."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from domain.approval import Asked, Moment
from domain.approval_places import one_person_too_often
from domain.artifact import PinnedArtifact
from domain.frozen import Frozen
from domain.ids import ReleaseId
from domain.nearest import did_you_mean
from domain.person import Requester, spelled
from domain.pipeline import Job, Pipeline, PlainVariable
from domain.refusal import Refusal


class ReleaseRequest(Frozen):
    """What a caller asks for. ``versions`` and ``variables`` are by alias and name.

    ``requested_for`` is the person in whose interest a service asks; they count as a requester too.
    """

    versions: dict[str, str] = {}
    variables: dict[str, str] = {}
    manual_stages: tuple[str, ...] = ()
    description: str = ""
    requested_for: str = ""


class ReleasePlan(Frozen):
    """Everything a release is made of, frozen when it is created. Artifacts are pinned once, by its workflow.

    ``requester_addresses`` are all of the people behind ``requested_by``; ``people`` says which person an address
    that the policies name belongs to, where that is another address. ``changed_by`` are those who changed it since.
    ``requested_for`` is the person a service asked for, to be shown: their addresses are the requester's already.
    """

    id: ReleaseId
    name: str
    revision: int
    pipeline: Pipeline
    requested_by: str
    requester_addresses: tuple[str, ...] = ()
    requested_for: str = ""
    requested_at: datetime
    description: str = ""
    versions: dict[str, str] = {}
    variables: dict[str, str] = {}
    groups: dict[str, tuple[str, ...]] = {}
    people: dict[str, str] = {}
    changed_by: tuple[str, ...] = ()
    artifacts: tuple[PinnedArtifact, ...] = ()

    @property
    def requester(self) -> Requester:
        return Requester(name=self.requested_by, addresses=self.requester_addresses)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what is deployed: pipeline, pinned artifacts, chosen variables, groups. Votes bind to it.

        Defaults are left out, so that a field added to the format later changes the digest of no earlier plan.
        """
        included = {"id", "pipeline", "variables", "groups", "artifacts"}
        content = self.model_dump(mode="json", include=included, exclude_defaults=True)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def artifacts_of(self, job: Job) -> tuple[PinnedArtifact, ...]:
        """What the job downloads, in the plan's order."""
        if job.download == "none":
            return ()
        return tuple(pin for pin in self.artifacts if job.download == "all" or pin.alias in job.download)

    def asked(self, approvers: tuple[str, ...]) -> tuple[Asked, ...]:
        """The approvers with the addresses that may answer for them; an unknown group is nobody."""
        return tuple(Asked(approver=a, members=self.members((a,))) for a in approvers)

    def members(self, approvers: tuple[str, ...]) -> tuple[str, ...]:
        """The people behind these approvers, each once."""
        people: list[str] = []
        for approver in approvers:
            group = approver.removeprefix("group:")
            people += (self.people.get(approver, approver),) if group == approver else self.groups.get(group, ())
        return tuple(dict.fromkeys(people))


class UnknownStage(Refusal):
    """A stage is named that the pipeline does not have."""


class UnknownArtifact(Refusal):
    """A version is given for an artifact that the pipeline does not have."""


class VersionMissing(Refusal):
    """The artifact's version is to be named when the release is made, and was not."""


class ApproversAreOnePerson(Refusal):
    """An approval needs more people than it asks, because two names are those of one person."""


class VariableNotSettable(Refusal):
    """The variable does not exist or may not be set when a release is made."""


def freeze(  # noqa: PLR0913  a snapshot has many sides; all are named
    pipeline: Pipeline,
    request: ReleaseRequest,
    *,
    release: ReleaseId,
    revision: int,
    requester: Requester,
    now: datetime,
    groups: Mapping[str, tuple[str, ...]],
    people: Mapping[str, str],
) -> ReleasePlan:
    """Make the snapshot; raises a Refusal that names what is wrong with the request.

    ``people`` gives the person of every address that is not the one they are kept under.
    """
    _check(pipeline, request)
    _check_approvers(pipeline, people)
    stages = tuple(
        stage.model_copy(update={"manual": True}) if stage.stage in request.manual_stages else stage
        for stage in pipeline.stages
    )
    return ReleasePlan(
        id=release,
        name=release_name(pipeline, release, now, request.variables),
        revision=revision,
        pipeline=pipeline.model_copy(update={"stages": stages}),
        requested_by=requester.name,
        requester_addresses=requester.addresses,
        requested_for=people.get(spelled(request.requested_for), request.requested_for),
        requested_at=now,
        description=request.description,
        versions=request.versions,
        variables=request.variables,
        groups=_members_of(groups_named(pipeline), groups, people),
        people={name: people[spelled(name)] for name in sorted(_named(pipeline)) if spelled(name) in people},
    )


def require_settable(plan: ReleasePlan, names: Iterable[str]) -> None:
    """Raise VariableNotSettable for the first variable that may not be set for this release."""
    for name in names:
        _check_variable(plan.pipeline, name)


def with_change(plan: ReleasePlan, variables: Mapping[str, str], changed_by: Requester) -> ReleasePlan:
    """The plan with these variables set otherwise. Who changed it counts as a requester from now on."""
    addresses = dict.fromkeys((*plan.requester_addresses, *changed_by.addresses))
    return plan.model_copy(
        update={
            "variables": {**plan.variables, **variables},
            "changed_by": tuple(dict.fromkeys((*plan.changed_by, changed_by.name))),
            "requester_addresses": tuple(addresses),
        }
    )


def groups_named(pipeline: Pipeline) -> set[str]:
    """The groups that its policies name, as approvers or as deputies."""
    return {name.removeprefix("group:") for name in _named(pipeline) if name.startswith("group:")}


def _check(pipeline: Pipeline, request: ReleaseRequest) -> None:
    known = {stage.stage for stage in pipeline.stages}
    for stage in request.manual_stages:
        if stage not in known:
            raise UnknownStage(f"pipeline {pipeline.pipeline} has no stage {stage}{did_you_mean(stage, known)}")
    _check_versions(pipeline, request)
    for name in request.variables:
        _check_variable(pipeline, name)


def _check_variable(pipeline: Pipeline, name: str) -> None:
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
            raise VersionMissing(
                f"name the version of artifact {alias}, for which the pipeline asks; "
                f"`slipway pipeline versions {pipeline.pipeline} {alias}` lists the recent ones"
            )


def _check_approvers(pipeline: Pipeline, people: Mapping[str, str]) -> None:
    for stage in pipeline.stages:
        for moment, checks in ((Moment.BEFORE, stage.before), (Moment.AFTER, stage.after_deployment)):
            names = one_person_too_often(checks.approval, people) if checks.approval else ()
            if names:
                raise ApproversAreOnePerson(
                    f"the approval {moment} the deployment to {stage.stage} could never be given: "
                    f"{' and '.join(names)} are the same person, who counts once; name somebody else in the pipeline"
                )


def _named(pipeline: Pipeline) -> set[str]:
    """Everybody whom the pipeline's policies name."""
    policies = [checks.approval for stage in pipeline.stages for checks in (stage.before, stage.after_deployment)]
    return {name for policy in policies if policy for name in policy.named}


def _members_of(
    named: set[str], groups: Mapping[str, tuple[str, ...]], people: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The groups that are named, which a pipeline does in lower case; the exact name goes before another spelling."""
    folded = {name.lower(): members for name, members in sorted(groups.items())}
    return {
        name: tuple(dict.fromkeys(people.get(spelled(member), member) for member in folded[name]))
        for name in sorted(named)
        if name in folded
    }


_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


def release_name(pipeline: Pipeline, release: ReleaseId, now: datetime, variables: Mapping[str, str]) -> str:
    """Fill the pipeline's mask: ``{pipeline}``, ``{number}``, ``{date}`` and plain variables; unknown names stay."""
    values = {name: v.value for name, v in pipeline.variables.items() if isinstance(v, PlainVariable)}
    values |= dict(variables)
    values |= {"pipeline": release.pipeline, "number": str(release.number), "date": now.strftime("%Y%m%d")}
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), pipeline.release_name)[:200]
