"""Files of a directory: what is taken, and that no link leads out."""

import os
from pathlib import Path

import pytest

from activities.artifact_source import ArtifactNotFound, ArtifactSource, UnsafeArtifact, WrongDigest
from domain.pipeline import DirectorySource, LatestOf
from integrations.allowance import Limits
from integrations.artifact_sources import open_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    (inside / "dist").mkdir(parents=True)
    (inside / "dist" / "shop ä.tar").write_bytes(b"shop")
    (inside / "notes.txt").write_bytes(b"notes")
    (tmp_path / "outside.txt").write_bytes(b"outside")
    return inside


def source(folder: Path, *patterns: str, limits: Limits | None = None) -> ArtifactSource:
    return open_source(DirectorySource(path=str(folder), paths=patterns or ("**",)), None, limits or Limits())


def test_all_files_come_with_their_sizes(folder, read):
    """In the order of their paths; the version is the requester's label."""
    found = source(folder).resolve("1.0")
    assert [("dist/shop ä.tar", 4), ("notes.txt", 5)] == [(file.path, file.size) for file in found.files]
    assert {"dist/shop ä.tar": b"shop", "notes.txt": b"notes"} == read(source(folder), "1.0")


def test_patterns_choose_and_are_named_when_nothing_fits(folder):
    """With what there is."""
    assert ["notes.txt"] == [file.path for file in source(folder, "*.txt").resolve("latest").files]
    with pytest.raises(ArtifactNotFound, match=r"fits \*\.zip; it has dist/shop ä\.tar, notes\.txt"):
        source(folder, "*.zip").resolve("latest")


def test_a_directory_that_is_not_there_is_named(folder):
    """A refusal, not an error of the system."""
    with pytest.raises(ArtifactNotFound, match=r"there is no directory .*/nope"):
        source(folder / "nope").resolve("latest")


def test_a_directory_has_no_branches(folder):
    """Nothing to choose from."""
    with pytest.raises(ArtifactNotFound):
        source(folder).resolve(LatestOf(branch="main"))


def test_a_link_that_leads_out_is_refused(folder):
    """When it is listed, and when it is read."""
    (folder / "link").symlink_to(folder.parent / "outside.txt")
    with pytest.raises(UnsafeArtifact, match="leads out"):
        source(folder).resolve("latest")
    with pytest.raises(UnsafeArtifact, match="leads out"):
        list(source(folder).stream("latest", "link"))


def test_a_link_that_stays_inside_is_a_file(folder, read):
    """Its content is taken."""
    (folder / "link").symlink_to(folder / "notes.txt")
    assert b"notes" == read(source(folder, "link"))["link"]


def test_a_linked_folder_is_not_entered(folder):
    """Wherever it leads."""
    (folder / "linked").symlink_to(folder.parent)
    assert 2 == len(source(folder).resolve("latest").files)


def test_a_pipe_is_no_file(folder):
    """Reading it would wait for ever."""
    os.mkfifo(folder / "pipe")
    assert 2 == len(source(folder).resolve("latest").files)
    with pytest.raises(UnsafeArtifact, match="no plain file"):
        list(source(folder).stream("latest", "pipe"))


@pytest.mark.parametrize("locator", ["../outside.txt", "/etc/passwd", "dist/../../outside.txt"])
def test_no_locator_leads_out(folder, locator):
    """Though locators come from a stored manifest."""
    with pytest.raises(UnsafeArtifact):
        list(source(folder).stream("latest", locator))


def test_a_file_can_be_had_from_the_middle_on(folder):
    """One that became shorter is another file."""
    assert b"tes" == b"".join(source(folder).stream("latest", "notes.txt", start=2))
    with pytest.raises(WrongDigest, match="shorter than the 6 bytes"):
        list(source(folder).stream("latest", "notes.txt", start=6))


def test_a_directory_knows_neither_versions_nor_changes(folder):
    """There is only what is there."""
    assert ((), ()) == (source(folder).recent(LatestOf(), 10), source(folder).changes("1", "2"))


def test_a_file_that_is_gone_is_named(folder):
    """Pinned before, missing now."""
    with pytest.raises(ArtifactNotFound, match=r"there is no file .*gone\.txt"):
        list(source(folder).stream("latest", "gone.txt"))


def test_a_file_beyond_the_cap_is_refused(folder):
    """No directory fills a disk."""
    with pytest.raises(UnsafeArtifact, match="larger than the 3 bytes"):
        list(source(folder, limits=Limits(size=3)).stream("latest", "notes.txt"))
