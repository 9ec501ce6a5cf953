"""Servers that die at any byte, drip, lie about lengths, and give other bytes on the second try; agents that die too.

Jenkins, both kinds of Azure artifacts, and plain addresses. A file is complete with its digest right, or absent: at the
end, and at every moment before it.
"""

import asyncio
import hashlib
import random
import re
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from fakes.served import served
from fakes.spoiled_answers import BUSY, RANGES_IGNORED, SPOILING, SpoiledAnswers, Spoiler
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from trials.verdict import Verdict

from activities.agent_job import DownloadRequest, HoldRequest, StepEnd
from agent.api_client import ArtifactToFetch
from agent.artifact_cache import ArtifactCache
from agent.downloads import ArtifactDownloads
from agent.file_fetch import FetchStores
from agent.leases import Leases
from agent.log_shipper import LogShipper
from agent.part_files import PartFiles
from agent.state_folder import StateFolder
from domain.artifact import FileEntry, Manifest, PinnedArtifact
from domain.connection import Connection, ConnectionKind
from domain.pipeline import AzurePipelinesSource, JenkinsSource, Source, UrlSource
from integrations.artifact_sources import open_source
from integrations.guarded_addresses import AllowedHosts
from local import azure, jenkins
from local.azure_state import ArtifactKind, AzureState, BuildRun, PublishedArtifact
from local.jenkins_state import Build, JenkinsState

_AT_ONCE = 8
_LOOK_SECONDS = 0.002
_KILL = "agent killed"
_FAULTS = [*SPOILING, RANGES_IGNORED, BUSY, _KILL]
_FOR_EVER = ["cut at once", "too long", "claims less", "other bytes"]
_MOST_BYTES = 200_000
_TOKEN = "trial"
_OPEN = partial(open_source, allowed=AllowedHosts.parsed("127.0.0.1"))
_NAME = re.compile(r"file-\d+")


@dataclass
class _Wanted:
    """One download: its file, where it comes from, and what goes wrong with it."""

    name: str
    content: bytes
    source: Source
    connection: Connection | None
    version: str
    kills: int
    manifest: Manifest | None = None


@dataclass
class _World:
    """The servers, and what they are to do."""

    rng: random.Random
    answers: SpoiledAnswers
    ci: JenkinsState = field(default_factory=JenkinsState)
    builds: AzureState = field(default_factory=lambda: AzureState(tokens={_TOKEN}))
    files: dict[str, bytes] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def serving(self) -> Iterator[None]:
        plain = Starlette(routes=[Route("/{name}", self._file)])
        apps = {"jenkins": jenkins.create_app(self.ci), "azure": azure.create_app(self.builds), "plain": plain}
        with ExitStack() as stack:
            self.urls = {name: stack.enter_context(served(self.answers.around(app))) for name, app in apps.items()}
            yield

    def wanted(self, number: int) -> _Wanted:
        """Each kind of source in turn, each fault in turn, then whatever chance brings."""
        rng, name = self.rng, f"file-{number}"
        content = rng.randbytes(rng.randrange(1, _MOST_BYTES))
        first = _FAULTS[number % len(_FAULTS)]
        faults = [first, *rng.choices(_FAULTS, k=rng.randrange(3))]
        if first == RANGES_IGNORED:
            faults.insert(0, "cut")
        always = rng.choice(_FOR_EVER) if number % 5 == 4 else ""
        served_faults = deque(fault for fault in faults if fault != _KILL)
        self.answers.spoilers[name] = Spoiler(served_faults, always)
        source, connection, version = self._put(number, name, content)
        return _Wanted(name, content, source, connection, version, kills=faults.count(_KILL))

    def _put(self, number: int, name: str, content: bytes) -> tuple[Source, Connection | None, str]:
        kind = number // len(_FAULTS) % 4
        if kind == 0:
            self.ci.job(name).add(Build(1, {f"dist/{name}.war": content}))
            ci = Connection(name="ci", kind=ConnectionKind.JENKINS, url=self.urls["jenkins"])
            return JenkinsSource(server="ci", job=name), ci, "1"
        if kind == 1:
            self.files[name] = content
            return UrlSource(href=f"{self.urls['plain']}/{name}"), None, "1"
        published = ArtifactKind.CONTAINER if kind == 2 else ArtifactKind.PIPELINE_ARTIFACT
        project = self.builds.project("shop")
        project.pipelines[1] = ("\\", "web")
        run = project.add(BuildRun(number + 1, str(number + 1), 1))
        run.publish(PublishedArtifact(name, {f"{name}.war": content}, published))
        url = f"{self.urls['azure']}/{self.builds.organisation}"
        token = SecretStr(_TOKEN)
        ado = Connection(name="ado", kind=ConnectionKind.AZURE_PIPELINES, url=url, token=token)
        return AzurePipelinesSource(connection="ado", project="shop", pipeline="web", artifact=name), ado, run.number

    async def _file(self, request: Request) -> Response:
        content = self.files[request.path_params["name"]]
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if asked is None:
            return Response(content, headers=headers)
        start = int(asked[1])
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return Response(content[start:], 206, headers)


class _Lists:
    """What the API would tell."""

    def __init__(self) -> None:
        self.by_run: dict[str, tuple[ArtifactToFetch, ...]] = {}

    async def artifacts(self, run_id: str) -> tuple[ArtifactToFetch, ...]:
        return self.by_run[run_id]


class _NoShipper:
    """Nobody reads the logs."""

    async def ship(self, run_id: str, log: Path, ended: asyncio.Event) -> None:
        await ended.wait()


@dataclass
class _Agent:
    """One state folder, on which agents run that may be killed."""

    state: StateFolder
    cache: ArtifactCache
    lists: _Lists = field(default_factory=_Lists)
    watched: dict[Path, int] = field(default_factory=dict)
    seen_partial: set[Path] = field(default_factory=set)
    killed: int = 0

    def downloads(self, leases: Leases) -> ArtifactDownloads:
        return ArtifactDownloads(
            state=self.state,
            leases=leases,
            lists=self.lists,
            shipper=cast("LogShipper", _NoShipper()),
            open_source=_OPEN,
            stores=FetchStores(PartFiles(self.state.parts), self.cache),
            waits=(0.01,) * 5,
        )

    @asynccontextmanager
    async def looked_at(self) -> AsyncIterator[None]:
        """Meanwhile, whether a file is ever there but not whole."""
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()

    async def _look(self) -> None:
        while True:
            for path, size in list(self.watched.items()):
                with suppress(FileNotFoundError):
                    if path.stat().st_size != size:
                        self.seen_partial.add(path)
            await asyncio.sleep(_LOOK_SECONDS)


async def run(seed: int, downloads: int) -> Verdict:
    """So many downloads of a file each."""
    rng = random.Random(seed)
    answers = SpoiledAnswers(lambda text: found[0] if (found := _NAME.search(text)) else None, rng)
    world = _World(rng, answers)
    folder = Path(tempfile.mkdtemp(prefix="slipway-trial-"))
    state = StateFolder(folder / "agent")
    agent = _Agent(state, ArtifactCache(state.cache, 10 * _MOST_BYTES))
    violations: list[str] = []
    ends: Counter[str] = Counter()
    try:
        with world.serving():
            async with agent.looked_at():
                await _each(world, downloads, lambda wanted: _download(agent, wanted, violations, ends))
    finally:
        agent.state.close()
        shutil.rmtree(folder, ignore_errors=True)
    violations += [f"{path} was seen while it was not whole" for path in sorted(agent.seen_partial)]
    if ends["complete"] < downloads // 2:
        violations.append(f"only {ends['complete']} of {downloads} files came, though most servers mended their ways")
    fired = {fault: answers.fired[fault] for fault in _FAULTS if fault != _KILL} | {_KILL: agent.killed}
    return Verdict(
        trial="hostile_downloads",
        seed=seed,
        counts={"downloads": downloads, **ends},
        fired=fired,
        violations=tuple(violations),
    )


async def _each(world: _World, downloads: int, download: Callable[[_Wanted], Awaitable[None]]) -> None:
    """Eight at a time."""
    wanted = []
    for number in range(downloads):
        one = world.wanted(number)
        one.manifest = await asyncio.to_thread(_pinned, one, world.answers)
        wanted.append(one)
    left = iter(wanted)

    async def lane() -> None:
        for one in left:
            await download(one)

    await asyncio.gather(*(lane() for _ in range(_AT_ONCE)))


def _pinned(wanted: _Wanted, answers: SpoiledAnswers) -> Manifest:
    """As it was pinned when all was well."""
    spoiler = answers.spoilers.pop(wanted.name)
    resolved = _OPEN(wanted.source, wanted.connection).resolve(wanted.version)
    answers.spoilers[wanted.name] = spoiler
    [offer] = resolved.files
    digest = hashlib.sha256(wanted.content).hexdigest()
    entry = FileEntry(path=offer.path, locator=offer.locator, size=len(wanted.content), sha256=digest)
    return Manifest(source=wanted.source, version=resolved.version, files=(entry,))


async def _download(agent: _Agent, wanted: _Wanted, violations: list[str], ends: Counter[str]) -> None:
    manifest = wanted.manifest
    assert manifest is not None, "it was pinned"
    [entry] = manifest.files
    run_id, lease_id = f"{wanted.name}/1/prod/1/deploy/0/1", f"{wanted.name}/1/prod/1/deploy@1"
    leases = Leases(agent.state)
    lease = leases.add(HoldRequest(lease_id=lease_id, job_id=f"{wanted.name}/1/prod/1/deploy"))
    agent.lists.by_run[run_id] = (ArtifactToFetch(alias="web", manifest=manifest, connection=wanted.connection),)
    pin = PinnedArtifact(
        alias="web", kind="", version="1", digest=manifest.digest, manifest_id="", file_count=1, size=entry.size
    )
    request = DownloadRequest(lease_id=lease_id, run_id=run_id, artifacts=(pin,))
    target = lease.workspace / "web" / entry.path
    agent.watched[target] = entry.size
    end = await _to_the_end(agent, leases, request, wanted.kills)
    del agent.watched[target]
    found = target.read_bytes() if target.exists() else None
    if end.exit_code == 0 and found != wanted.content:
        violations.append(f"{wanted.name} is said to be there, and is not what was pinned")
    if end.exit_code != 0 and (found is not None or not end.reason):
        violations.append(f"{wanted.name} failed with {end.reason!r}, and something is there")
    ends["complete" if end.exit_code == 0 else "absent"] += 1
    leases.remove(lease_id)


async def _to_the_end(agent: _Agent, leases: Leases, request: DownloadRequest, kills: int) -> StepEnd:
    """The download's end, after so many agents were killed in the midst of it."""
    for _ in range(kills):
        dying = agent.downloads(leases)
        running = asyncio.create_task(dying.run(request))
        await asyncio.wait([running], timeout=0.02)
        task = dying._under_way.get(request.run_id)
        if task is None:
            return await running
        task.cancel()
        await asyncio.wait([running])
        agent.killed += 1
    async with asyncio.timeout(60):
        return await agent.downloads(leases).run(request)
