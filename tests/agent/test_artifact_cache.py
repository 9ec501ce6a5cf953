"""Artifacts kept for the next job: the same bytes, a copy for each, within the room there is."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fakes.download_world import RUN, DownloadWorld

from activities.agent_job import HoldRequest
from activities.artifact_source import SourceDenied
from agent.artifact_cache import ArtifactCache
from agent.disk_reserve import DiskReserve
from agent.file_fetch import FetchStores
from agent.part_files import DownloadStopped, PartFiles

CONTENT = os.urandom(50_000)
NEXT_RUN = "webshop/42/prod/1/deploy/0/1"
Eventually = Callable[..., Awaitable[None]]
Hold = Callable[..., HoldRequest]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def next_job(world: DownloadWorld, hold: Hold) -> HoldRequest:
    """Another job of this agent that wants the same artifacts."""
    request = hold(lease_id=f"{world.hold.lease_id}-next")
    world.leases.add(request)
    world.server.artifacts[NEXT_RUN] = world.server.artifacts[RUN]
    return request


def workspace(world: DownloadWorld, job: HoldRequest) -> Path:
    return world.leases.usable(job.lease_id).workspace


async def test_the_next_job_gets_the_bytes_from_the_cache(world: DownloadWorld, hold: Hold) -> None:
    """The source is not asked again, and the log says where they came from."""
    world.cache_size = 1_000_000
    world.offer("web", {"app.tar": CONTENT})
    assert 0 == (await world.run()).exit_code
    job = next_job(world, hold)
    assert 0 == (await world.run(lease_id=job.lease_id, run_id=NEXT_RUN)).exit_code
    assert CONTENT == (workspace(world, job) / "web" / "app.tar").read_bytes()
    assert 1 == len(world.source.streams)
    assert "web/app.tar  50.0 kB from the cache in" in world.server.log(NEXT_RUN).decode()


async def test_a_step_that_changes_its_file_changes_no_other_job(world: DownloadWorld, hold: Hold) -> None:
    """Every job has a copy of its own."""
    world.cache_size = 1_000_000
    world.offer("web", {"app.tar": CONTENT})
    await world.run()
    with (world.work / "web" / "app.tar").open("r+b") as file:
        file.write(b"changed in place")
    job = next_job(world, hold)
    await world.run(lease_id=job.lease_id, run_id=NEXT_RUN)
    assert CONTENT == (workspace(world, job) / "web" / "app.tar").read_bytes()


@pytest.mark.parametrize("damage", [b"!" + CONTENT[1:], CONTENT[:-1], b""], ids=["changed", "cut", "empty"])
async def test_a_damaged_entry_is_noticed_and_fetched_anew(world: DownloadWorld, hold: Hold, damage: bytes) -> None:
    """However it came: a job never gets other bytes than those that were pinned."""
    world.cache_size = 1_000_000
    world.offer("web", {"app.tar": CONTENT})
    await world.run()
    entry = world.state.cache / sha256(CONTENT)
    entry.chmod(0o600)
    entry.write_bytes(damage)
    job = next_job(world, hold)
    assert 0 == (await world.run(lease_id=job.lease_id, run_id=NEXT_RUN)).exit_code
    assert CONTENT == (workspace(world, job) / "web" / "app.tar").read_bytes()
    assert (2, CONTENT) == (len(world.source.streams), entry.read_bytes())


async def test_an_entry_that_is_gone_is_fetched_anew(world: DownloadWorld, hold: Hold) -> None:
    """Somebody may have cleaned up while the agent runs."""
    world.cache_size = 1_000_000
    world.offer("web", {"app.tar": CONTENT})
    downloads = world.downloads()
    await downloads.run(world.request())
    (world.state.cache / sha256(CONTENT)).unlink()
    job = next_job(world, hold)
    assert 0 == (await downloads.run(world.request(lease_id=job.lease_id, run_id=NEXT_RUN))).exit_code
    assert CONTENT == (workspace(world, job) / "web" / "app.tar").read_bytes()


async def test_two_jobs_that_want_the_same_bytes_fetch_them_once(
    world: DownloadWorld, hold: Hold, eventually: Eventually
) -> None:
    """The second waits for the first, and then finds them in the cache."""
    world.cache_size = 1_000_000
    world.offer("web", {"app.tar": CONTENT})
    world.source.held.add("web:app.tar")
    job, downloads = next_job(world, hold), world.downloads()
    first = asyncio.create_task(downloads.run(world.request()))
    await eventually(lambda: world.source.streams)
    second = asyncio.create_task(downloads.run(world.request(lease_id=job.lease_id, run_id=NEXT_RUN)))
    await eventually(lambda: b"Downloading web" in world.server.log(NEXT_RUN))
    world.source.go.set()
    assert [0, 0] == [end.exit_code for end in await asyncio.gather(first, second)]
    assert 1 == len(world.source.streams)


async def test_a_job_goes_on_with_what_a_failed_one_had(world: DownloadWorld, hold: Hold) -> None:
    """Its part is no secret among jobs that want the same bytes."""
    world.offer("web", {"app.tar": CONTENT})
    world.source.troubles["web:app.tar"] = [SourceDenied("401 from ci")]
    assert "SourceDenied: 401 from ci" == (await world.run()).reason
    job = next_job(world, hold)
    assert 0 == (await world.run(lease_id=job.lease_id, run_id=NEXT_RUN)).exit_code
    assert ([0, 1], CONTENT) == (world.source.starts, (workspace(world, job) / "web" / "app.tar").read_bytes())


class Kept:
    """A cache in a folder, filled without any download."""

    def __init__(self, folder: Path, size: int, reserve: DiskReserve | None = None) -> None:
        (folder / "cache").mkdir(exist_ok=True)
        (folder / "parts").mkdir(exist_ok=True)
        self.folder = folder
        self.parts = PartFiles(folder / "parts")
        self.cache = ArtifactCache(folder / "cache", size, reserve or DiskReserve())

    def put(self, content: bytes) -> str:
        digest = sha256(content)
        part = self.parts.open(digest)
        part.write(content)
        self.cache.keep(digest, part)
        self.parts.close(digest, part)
        return digest

    def gives(self, digest: str) -> bool:
        return self.cache.deliver(digest, self.folder / "copy", lambda: None)

    @property
    def names(self) -> set[str]:
        return {path.name for path in (self.folder / "cache").iterdir()}


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    """Also after the agent was started again."""
    kept = Kept(tmp_path, 300)
    first, second, third = (kept.put(bytes([number]) * 100) for number in range(3))
    assert kept.gives(first)
    os.utime(tmp_path / "cache" / second, (1, 1))
    again = Kept(tmp_path, 300)
    fourth = again.put(b"4" * 100)
    assert {first, third, fourth} == again.names
    assert (300, False) == (again.cache.size, again.gives(second))


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    """And does not drive everything else out."""
    kept = Kept(tmp_path, 300)
    small = kept.put(b"small")
    kept.put(b"x" * 301)
    assert {small} == kept.names


def test_a_cache_of_size_0_is_empty(tmp_path: Path) -> None:
    """Also where there was a larger one before."""
    Kept(tmp_path, 300).put(b"x")
    kept = Kept(tmp_path, 0)
    kept.put(b"y")
    assert (set(), 0) == (kept.names, kept.cache.size)


def test_what_a_kill_left_half_made_is_removed(tmp_path: Path) -> None:
    """It is no entry, and takes no room."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{'a' * 64}.12345678.new").write_bytes(b"half")
    kept = Kept(tmp_path, 300)
    assert (set(), 0) == (kept.names, kept.cache.size)


def test_the_cache_gives_way_when_the_disk_is_full(tmp_path: Path) -> None:
    """And keeps nothing while less than the reserve is free."""
    digest = Kept(tmp_path, 300).put(b"x")
    full = Kept(tmp_path, 300, DiskReserve("web-1", str(tmp_path), 1 << 62))
    assert {digest} == full.names
    assert "on agent web-1 only" in full.cache.make_room(5)
    full.put(b"y")
    assert (set(), 0) == (full.names, full.cache.size)


def test_a_copy_can_be_stopped_on_its_way(tmp_path: Path) -> None:
    """A canceled job does not wait for a large copy."""
    kept = Kept(tmp_path, 300)
    digest = kept.put(b"x")

    def stopped() -> None:
        raise DownloadStopped

    with pytest.raises(DownloadStopped):
        kept.cache.deliver(digest, tmp_path / "copy", stopped)
    assert kept.gives(digest)


async def test_a_disk_without_room_for_an_artifact_fails_the_download(
    world: DownloadWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, before anything is fetched."""
    monkeypatch.setattr("agent.disk_reserve._free", lambda _: 2**20)
    world.reserve = DiskReserve("web-1", "/state", 2**20)
    world.offer("web", {"app.tar": CONTENT})
    assert (
        "DiskTooFull: web/app.tar (48.8 KiB): on agent web-1 only 1 MiB are free in /state, 48.8 KiB are to come, and "
        "1 MiB must stay free: make room there, or lower SLIPWAY_AGENT_DISK_RESERVE"
    ) == (await world.run()).reason
    assert [] == world.source.streams


def test_parts_that_nobody_fetches_give_way_too(tmp_path: Path) -> None:
    """After the cache, and only where the disk has too little room."""
    roomy, full = Kept(tmp_path, 300), Kept(tmp_path, 300, DiskReserve("web-1", str(tmp_path), 1 << 62))
    (tmp_path / "parts" / "left").write_bytes(b"x")
    os.utime(tmp_path / "parts" / "left", (1, 1))
    assert "" == FetchStores(roomy.parts, roomy.cache).make_room()
    assert (tmp_path / "parts" / "left").exists()
    assert "on agent web-1 only" in FetchStores(full.parts, full.cache).make_room()
    assert [] == list((tmp_path / "parts").iterdir())


async def test_a_copy_that_does_not_fit_fails_the_download(
    world: DownloadWorld, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache does not fill the disk either, and gives way first."""
    free = [1 << 40]
    monkeypatch.setattr("agent.disk_reserve._free", lambda _: free[0])
    world.cache_size, world.reserve = 1_000_000, DiskReserve("web-1", "/state", 2**20)
    world.offer("web", {"app.tar": CONTENT})
    downloads = world.downloads()
    assert 0 == (await downloads.run(world.request())).exit_code
    free[0] = 2**20
    job = next_job(world, hold)
    end = await downloads.run(world.request(lease_id=job.lease_id, run_id=NEXT_RUN))
    assert end.reason.startswith("DiskTooFull: web/app.tar (48.8 KiB): on agent web-1 only 1 MiB are free")
    assert (1, []) == (len(world.source.streams), list(world.state.cache.iterdir()))
