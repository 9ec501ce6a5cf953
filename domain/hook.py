"""Hooks: named places where other systems tell of builds, or ask for releases."""

from enum import StrEnum

from domain.frozen import Frozen
from domain.ids import Slug


class HookKind(StrEnum):
    """Who speaks there, and in which shape."""

    JENKINS = "jenkins"
    AZURE = "azure"
    GENERIC = "generic"


class Hook(Frozen):
    """One of them. ``connection`` is the Jenkins or Azure DevOps whose builds it tells of.

    ``project`` is what pipelines call the Azure project, where its events name another. A generic hook starts releases
    of its ``pipelines``, for which its ``owner`` answers: they count as requester, as do the owners of services.
    """

    name: Slug
    kind: HookKind
    connection: Slug | None = None
    project: str | None = None
    pipelines: tuple[Slug, ...] = ()
    owner: str
