"""Pin an artifact: resolve its version once and hash every file, so that all stages get the same bytes."""

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Protocol

from temporalio import activity

from activities.artifact_source import FileOffer, ResolvedVersion, SourceOpener, UnknownConnection
from activities.heartbeat import heartbeating
from domain.artifact import FileEntry, Manifest, PinnedArtifact
from domain.connection import Connection
from domain.frozen import Frozen
from domain.ids import ReleaseId
from domain.pipeline import Artifact, AzurePipelinesSource, DirectorySource, JenkinsSource, Source


class Connections(Protocol):
    """Where named connections are kept."""

    async def connection(self, name: str) -> Connection | None: ...


class Manifests(Protocol):
    """Where manifests are kept, by id."""

    async def keep(self, manifest: Manifest) -> str:
        """Store it (again is fine) and return its id."""
        ...


class PinRequest(Frozen):
    """Which artifact of which release; ``version`` overrides the pipeline's choice."""

    release: ReleaseId
    alias: str
    artifact: Artifact
    version: str | None = None


class Pinning:
    """Runs on the release worker. Safe to run twice: nothing is kept but content-addressed manifests."""

    def __init__(self, open_source: SourceOpener, connections: Connections, manifests: Manifests) -> None:
        self._open_source = open_source
        self._connections = connections
        self._manifests = manifests

    @activity.defn
    async def pin_artifact(self, request: PinRequest) -> PinnedArtifact:
        async with heartbeating():
            source = request.artifact.source
            opened = self._open_source(source, await self._connection_of(source))
            resolved = await asyncio.to_thread(opened.resolve, request.version or request.artifact.version)
            files = [
                await asyncio.to_thread(_entry, offer, opened.stream(resolved.version, offer.locator))
                for offer in resolved.files
            ]
            manifest = Manifest(source=source, version=resolved.version, files=tuple(files))
            return _pinned(request.alias, resolved, manifest, await self._manifests.keep(manifest))

    async def _connection_of(self, source: Source) -> Connection | None:
        name = connection_name(source)
        if name is None:
            return None
        found = await self._connections.connection(name)
        if found is None:
            raise UnknownConnection(f"there is no connection {name}; an admin can add it")
        return found


def connection_name(source: Source) -> str | None:
    """The named connection a source needs."""
    if isinstance(source, JenkinsSource):
        return source.server
    return source.connection if isinstance(source, AzurePipelinesSource) else None


def _entry(offer: FileOffer, chunks: Iterator[bytes]) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return FileEntry(path=offer.path, locator=offer.locator, size=size, sha256=digest.hexdigest())


def _pinned(alias: str, resolved: ResolvedVersion, manifest: Manifest, manifest_id: str) -> PinnedArtifact:
    return PinnedArtifact(
        alias=alias,
        kind=_kind(manifest.source),
        version=resolved.version,
        digest=manifest.digest,
        manifest_id=manifest_id,
        file_count=len(manifest.files),
        size=sum(file.size for file in manifest.files),
        branch=resolved.branch,
        commit=resolved.commit,
        built_at=resolved.built_at,
        url=resolved.url,
    )


def _kind(source: Source) -> str:
    if isinstance(source, JenkinsSource):
        return "Jenkins"
    if isinstance(source, AzurePipelinesSource):
        return "Azure Pipelines"
    return "Directory" if isinstance(source, DirectorySource) else "URL"
