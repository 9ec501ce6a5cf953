"""Artifacts are pinned: every file hashed, held to what the source says of it, and named when it is missing."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakes.served_files import ServedFiles
from temporalio.testing import ActivityEnvironment

from activities import file_hashing
from activities.artifact_source import (
    ArtifactNotFound,
    FileOffer,
    ResolvedVersion,
    SourceUnreachable,
    UnknownConnection,
    WrongDigest,
)
from activities.pinning import Pinning, PinRequest, connection_name
from domain.artifact import Manifest, PinnedArtifact
from domain.ids import ReleaseId
from domain.pipeline import Artifact, JenkinsSource, StorageSource, UrlSource

CONTENT = os.urandom(20_000)
URL = Artifact.model_validate({"url": {"href": "https://files.example/a"}, "version": "142"})
Eventually = Callable[..., Awaitable[None]]


class Kept:
    """Manifests in memory, and no connection."""

    def __init__(self) -> None:
        self.manifests: list[Manifest] = []

    async def keep(self, manifest: Manifest) -> str:
        self.manifests.append(manifest)
        return "m1"

    async def connection(self, name: str) -> None:
        """There is none."""


class Desk:
    """Pins what a source serves."""

    def __init__(self) -> None:
        self.source = ServedFiles({})
        self.kept = Kept()
        self.offers: list[FileOffer] = []
        self.beats: list[Any] = []

    def offer(self, path: str, content: bytes, **said: object) -> None:
        self.source.files[path] = content
        self.offers.append(FileOffer.model_validate({"path": path, "locator": path, **said}))

    async def pin(self, artifact: Artifact = URL) -> PinnedArtifact:
        self.source.versions["142"] = ResolvedVersion(version="142", files=tuple(self.offers), author="ann")
        environment = ActivityEnvironment()
        environment.on_heartbeat = lambda *told: self.beats.append(told)
        pinning = Pinning(self.source.open, self.kept, self.kept)
        request = PinRequest(release=ReleaseId.parse("webshop/1"), alias="web", artifact=artifact)
        async with asyncio.timeout(20):
            return await environment.run(pinning.pin_artifact, request)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(file_hashing, "AGAIN_AFTER_SECONDS", 0.01)
    return Desk()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


async def test_every_file_is_hashed_in_the_order_of_the_source(desk: Desk) -> None:
    """Several side by side, each thread with a source of its own."""
    contents = {f"f{number}": os.urandom(number) for number in range(20)}
    for path, content in contents.items():
        desk.offer(path, content)
    pin = await desk.pin()
    [manifest] = desk.kept.manifests
    assert [(path, hashlib.sha256(content).hexdigest()) for path, content in contents.items()] == [
        (entry.path, entry.sha256) for entry in manifest.files
    ]
    assert ("142", 20, 190, manifest.digest, "ann") == (pin.version, pin.file_count, pin.size, pin.digest, pin.author)
    assert 1 < len(desk.source.connections) <= 5


async def test_what_the_source_says_of_a_file_is_compared(desk: Desk) -> None:
    """And agrees."""
    desk.offer("a", CONTENT, size=20_000, sha256=hashlib.sha256(CONTENT).hexdigest().upper(), md5=md5(CONTENT))
    assert 20_000 == (await desk.pin()).size


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"md5": "0" * 32}, f"web: a is listed with the MD5 {'0' * 32}, but its bytes have"),
        ({"sha256": "0" * 64}, f"web: a is listed with the SHA-256 {'0' * 64}, but its bytes have"),
        ({"size": 19_999}, "web: a is listed with 19999 bytes, but 20000 came"),
    ],
    ids=["md5", "sha256", "size"],
)
async def test_other_bytes_than_the_source_says_are_refused(desk: Desk, said: dict[str, Any], text: str) -> None:
    """With the artifact and the file by name; nothing is pinned."""
    desk.offer("a", CONTENT, **said)
    with pytest.raises(WrongDigest, match=text):
        await desk.pin()
    assert [] == desk.kept.manifests


async def test_a_file_that_ends_too_early_is_worth_another_try(desk: Desk) -> None:
    """Temporal makes it, after some here."""
    desk.offer("a", CONTENT, size=20_001)
    with pytest.raises(SourceUnreachable, match="web: a ended after 20000 of 20001 bytes"):
        await desk.pin()
    assert 5 == len(desk.source.streams)


@pytest.mark.parametrize(("said", "starts"), [({"md5": md5(CONTENT)}, [0, 9000, 9500]), ({}, [0, 0, 0])])
async def test_a_cut_goes_on_where_the_whole_can_be_checked(
    desk: Desk, said: dict[str, Any], starts: list[int]
) -> None:
    """Where nobody says what it shall be, two pieces might be of different files, and it begins anew."""
    desk.offer("a", CONTENT, **said)
    desk.source.cuts["a"] = [9000, 500]
    assert 20_000 == (await desk.pin()).size
    assert hashlib.sha256(CONTENT).hexdigest() == desk.kept.manifests[0].files[0].sha256
    assert starts == desk.source.starts


@pytest.mark.parametrize(("said", "streams"), [({"md5": md5(CONTENT)}, 9), ({}, 5)], ids=["digest", "no digest"])
async def test_patience_lasts_while_something_is_gained(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], streams: int
) -> None:
    """What begins anew each time gains nothing."""
    monkeypatch.setattr(file_hashing, "_WORTH_NEW_PATIENCE", 1000)
    desk.offer("a", CONTENT, **said)
    desk.source.cuts["a"] = [1000] * 8
    if said:
        await desk.pin()
    else:
        with pytest.raises(SourceUnreachable):
            await desk.pin()
    assert streams == len(desk.source.streams)


async def test_pieces_of_different_files_are_read_anew(desk: Desk) -> None:
    """Once, if the source says what the whole shall be."""
    desk.offer("a", CONTENT, md5=md5(CONTENT))
    served, desk.source.files["a"] = desk.source.files["a"], b"other" + CONTENT[5:]
    desk.source.cuts["a"] = [9000]
    desk.source.on_cut = lambda: desk.source.files.update(a=served)
    assert 20_000 == (await desk.pin()).size
    assert [0, 9000, 0] == desk.source.starts


async def test_a_file_that_changed_since_its_first_bytes_is_read_anew(desk: Desk) -> None:
    """Once: the source sees it when it is asked for the rest."""
    desk.offer("a", CONTENT, md5=md5(CONTENT))
    desk.source.cuts["a"] = [9000]
    desk.source.on_cut = lambda: desk.source.troubles.update(a=[WrongDigest("a has changed at its source")])
    assert 20_000 == (await desk.pin()).size
    assert [0, 9000, 0] == desk.source.starts


async def test_a_source_that_gives_nothing_is_left_to_temporal(desk: Desk) -> None:
    """It waits longer and longer, and says so."""
    desk.offer("a", CONTENT)
    desk.source.cuts["a"] = [0]
    with pytest.raises(SourceUnreachable, match="web: cut off after 0 bytes"):
        await desk.pin()
    assert 1 == len(desk.source.streams)


async def test_what_is_missing_is_named(desk: Desk) -> None:
    """The artifact, and what of it."""
    with pytest.raises(ArtifactNotFound, match="web: there is no version 141"):
        await desk.pin(URL.model_copy(update={"version": "141"}))
    jenkins = Artifact.model_validate({"jenkins": {"server": "ci", "job": "shop"}})
    with pytest.raises(UnknownConnection, match="web: there is no connection ci"):
        await desk.pin(jenkins)


async def test_how_far_it_is_goes_with_the_heartbeat(desk: Desk, eventually: Eventually) -> None:
    """Temporal Web UI shows it."""
    desk.offer("a", CONTENT)
    desk.source.held.add("a")
    running = asyncio.create_task(desk.pin())
    await eventually(lambda: ("0 of 1 files hashed, 0.0 MB read",) in desk.beats)
    desk.source.go.set()
    await running


def test_the_connection_of_a_source_is_known() -> None:
    """Some need none."""
    assert "ci" == connection_name(JenkinsSource(server="ci", job="shop"))
    assert "store" == connection_name(StorageSource(connection="store", url="s3://bucket/prefix"))
    assert connection_name(UrlSource(href="https://files.example/a")) is None
