"""One file on its way: who was stopped takes nothing from who came after it, and no zip fills the disk unseen."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.artifact_cache import ArtifactCache
from agent.file_fetch import DiskTooFull, FetchStores, FileFetch, WantedFile
from agent.part_files import DownloadStopped, PartFiles
from domain.artifact import FileEntry

CONTENT = b"shop"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Source:
    """Gives what it was made with; ``asked`` counts the pieces that were taken."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces
        self.asked = 0

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        for piece in self.pieces:
            self.asked += 1
            yield piece


class _Stores(FetchStores):
    """Remembers how often room was looked for; from the second time on there is none."""

    looked = 0

    def make_room(self, coming: int = 0) -> str:
        type(self).looked += 1
        return "" if self.looked == 1 else "full"


def _stores(folder: Path, kind: type[FetchStores] = FetchStores) -> FetchStores:
    (folder / "parts").mkdir()
    (folder / "cache").mkdir()
    return kind(PartFiles(folder / "parts"), ArtifactCache(folder / "cache", 1_000_000))


def _wanted(source: Any) -> WantedFile:
    entry = FileEntry(path="a", locator="a", size=len(CONTENT), sha256=SHA256)
    return WantedFile(name="web/a", version="1", entry=entry, open_source=lambda: source)


def test_who_was_stopped_takes_no_part_from_who_came_after_it(tmp_path: Path) -> None:
    """Its thread may come to its part only after another job opened that."""
    stores = _stores(tmp_path)
    late = FileFetch(_wanted(_Source([CONTENT])), stores)
    late.stop()
    part = stores.parts.open(SHA256)
    with pytest.raises(DownloadStopped):
        late.try_once()
    part.write(CONTENT)
    assert SHA256 == part.sha256


def test_who_was_stopped_moves_no_part_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another job that took the part over still needs it where it is."""
    stores = _stores(tmp_path)
    late = FileFetch(_wanted(_Source([CONTENT])), stores)
    checked = []

    def stopped_after_its_check(*_: object) -> None:
        late.stop()
        checked.append(stores.parts.open(SHA256))

    monkeypatch.setattr("agent.file_fetch._check", stopped_after_its_check)
    with pytest.raises(DownloadStopped):
        late.try_once()
    [part] = checked
    assert (True, False) == (part.path.exists(), SHA256 in stores.cache)


def test_room_is_looked_for_while_a_zip_comes(tmp_path: Path) -> None:
    """Nothing of the file itself has come yet, but the disk becomes full nevertheless."""
    source = _Source([b""] * 1000 + [CONTENT])
    with pytest.raises(DiskTooFull, match="full"):
        FileFetch(_wanted(source), _stores(tmp_path, _Stores)).try_once()
    assert 64 == source.asked
