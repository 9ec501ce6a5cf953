"""Copies of the files that a step wants kept."""

from pathlib import Path

import pytest
from fakes.step_runner import small_disk

from agent import named_files
from agent.masking import Masker
from agent.named_files import KeptFiles, NotDone, beginning
from domain import outputs


@pytest.fixture
def kept(tmp_path: Path) -> KeptFiles:
    return KeptFiles(tmp_path / "kept", Masker(["hunter22"]))


def test_the_runner_and_the_api_know_the_same_limits() -> None:
    """The runner has the standard library only, so it cannot look."""
    ours = (named_files.FILES, named_files.FILE_BYTES, named_files.FILES_BYTES)
    assert (outputs.FILES, outputs.FILE_BYTES, outputs.FILES_BYTES) == ours


def test_a_file_beyond_the_limit_is_refused_with_the_limit(kept: KeptFiles, tmp_path: Path) -> None:
    """One byte more than it may have; and nothing of it is kept."""
    file = tmp_path / "core"
    with file.open("wb") as content:
        content.truncate(10 * 2**20 + 1)
    with pytest.raises(NotDone, match="a file may have 10 MiB, core has 10485761 bytes"):
        kept.keep(file)
    assert ([], False) == (kept.names_and_sizes(), (tmp_path / "kept").exists())


def test_files_are_refused_beyond_what_they_may_have_in_all(kept: KeptFiles, tmp_path: Path) -> None:
    """A small one still fits; as many as there may be, and no more."""
    large, small = tmp_path / "large", tmp_path / "small"
    with large.open("wb") as content:
        content.truncate(10 * 2**20)
    small.write_bytes(b"")
    assert [""] * 5 == [kept.keep(large) for _ in range(5)]
    small.write_bytes(b"x")
    with pytest.raises(NotDone, match="the files of a step may have 50 MiB in all"):
        kept.keep(small)
    small.write_bytes(b"")
    for _ in range(15):
        kept.keep(small)
    with pytest.raises(NotDone, match="a step may keep 20 files"):
        kept.keep(small)
    copies = [(name, (tmp_path / "kept" / str(number)).stat().st_size) for number, (name, _) in _numbered(kept)]
    assert copies == kept.names_and_sizes()


def _numbered(kept: KeptFiles) -> list[tuple[int, tuple[str, int]]]:
    return list(enumerate(kept.names_and_sizes(), start=1))


@pytest.mark.parametrize("name", ["..up", "a b\n\u2603", "-rf"], ids=["dots", "odd", "option"])
def test_a_copy_is_named_by_its_number(kept: KeptFiles, tmp_path: Path, name: str) -> None:
    """Whatever the file is called."""
    file = tmp_path / name
    file.write_bytes(b"content")
    kept.keep(file)
    assert [tmp_path / "kept" / "1"] == list((tmp_path / "kept").iterdir())
    assert [(file.name, 7)] == kept.names_and_sizes()


def test_a_file_that_cannot_be_read_is_refused_in_words() -> None:
    """Some exist, are files, and give nothing; the runner goes on."""
    with pytest.raises(NotDone, match="mem cannot be read: Input/output error"):
        beginning(Path("/proc/self/mem"), 10)


def test_a_full_disk_leaves_no_part_of_a_copy(tmp_path: Path) -> None:
    """So that there is room for how the step ended."""
    source = tmp_path / "large"
    source.write_bytes(bytes(2 * 2**20))
    with small_disk(tmp_path / "disk") as disk:
        kept = KeptFiles(disk / "kept", Masker([]))
        with pytest.raises(NotDone, match="large cannot be copied: No space left on device"):
            kept.keep(source)
        assert ([], []) == (kept.names_and_sizes(), list((disk / "kept").iterdir()))
