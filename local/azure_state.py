"""What the Azure DevOps stand-in holds: projects, pipelines, builds and their published artifacts."""

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from local.faults import Faults


class ArtifactKind(StrEnum):
    """How an artifact is published; ``GitRef`` is one that has nothing to download."""

    CONTAINER = "Container"
    PIPELINE_ARTIFACT = "PipelineArtifact"
    GIT_REF = "GitRef"


@dataclass
class PublishedArtifact:
    """A named set of files of one build. Some real answers lack ``downloadUrl`` and ``artifactsize``."""

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    kind: ArtifactKind = ArtifactKind.CONTAINER
    number: int = 440
    has_download_url: bool = True
    has_size: bool = True
    has_manifest: bool = True

    @property
    def manifest(self) -> dict[str, object]:
        """The list of the files, as the service keeps it for pipeline artifacts."""
        items = [
            {"path": f"/{path}", "blob": {"id": blob_id(data), "size": len(data)}} for path, data in self.files.items()
        ]
        return {"manifestFormat": "1.1.0", "items": items, "manifestReferences": []}

    @property
    def manifest_id(self) -> str:
        return blob_id(json.dumps(self.manifest).encode())


def blob_id(data: bytes) -> str:
    """Ids are made of the content: a hash of 32 bytes, and how it was cut, which is 01 for whole ones."""
    return hashlib.sha512(data).hexdigest()[:64].upper() + "01"


@dataclass
class SourceChange:
    """A commit of the repository."""

    id: str
    message: str = ""
    author: str = "Ada Lovelace"
    at: datetime = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass
class BuildRun:
    """One run of a pipeline. ``result`` is None while it runs; ``changes`` came with it, newest first."""

    id: int
    number: str
    pipeline: int
    branch: str = "refs/heads/main"
    commit: str = "8f3c2b1d5e7a9c0b2d4f6a8c1e3b5d7f9a0c2e4b"
    result: str | None = "succeeded"
    tags: tuple[str, ...] = ()
    requested_for: str = "Ada Lovelace"
    changes: tuple[SourceChange, ...] = ()
    finished_at: datetime = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    artifacts: dict[str, PublishedArtifact] = field(default_factory=dict)

    def publish(self, artifact: PublishedArtifact) -> PublishedArtifact:
        self.artifacts[artifact.name] = artifact
        return artifact


@dataclass
class Project:
    """A project; pipelines are kept by id as (folder, name)."""

    name: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    pipelines: dict[int, tuple[str, str]] = field(default_factory=dict)
    builds: dict[int, BuildRun] = field(default_factory=dict)

    def add(self, build: BuildRun) -> BuildRun:
        self.builds[build.id] = build
        return build


@dataclass
class AzureState:
    """One organisation. ``content_url`` is where the other host, which serves PipelineArtifacts, is reached."""

    organisation: str = "contoso"
    tokens: set[str] = field(default_factory=set)
    projects: dict[str, Project] = field(default_factory=dict)
    content_url: str = ""
    faults: Faults = field(default_factory=Faults)
    content_faults: Faults = field(default_factory=Faults)
    content_requests: list[dict[str, str]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def project(self, name: str) -> Project:
        """The project; made when it is missing."""
        return self.projects.setdefault(name, Project(name=name))
