"""What is read of Azure DevOps' answers. It leaves out what it does not know, or says it in odd ways."""

from datetime import UTC, datetime

from pydantic import Field

from domain.frozen import Frozen

_NEVER = "0001-01-01"


def date_of(text: str | None) -> datetime | None:
    """Dates have up to seven digits of a second, of which six are kept; a year 1 means never."""
    whole, _, fraction = (text or "").rstrip("Z").partition(".")
    if not whole or whole.startswith(_NEVER):
        return None
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}").replace(tzinfo=UTC)


class DefinitionDocument(Frozen):
    """A pipeline."""

    id: int
    name: str
    path: str = ""

    def is_in(self, folder: str) -> bool:
        return not folder or self.path.replace("\\", "/").strip("/").casefold() == folder.strip("/").casefold()


class DefinitionsDocument(Frozen):
    """Pipelines of a name."""

    value: tuple[DefinitionDocument, ...]


class PersonDocument(Frozen):
    """Who did something; services have names, too."""

    name: str | None = Field(alias="displayName", default=None)


class RunDocument(Frozen):
    """One run of a pipeline."""

    id: int
    status: str
    number: str = Field(alias="buildNumber", default="")
    ref: str | None = Field(alias="sourceBranch", default=None)
    commit: str | None = Field(alias="sourceVersion", default=None)
    finished: str | None = Field(alias="finishTime", default=None)
    person: PersonDocument | None = Field(alias="requestedFor", default=None)
    tags: tuple[str, ...] = ()
    deleted: bool = False
    definition: DefinitionDocument

    @property
    def finished_at(self) -> datetime | None:
        return date_of(self.finished)

    @property
    def branch(self) -> str | None:
        return self.ref and self.ref.removeprefix("refs/heads/")

    @property
    def author(self) -> str | None:
        return self.person.name if self.person else None


class RunsDocument(Frozen):
    """Runs, in the order that was asked for."""

    value: tuple[RunDocument, ...]


class ChangeDocument(Frozen):
    """A commit; of a long message only the beginning comes."""

    id: str
    message: str | None = None
    person: PersonDocument | None = Field(alias="author", default=None)
    timestamp: str | None = None
    page: str | None = Field(alias="displayUri", default=None)


class ChangesDocument(Frozen):
    """Commits, newest first."""

    value: tuple[ChangeDocument, ...]


class ResourceDocument(Frozen):
    """Where an artifact is kept; what ``data`` says depends on the type."""

    type: str
    data: str | None = None
    download_url: str | None = Field(alias="downloadUrl", default=None)


class BlobDocument(Frozen):
    """Where the bytes of a file are."""

    id: str
    size: int


class ManifestItemDocument(Frozen):
    """A file of a pipeline artifact; links have no bytes."""

    path: str
    blob: BlobDocument | None = None


class ManifestDocument(Frozen):
    """What is in a pipeline artifact."""

    items: tuple[ManifestItemDocument, ...]
    references: tuple[object, ...] = Field(alias="manifestReferences", default=())


class PublishedDocument(Frozen):
    """A published artifact."""

    name: str
    resource: ResourceDocument


class PublishedListDocument(Frozen):
    """All artifacts of a run."""

    value: tuple[PublishedDocument, ...]
