"""Artifacts as they are pinned into a release: one version, and the digest of exactly these bytes."""

import hashlib
import json
from datetime import datetime

from domain.frozen import Frozen
from domain.ids import Slug
from domain.pipeline import Source


class FileEntry(Frozen):
    """One file of an artifact.

    ``path`` is relative, slash-separated and safe to join below a folder; ``locator`` is what the source needs to
    fetch it (never a credential); ``sha256`` is lower-case hex.
    """

    path: str
    locator: str
    size: int
    sha256: str


class Manifest(Frozen):
    """All files of one artifact at one version."""

    source: Source
    version: str
    files: tuple[FileEntry, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over paths and contents, so equal bytes under equal names have equal digests."""
        rows = sorted((file.path, file.sha256, file.size) for file in self.files)
        return hashlib.sha256(json.dumps(rows, ensure_ascii=True).encode()).hexdigest()


class PinnedArtifact(Frozen):
    """What a release keeps of an artifact; the manifest is stored under its digest."""

    alias: Slug
    kind: str
    version: str
    digest: str
    manifest_id: str
    file_count: int
    size: int
    branch: str | None = None
    commit: str | None = None
    author: str | None = None
    built_at: datetime | None = None
    url: str | None = None


class VersionOffer(Frozen):
    """A version that a source has. ``label`` is what people call it, where that is not the version itself."""

    version: str
    label: str = ""
    branch: str | None = None
    commit: str | None = None
    author: str | None = None
    built_at: datetime | None = None
    url: str | None = None
    tags: tuple[str, ...] = ()


class Change(Frozen):
    """A commit, and ``version``, the build with which it first came."""

    version: str
    commit: str
    message: str = ""
    author: str | None = None
    at: datetime | None = None
    url: str | None = None
