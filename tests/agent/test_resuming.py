"""Downloads that are cut, killed or canceled on their way: what has come stays, and nothing partial is ever seen."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from fakes.download_world import RUN, DownloadWorld

from activities.agent_job import CancelStep, StepOutcome
from agent import fetchers
from agent.part_files import DownloadStopped, PartFiles
from domain.pipeline import UrlSource
from integrations import http_download
from integrations.allowance import Limits
from integrations.guarded_addresses import AllowedHosts
from integrations.url_source import UrlArtifact

CONTENT = os.urandom(50_000)
Eventually = Callable[..., Awaitable[None]]


def fetching_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("fetch")]


async def test_a_cut_download_goes_on_from_what_it_has(world: DownloadWorld) -> None:
    """Each try asks for the rest, and the log says from where."""
    world.offer("web", {"app.tar": CONTENT})
    world.source.cuts["web:app.tar"] = [10_000, 5_000]
    end = await world.run()
    assert (0, {"web/app.tar": CONTENT}) == (end.exit_code, world.found())
    assert [0, 10_000, 15_000] == world.source.starts
    assert "cut off after 5000 bytes; again in 0 s, from byte 15,000 on" in world.log()


async def test_a_new_agent_goes_on_from_what_the_killed_one_had(world: DownloadWorld) -> None:
    """Parts are kept by what they shall become, not by who wanted them."""
    world.offer("web", {"app.tar": CONTENT})
    (world.state.parts / hashlib.sha256(CONTENT).hexdigest()).write_bytes(CONTENT[:20_000])
    end = await world.run()
    assert (0, {"web/app.tar": CONTENT}) == (end.exit_code, world.found())
    assert [20_000] == world.source.starts
    assert "  web/app.tar: goes on with the 20,000 bytes that are here\n" in world.log()
    assert [] == list(world.state.parts.iterdir())


async def test_a_part_that_is_whole_is_not_fetched(world: DownloadWorld) -> None:
    """The kill may have come just before the file was put in its place."""
    world.offer("web", {"app.tar": CONTENT})
    (world.state.parts / hashlib.sha256(CONTENT).hexdigest()).write_bytes(CONTENT)
    assert 0 == (await world.run()).exit_code
    assert ([], {"web/app.tar": CONTENT}) == (world.source.starts, world.found())


@pytest.mark.parametrize("part", [b"other bytes", CONTENT[:-1] + b"!", CONTENT + b"more"], ids=["part", "all", "more"])
async def test_pieces_of_different_files_are_fetched_anew(world: DownloadWorld, part: bytes) -> None:
    """Once, from the first byte, and the log says why."""
    world.offer("web", {"app.tar": CONTENT})
    (world.state.parts / hashlib.sha256(CONTENT).hexdigest()).write_bytes(part)
    assert 0 == (await world.run()).exit_code
    assert {"web/app.tar": CONTENT} == world.found()
    assert 0 == world.source.starts[-1]


async def test_other_bytes_on_the_second_try_too_fail_the_download(world: DownloadWorld) -> None:
    """Whoever lies once more is not asked a third time, and leaves no bytes behind."""
    world.offer("web", {"app.tar": CONTENT})
    world.source.files["web:app.tar"] = CONTENT[:-1] + b"!"
    world.source.cuts["web:app.tar"] = [10_000]
    end = await world.run()
    assert (1, {}) == (end.exit_code, world.found())
    assert end.reason.startswith("WrongDigest: app.tar: expected SHA-256")
    assert "it is fetched anew, once" in world.log()
    assert [0, 10_000, 0] == world.source.starts
    assert [] == list(world.state.parts.iterdir())


async def test_tries_that_bring_something_do_not_use_up_the_patience(
    world: DownloadWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file may be cut more often than there are waits."""
    monkeypatch.setattr(fetchers, "_WORTH_NEW_PATIENCE", 5_000)
    world.offer("web", {"app.tar": CONTENT})
    world.source.cuts["web:app.tar"] = [5_000] * 8
    assert 0 == (await world.run()).exit_code
    assert 9 == len(world.source.starts)


async def test_a_file_that_takes_long_tells_how_far_it_is(
    world: DownloadWorld, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """In percent, and how fast."""
    monkeypatch.setattr(fetchers, "_PROGRESS_SECONDS", 0.02)
    world.offer("web", {"app.tar": CONTENT})
    world.source.held.add("web:app.tar")
    running = asyncio.create_task(world.run())
    await eventually(lambda: "  web/app.tar: 0 % of 50.0 kB, 0.0 MB/s\n" in world.log())
    world.source.go.set()
    assert 0 == (await running).exit_code


async def test_nothing_is_written_after_a_cancel(world: DownloadWorld, eventually: Eventually) -> None:
    """The thread that waited for its server finds that it is not wanted any more, and ends."""
    world.offer("web", {"app.tar": CONTENT})
    world.source.held.add("web:app.tar")
    downloads = world.downloads()
    running = asyncio.create_task(downloads.run(world.request()))
    await eventually(lambda: world.source.streams)
    await downloads.cancel(CancelStep(lease_id=world.hold.lease_id, run_id=RUN))
    assert StepOutcome.CANCELED == (await asyncio.wait_for(running, 5)).outcome
    world.source.go.set()
    await eventually(lambda: not fetching_threads())
    parts = [path.stat().st_size for path in world.state.parts.iterdir()]
    assert ({}, [1]) == (world.found(), parts)


def test_a_part_belongs_to_who_opened_it_last(world: DownloadWorld) -> None:
    """Whoever had it before can neither write nor clear."""
    parts = PartFiles(world.state.parts)
    first = parts.open("a" * 64)
    first.write(b"one")
    second = parts.open("a" * 64)
    for act in (lambda: first.write(b"x"), first.clear, first.catch_up):
        with pytest.raises(DownloadStopped):
            act()
    parts.close("a" * 64, first)
    second.catch_up()
    second.write(b" two")
    assert (b"one two", hashlib.sha256(b"one two").hexdigest()) == (second.path.read_bytes(), second.sha256)


def test_parts_that_nobody_came_back_for_are_removed(world: DownloadWorld) -> None:
    """Those in use are not."""
    parts = PartFiles(world.state.parts)
    (world.state.parts / "old").write_bytes(b"x")
    used = parts.open("used")
    parts.drop_old()
    assert ["old", "used"] == sorted(path.name for path in world.state.parts.iterdir())
    parts.drop_old(older_than=-1)
    assert [used.path] == list(world.state.parts.iterdir())


@contextmanager
def slow_server(drip: bytes) -> Iterator[str]:
    """Promises a million bytes to whoever asks, and gives one of these twenty times a second; none of them hangs."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.flush()
            with suppress(OSError):
                while not ended.wait(0.05):
                    self.wfile.write(drip)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    ended = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        serving = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/app.tar"
        ended.set()
        server.shutdown()
        serving.join(5)


@pytest.mark.parametrize("drip", [b"x", b""], ids=["drips", "hangs"])
async def test_a_canceled_thread_does_not_live_on(
    world: DownloadWorld, monkeypatch: pytest.MonkeyPatch, eventually: Eventually, drip: bytes
) -> None:
    """The step ends at once; the thread with the next byte, or when its socket has waited as long as it may."""
    monkeypatch.setattr(http_download, "_TIMEOUT", httpx2.Timeout(0.5))
    with slow_server(drip) as url:
        source = UrlArtifact(UrlSource(href=url), Limits(), AllowedHosts.parsed("127.0.0.1"))
        world.offer("web", {"app.tar": CONTENT}, locator=url, size=1_000_000)
        monkeypatch.setattr(world.source, "open", lambda *_: source)
        downloads = world.downloads()
        running = asyncio.create_task(downloads.run(world.request()))
        await eventually(fetching_threads)
        await downloads.cancel(CancelStep(lease_id=world.hold.lease_id, run_id=RUN))
        async with asyncio.timeout(10):
            assert StepOutcome.CANCELED == (await running).outcome
        await eventually(lambda: not fetching_threads(), within=5)
    assert {} == world.found()
