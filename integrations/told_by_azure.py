"""What Azure DevOps' service hook ``build.complete`` tells of a build, in the resource versions 1.0 and 2.0.

1.0 names the project by its id alone and puts the result into ``status``; 2.0 tells the build as its API does.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, ValidationError

from domain.frozen import Frozen
from domain.refusal import Refusal
from domain.trigger import AzureBuild, NewVersion, plain_branch

EVENT = "build.complete"
_SUCCEEDED = "succeeded"
_GIT = "LG"


class UnreadableEvent(Refusal):
    """The body is no event of a service hook of Azure DevOps."""


class _Person(Frozen):
    uniqueName: str | None = None  # noqa: N815  as Azure DevOps does
    displayName: str | None = None  # noqa: N815


class _Request(Frozen):
    requestedFor: _Person | None = None  # noqa: N815


class _Named(Frozen):
    id: str | int | None = None
    name: str | None = None


class _Definition(_Named):
    path: str = ""
    project: _Named = _Named()


class _Build(Frozen):
    id: Annotated[int, Field(ge=1, le=2**53)]
    buildNumber: str = ""  # noqa: N815
    status: str | None = None
    result: str | None = None
    definition: _Definition
    project: _Named = _Named()
    sourceBranch: str | None = None  # noqa: N815
    sourceGetVersion: str | None = None  # noqa: N815
    requestedFor: _Person | None = None  # noqa: N815
    requestedBy: _Person | None = None  # noqa: N815
    requests: tuple[_Request, ...] = ()
    tags: tuple[str, ...] | None = None

    @property
    def branch(self) -> str | None:
        """``LG:refs/heads/main:<commit>`` in 1.0, for git."""
        if self.sourceBranch is not None:
            return plain_branch(self.sourceBranch)
        system, _, rest = (self.sourceGetVersion or "").partition(":")
        name = rest.rpartition(":")[0]
        return plain_branch(name) if system == _GIT and name else None

    @property
    def people(self) -> Iterator[str]:
        for person in (*(request.requestedFor for request in self.requests), self.requestedFor, self.requestedBy):
            if person is not None:
                yield from (name for name in (person.uniqueName, person.displayName) if name)


class _Containers(Frozen):
    project: _Named = _Named()


class _Event(Frozen):
    eventType: str  # noqa: N815
    resource: _Build | None = None
    resourceContainers: _Containers = _Containers()  # noqa: N815


class _AnyEvent(Frozen):
    eventType: str  # noqa: N815


def read(told: object, connection: str, project: str | None) -> AzureBuild | str:
    """The build that succeeded; or in words why there is none. Raises UnreadableEvent.

    ``project`` is what pipelines call the project of this hook, for events that do not name it.
    """
    event = _read(told)
    if isinstance(event, str):
        return event
    build = event.resource
    assert build is not None, "an event of a build has one"
    what = f"build {build.buildNumber or build.id}"
    result = build.result or build.status
    if result != _SUCCEEDED:
        return f"{what} did not succeed: {result}"[:500]
    projects = (event.resourceContainers.project, build.project, build.definition.project)
    is_named = any(one.name for one in projects)
    built = NewVersion(
        version=str(build.id),
        label=build.buildNumber,
        branch=build.branch,
        tags=build.tags or None,
        people=tuple(dict.fromkeys(build.people)),
    )
    return AzureBuild(
        connection=connection,
        projects=tuple(dict.fromkeys((*_names(*projects), *([project] if project and not is_named else [])))),
        pipelines=tuple(dict.fromkeys(_pipelines(build.definition))),
        built=built,
    )


def _read(told: object) -> _Event | str:
    try:
        kind = _AnyEvent.model_validate(told).eventType
        if kind != EVENT:
            return f"the event {kind} tells of no build that is complete"[:500]
        event = _Event.model_validate(told)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UnreadableEvent(f"this is no event of a service hook: look at {place or 'it'}") from None
    if event.resource is None:
        return "the event has no resource; let the service hook send all details (resource details to send: all)"
    return event


def _names(*named: _Named) -> Iterator[str]:
    for one in named:
        yield from (str(name) for name in (one.id, one.name) if name)


def _pipelines(definition: _Definition) -> Iterator[str]:
    yield from _names(definition)
    if definition.name:
        yield f"{definition.path}/{definition.name}".replace("\\", "/")
