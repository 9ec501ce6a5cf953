"""Artifacts fetched while people still think: into the cache, quietly, and never in a job's way."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest
from fakes.download_world import RUN, TOKEN, DownloadWorld
from structlog.testing import capture_logs

from activities.artifact_source import SourceDenied
from agent import prefetch
from agent.api_client import ArtifactToFetch
from agent.disk_reserve import DiskReserve
from agent.downloads import ArtifactDownloads
from agent.prefetch import Prefetch, UpcomingLists

CONTENT = os.urandom(50_000)
Eventually = Callable[..., Awaitable[None]]


def offered(world: DownloadWorld, files: dict[str, bytes], cache_size: int = 1_000_000) -> ArtifactDownloads:
    """The files are those of a job to come, and are told as such; the agent of that job."""
    world.cache_size = cache_size
    world.offer("web", files)
    world.server.upcoming = world.server.artifacts[RUN]
    return world.downloads()


def ahead(world: DownloadWorld, downloads: ArtifactDownloads, lists: UpcomingLists | None = None) -> Prefetch:
    return Prefetch(
        lists=lists or world.api,
        stores=world.stores,
        locks=world.locks,
        open_source=world.source.open,
        is_busy=lambda: downloads.are_under_way,
    )


async def test_a_job_finds_what_was_fetched_ahead(world: DownloadWorld) -> None:
    """The source is not asked again; what was cut before went on."""
    downloads = offered(world, {"app.tar": CONTENT, "conf/a.yaml": b"a: 1"})
    await ahead(world, downloads).once()
    assert ["web:app.tar", "web:conf/a.yaml"] == world.source.streams
    assert 0 == (await downloads.run(world.request())).exit_code
    assert {"web/app.tar": CONTENT, "web/conf/a.yaml": b"a: 1"} == world.found()
    assert 2 == len(world.source.streams)
    assert [] == list(world.state.parts.iterdir())


async def test_what_is_in_the_cache_is_not_fetched(world: DownloadWorld) -> None:
    """However often the agent asks."""
    once = ahead(world, offered(world, {"app.tar": CONTENT}))
    await once.once()
    await once.once()
    assert 1 == len(world.source.streams)


async def test_a_job_that_downloads_comes_first(world: DownloadWorld, eventually: Eventually) -> None:
    """It takes over what has come ahead, and does not wait for the rest of it."""
    downloads = offered(world, {"app.tar": CONTENT})
    world.source.held.add("web:app.tar")
    fetching = asyncio.create_task(ahead(world, downloads).once())
    await eventually(lambda: [path for path in world.state.parts.iterdir() if path.stat().st_size])
    running = asyncio.create_task(downloads.run(world.request()))
    await eventually(lambda: 2 == len(world.source.streams))
    assert fetching.done()
    world.source.go.set()
    assert 0 == (await running).exit_code
    assert ([0, 1], CONTENT) == (world.source.starts, world.found()["web/app.tar"])


async def test_what_could_not_be_got_is_left_for_a_while(world: DownloadWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source is not asked every minute for what it refuses."""
    once = ahead(world, offered(world, {"app.tar": CONTENT}))
    world.source.troubles["web:app.tar"] = [SourceDenied(f"401 from ci for {TOKEN}")]
    with capture_logs() as lines:
        await once.once()
        await once.once()
    assert ["401 from ci for ***"] == [line["trouble"] for line in lines]
    assert 1 == len(world.source.streams)
    monkeypatch.setattr(prefetch, "monotonic", lambda: 1e12)
    await once.once()
    assert 2 == len(world.source.streams)


@pytest.mark.parametrize("cache_size", [0, 99_999])
async def test_what_has_no_room_to_spare_is_not_fetched(world: DownloadWorld, cache_size: int) -> None:
    """What jobs have used is worth more than what one may need: at most half of the cache is filled ahead."""
    await ahead(world, offered(world, {"app.tar": CONTENT}, cache_size)).once()
    assert [] == world.source.streams


async def test_a_full_disk_is_left_alone(world: DownloadWorld) -> None:
    """The reserve must be there twice."""
    world.reserve = DiskReserve("web-1", str(world.state.path), 1 << 60)
    await ahead(world, offered(world, {"app.tar": CONTENT})).once()
    assert [] == world.source.streams


@pytest.mark.parametrize("trouble", ["down", "refused"])
async def test_an_api_that_does_not_tell_is_no_trouble(world: DownloadWorld, trouble: str) -> None:
    """An older one does not know the question."""
    once = ahead(world, offered(world, {"app.tar": CONTENT}))
    world.server.is_down = trouble == "down"
    world.server.refusals = {"upcoming": (404, "NotFound")}
    await once.once()
    assert [] == world.source.streams


class _Nonsense:
    """An API whose first answer is none, and whose later ones are empty."""

    def __init__(self) -> None:
        self.asked = 0

    async def upcoming(self) -> tuple[ArtifactToFetch, ...]:
        self.asked += 1
        if self.asked == 1:
            raise ValueError("no list")
        return ()


async def test_the_agent_asks_for_ever(
    world: DownloadWorld, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Also after an answer that made no sense."""
    monkeypatch.setattr(prefetch, "_ASK_EVERY_SECONDS", 0.01)
    nonsense = _Nonsense()
    asking = asyncio.create_task(ahead(world, offered(world, {"app.tar": CONTENT}), nonsense).keep())
    await eventually(lambda: nonsense.asked > 2)
    asking.cancel()
