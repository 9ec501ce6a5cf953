"""Pin an artifact: resolve its version once and hash every file, so that all stages get the same bytes."""

import asyncio
from functools import partial
from typing import Protocol

from temporalio import activity

from activities.artifact_source import ResolvedVersion, SourceOpener, SourceUnreachable, UnknownConnection
from activities.file_hashing import FileHashing
from activities.heartbeat import heartbeating
from domain.artifact import Manifest, PinnedArtifact
from domain.connection import Connection
from domain.frozen import Frozen
from domain.ids import ReleaseId
from domain.pipeline import (
    Artifact,
    AzurePipelinesSource,
    DirectorySource,
    GithubSource,
    JenkinsSource,
    Source,
    StorageSource,
    UrlSource,
)
from domain.refusal import Refusal

_KINDS: dict[type, str] = {
    JenkinsSource: "Jenkins",
    AzurePipelinesSource: "Azure Pipelines",
    DirectorySource: "Directory",
    UrlSource: "URL",
    StorageSource: "Storage",
    GithubSource: "GitHub",
}


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
        try:
            return await self._pin(request)
        except (Refusal, SourceUnreachable) as trouble:
            raise type(trouble)(f"{request.alias}: {trouble}") from trouble

    async def _pin(self, request: PinRequest) -> PinnedArtifact:
        source = request.artifact.source
        async with heartbeating():
            connection = await self._connection_of(source)
            opened = self._open_source(source, connection)
            resolved = await asyncio.to_thread(opened.resolve, request.version or request.artifact.version)
        hashing = FileHashing(resolved, partial(self._open_source, source, connection))
        async with heartbeating(progress=lambda: hashing.progress):
            manifest = Manifest(source=source, version=resolved.version, files=await hashing.entries())
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
    return None if isinstance(source, UrlSource | DirectorySource) else source.connection


def _pinned(alias: str, resolved: ResolvedVersion, manifest: Manifest, manifest_id: str) -> PinnedArtifact:
    return PinnedArtifact(
        alias=alias,
        kind=_KINDS[type(manifest.source)],
        version=resolved.version,
        digest=manifest.digest,
        manifest_id=manifest_id,
        file_count=len(manifest.files),
        size=sum(file.size for file in manifest.files),
        branch=resolved.branch,
        commit=resolved.commit,
        author=resolved.author,
        built_at=resolved.built_at,
        url=resolved.url,
    )
