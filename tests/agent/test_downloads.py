"""Artifacts on their way into a workspace."""

import asyncio
import hashlib
import io
import os
import shutil
import threading
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakes.download_world import RUN, TOKEN, DownloadWorld

from activities.agent_job import CancelStep, LeaseGone, StepOutcome
from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable

Eventually = Callable[..., Awaitable[None]]


async def test_every_file_lands_in_the_folder_of_its_alias(world: DownloadWorld) -> None:
    """With its bytes; what lay there before is gone, and the log names each file."""
    files = {"app.tar": os.urandom(50_000), "conf/a.yaml": b"a: 1\n", "empty": b""}
    world.offer("web", files)
    world.offer("infra", {"deploy.sh": b"#!/bin/sh\n"})
    (world.work / "web").mkdir()
    (world.work / "web" / "stale").write_text("from before")
    end = await world.run()
    assert (StepOutcome.EXITED, 0, "") == (end.outcome, end.exit_code, end.reason)
    expected = {f"web/{path}": content for path, content in files.items()} | {"infra/deploy.sh": b"#!/bin/sh\n"}
    assert expected == world.found()
    assert end.log_size == len(world.log())
    assert end.log_sha256 == hashlib.sha256(world.log().encode()).hexdigest()
    assert all(f"web/{path}" in world.log() for path in files)


async def test_what_lay_there_is_removed_in_a_thread(world: DownloadWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand files take seconds, in which the agent must go on telling that it is alive."""
    world.offer("web", {"app.tar": b"x"})
    (world.work / "web").mkdir()
    threads, remove = [], shutil.rmtree

    def removed(*given: Any, **named: Any) -> None:
        threads.append(threading.current_thread())
        remove(*given, **named)

    monkeypatch.setattr("agent.downloads.shutil.rmtree", removed)
    await world.run()
    assert len(threads) == 1
    assert threading.main_thread() not in threads


async def test_other_bytes_are_refused(world: DownloadWorld) -> None:
    """The file, what was pinned and what came are named; the file is not there."""
    world.offer("web", {"app.tar": b"evil"}, sha256="a" * 64)
    end = await world.run()
    got = hashlib.sha256(b"evil").hexdigest()
    assert (StepOutcome.EXITED, 1) == (end.outcome, end.exit_code)
    assert f"WrongDigest: app.tar: expected SHA-256 {'a' * 64}, got {got}" == end.reason
    assert end.reason in world.log()
    assert {} == world.found()


@pytest.mark.parametrize("size", [3, 100])
async def test_a_body_of_another_length_is_refused(world: DownloadWorld, size: int) -> None:
    """Too short as well as too long."""
    world.offer("web", {"app.tar": b"0123456789"}, size=size)
    end = await world.run()
    assert f"WrongDigest: app.tar: expected {size} bytes, got" in end.reason
    assert {} == world.found()


@pytest.mark.parametrize("path", ["../out", "/etc/out", "a/../../out", "a\\b", "a//b", "", ".", "a\0b"])
async def test_names_that_lead_elsewhere_are_refused(world: DownloadWorld, path: str) -> None:
    """Whatever a manifest says, nothing is written outside of the alias folder."""
    world.offer("web", {path: b"x"})
    end = await world.run()
    assert end.reason.startswith("UnsafeArtifact: ")
    assert {} == world.found()


async def test_another_list_of_files_than_the_pinned_one_is_refused(world: DownloadWorld) -> None:
    """The release's digest decides, not what the server says now."""
    world.offer("web", {"app.tar": b"x"})
    world.pins[0] = world.pins[0].model_copy(update={"digest": "b" * 64})
    assert "WrongDigest: the list of files of web 142 is not the one that was pinned" == (await world.run()).reason


async def test_a_list_without_a_pinned_artifact_is_refused(world: DownloadWorld) -> None:
    """Nothing may be missing silently."""
    world.offer("web", {"app.tar": b"x"})
    world.server.artifacts.clear()
    assert "WrongDigest: the list of files of web 142 is missing" == (await world.run()).reason


async def test_an_unreachable_source_is_tried_again(world: DownloadWorld) -> None:
    """And the log says so."""
    world.offer("web", {"app.tar": b"0123456789"})
    world.source.troubles["web:app.tar"] = [SourceUnreachable("connection reset")]
    end = await world.run()
    assert 0 == end.exit_code
    assert "web/app.tar: connection reset; again in" in world.log()
    assert {"web/app.tar": b"0123456789"} == world.found()


async def test_a_source_that_stays_away_fails_the_download(world: DownloadWorld) -> None:
    """In words, after as many tries as there are waits, and one."""
    world.offer("web", {"app.tar": b"0123456789"})
    world.source.troubles["web:app.tar"] = [SourceUnreachable("ci does not answer")] * 5
    assert "SourceUnreachable: ci does not answer" == (await world.run()).reason
    assert 3 == len(world.source.streams)


@pytest.mark.parametrize("refusal", [ArtifactNotFound("build 142 is gone"), SourceDenied("401 from ci")])
async def test_a_refusal_is_not_tried_again(world: DownloadWorld, refusal: Exception) -> None:
    """The source answered; asking again changes nothing."""
    world.offer("web", {"app.tar": b"0123456789"})
    world.source.troubles["web:app.tar"] = [refusal]
    assert f"{type(refusal).__name__}: {refusal}" == (await world.run()).reason
    assert 1 == len(world.source.streams)


async def test_tokens_do_not_show_in_the_log(world: DownloadWorld) -> None:
    """Should a source quote one in its trouble."""
    world.offer("web", {"app.tar": b"0123456789"})
    world.source.troubles["web:app.tar"] = [SourceDenied(f"bad token {TOKEN}")]
    await world.run()
    assert TOKEN not in world.log()
    assert world.source.connections[0] is not None
    assert TOKEN == world.source.connections[0].token.get_secret_value()


async def test_cancel_ends_it_at_once(world: DownloadWorld, eventually: Eventually) -> None:
    """Also while a file hangs."""
    world.offer("web", {"app.tar": b"0123456789"})
    world.source.held.add("web:app.tar")
    downloads = world.downloads()
    running = asyncio.create_task(downloads.run(world.request()))
    await eventually(lambda: world.source.streams)
    await downloads.cancel(CancelStep(lease_id=world.hold.lease_id, run_id=RUN))
    async with asyncio.timeout(5):
        end = await running
    world.source.go.set()
    assert (StepOutcome.CANCELED, None) == (end.outcome, end.exit_code)
    assert "The download was canceled.\n" in world.log()


async def test_an_interrupted_download_begins_anew(world: DownloadWorld, eventually: Eventually) -> None:
    """A new agent empties the folder, fetches all of it, and goes on with the log."""
    world.offer("web", {"app.tar": b"0123456789"})
    world.source.held.add("web:app.tar")
    first = world.downloads()
    dying = asyncio.create_task(first.run(world.request()))
    await eventually(lambda: "Downloading web" in world.log())
    for task in first._under_way._tasks.values():
        task.cancel()
    await asyncio.wait([dying])
    world.source.go.set()
    end = await world.run()
    assert (0, {"web/app.tar": b"0123456789"}) == (end.exit_code, world.found())
    assert "The download was interrupted and begins anew.\n" in world.log()
    assert end.log_size == len(world.log())


async def test_a_download_that_ended_is_told_again(world: DownloadWorld) -> None:
    """The completion may have been lost on the way; nothing is fetched a second time."""
    world.offer("web", {"app.tar": b"0123456789"})
    end = await world.run()
    assert end == await world.run()
    assert 1 == len(world.source.streams)


async def test_two_requests_are_one_download(world: DownloadWorld) -> None:
    """The server may hand the task out again while the first attempt is at work."""
    world.offer("web", {"app.tar": b"0123456789"})
    downloads = world.downloads()
    first, second = await asyncio.gather(*(downloads.run(world.request()) for _ in range(2)))
    assert first == second
    assert 1 == len(world.source.streams)


async def test_archives_are_unpacked_where_asked(world: DownloadWorld) -> None:
    """Only of the aliases that say so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("bin/run.sh", "#!/bin/sh\n")
    world.offer("web", {"drop.zip": buffer.getvalue()})
    world.offer("infra", {"drop.zip": buffer.getvalue()})
    end = await world.run(unpack=("web",))
    assert 0 == end.exit_code
    assert {"infra/drop.zip", "web/bin/run.sh", "web/drop.zip"} == world.found().keys()


async def test_a_hostile_archive_fails_the_download(world: DownloadWorld) -> None:
    """With the reason as the step's."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../out", "x")
    world.offer("web", {"drop.zip": buffer.getvalue()})
    assert (await world.run(unpack=("web",))).reason.startswith("UnsafeArtifact: '../out'")


async def test_without_the_lease_nothing_is_fetched(world: DownloadWorld) -> None:
    """It may have been given up while the request was on its way."""
    with pytest.raises(LeaseGone):
        await world.run(lease_id="another")
