"""One agent that downloads what a server lists and a source serves."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fakes.agent_server import AgentServer
from fakes.served_files import ServedFiles, manifest_of

from activities.agent_job import DownloadRequest, HoldRequest, StepEnd
from agent.api_client import AgentApi
from agent.artifact_cache import ArtifactCache
from agent.disk_reserve import DiskReserve
from agent.downloads import ArtifactDownloads
from agent.fetchers import ContentLocks
from agent.file_fetch import FetchStores
from agent.leases import Leases
from agent.log_shipper import LogShipper
from agent.part_files import PartFiles
from agent.state_folder import StateFolder
from domain.artifact import FileEntry, PinnedArtifact

RUN = "webshop/41/prod/1/deploy/0/1"
TOKEN = "jenkins-token-42"


@dataclass
class DownloadWorld:
    """One agent that downloads what a server lists and a source serves."""

    state: StateFolder
    leases: Leases
    server: AgentServer
    api: AgentApi
    hold: HoldRequest
    source: ServedFiles = field(default_factory=lambda: ServedFiles({}))
    pins: list[PinnedArtifact] = field(default_factory=list)
    cache_size: int = 0
    reserve: DiskReserve = field(default_factory=DiskReserve)
    locks: ContentLocks = field(default_factory=ContentLocks)

    def offer(self, alias: str, files: dict[str, bytes], **changed: object) -> None:
        """List an artifact of these files; ``changed`` falsifies the entries of all of them."""
        self.source.files |= {f"{alias}:{path}": content for path, content in files.items()}
        entries = [
            FileEntry.model_validate(
                {
                    "path": path,
                    "locator": f"{alias}:{path}",
                    "size": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                    **changed,
                }
            )
            for path, content in files.items()
        ]
        manifest = manifest_of(entries)
        self.server.artifacts.setdefault(RUN, []).append(
            {
                "alias": alias,
                "manifest": manifest.model_dump(mode="json"),
                "connection": {"name": "ci", "kind": "jenkins", "url": "http://ci", "user": "u", "token": TOKEN},
            }
        )
        pin = {"alias": alias, "kind": "URL", "version": "142", "digest": manifest.digest, "manifest_id": "m"}
        self.pins.append(PinnedArtifact.model_validate({**pin, "file_count": len(files), "size": 0}))

    def request(self, **more: object) -> DownloadRequest:
        told = {"lease_id": self.hold.lease_id, "run_id": RUN, "artifacts": tuple(self.pins), **more}
        return DownloadRequest.model_validate(told)

    def downloads(self) -> ArtifactDownloads:
        shipper = LogShipper(self.api, longest_wait=0.2)
        return ArtifactDownloads(
            state=self.state,
            leases=self.leases,
            lists=self.api,
            shipper=shipper,
            open_source=self.source.open,
            waits=(0.01, 0.01),
            stores=self.stores,
            locks=self.locks,
        )

    @cached_property
    def stores(self) -> FetchStores:
        """Made when they are first needed, by what the test says of the cache."""
        cache = ArtifactCache(self.state.cache, self.cache_size, self.reserve)
        return FetchStores(PartFiles(self.state.parts), cache)

    async def run(self, **more: object) -> StepEnd:
        async with asyncio.timeout(20):
            return await self.downloads().run(self.request(**more))

    @property
    def work(self) -> Path:
        lease = self.leases.get(self.hold.lease_id)
        assert lease is not None
        return lease.workspace

    def found(self) -> dict[str, bytes]:
        files = (path for path in self.work.rglob("*") if path.is_file())
        return {str(path.relative_to(self.work)): path.read_bytes() for path in files}

    def log(self) -> str:
        return self.server.log(RUN).decode()
