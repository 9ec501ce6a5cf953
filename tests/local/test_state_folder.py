"""The folder of a local installation."""

import stat
from pathlib import Path

import pytest

from local.state_folder import FORMAT, HeldByAnother, Memory, StateFolder
from local.trouble import Trouble


def test_a_new_folder_gets_new_keys(tmp_path: Path) -> None:
    """No two installations share a secret key or an admin's token."""
    with StateFolder(tmp_path / "one") as one, StateFolder(tmp_path / "two") as two:
        first, second = one.recall(), two.recall()
    assert first.secret_key != second.secret_key
    assert first.admin_token != second.admin_token
    assert 32 == len(bytes.fromhex(first.secret_key))


def test_memory_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    """It holds keys."""
    memory = Memory(ports={"api": 1})
    with StateFolder(tmp_path / "s") as folder:
        folder.keep(memory)
        assert memory == folder.recall()
        assert 0o600 == stat.S_IMODE(folder.memory_file.stat().st_mode)
        assert 0o700 == stat.S_IMODE(folder.path.stat().st_mode)


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    """A second start finds out at once; after the first it may."""
    with StateFolder(tmp_path / "s"), pytest.raises(HeldByAnother), StateFolder(tmp_path / "s"):
        pass
    with StateFolder(tmp_path / "s"):
        pass


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    """--state with somebody's home folder must never end in --fresh deleting it."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(Trouble, match="holds other files"), StateFolder(tmp_path):
        pass
    assert ["thesis.txt"] == [file.name for file in tmp_path.iterdir()]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A path that is a file is told as such."""
    (tmp_path / "s").touch()
    with pytest.raises(Trouble, match="is no folder"), StateFolder(tmp_path / "s"):
        pass


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "is broken"), ("[]", "is broken"), ('{"format": 99}', f"format 99, this one: {FORMAT}")],
)
def test_what_cannot_be_read_is_told_with_the_way_out(tmp_path: Path, content: str, words: str) -> None:
    """Broken, or of another version: the word names --fresh."""
    with StateFolder(tmp_path / "s") as folder:
        folder.memory_file.write_text(content)
        with pytest.raises(Trouble, match=words) as trouble:
            folder.recall()
    assert "--fresh" in trouble.value.hint


def test_emptying_deletes_all_but_the_lock(tmp_path: Path) -> None:
    """And follows no link out of the folder."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    with StateFolder(tmp_path / "s") as folder:
        folder.keep(Memory())
        (folder.path / "link").symlink_to(tmp_path / "outside")
        (folder.logs / "api.log").touch()
        folder.empty()
        assert ["lock", "logs"] == sorted(entry.name for entry in folder.path.iterdir())
        assert [] == list(folder.logs.iterdir())
    assert (tmp_path / "outside" / "file").exists()
