"""Which API is talked to, and as whom."""

import json
from pathlib import Path

import pytest

from cli.configuration import Access, Asked, Surroundings, find_access, is_plain_text_to_afar, keep_login
from cli.failure import Failure

LOCAL = {"api_url": "http://127.0.0.1:8000", "admin_token": "slw_admin", "people": {"ana@example.com": "slw_ana"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder below one with a local installation."""
    (tmp_path / ".slipway").mkdir()
    (tmp_path / ".slipway" / "local.json").write_text(json.dumps(LOCAL))
    (tmp_path / "deep").mkdir()
    return tmp_path / "deep"


def surroundings(folder: Path, **environment: str) -> Surroundings:
    return Surroundings(environment={"HOME": str(folder / "home"), **environment}, folder=folder)


def test_options_come_before_all(folder: Path) -> None:
    """What was typed wins over the environment and the local installation."""
    found = find_access(Asked(url="https://x", token="t"), surroundings(folder, SLIPWAY_API_URL="https://y"))
    assert ("https://x", "t") == (found.url, found.token)


def test_the_environment_comes_before_files(folder: Path) -> None:
    """CI sets two variables and needs no file."""
    given = surroundings(folder, SLIPWAY_API_URL="https://y", SLIPWAY_TOKEN="u")
    assert Access("https://y", "u", "option or environment") == find_access(Asked(), given)


def test_a_local_installation_above_is_found(folder: Path) -> None:
    """After `slipway up` the other commands work in its folder and below, without any setting."""
    found = find_access(Asked(), surroundings(folder))
    assert ("http://127.0.0.1:8000", "slw_admin") == (found.url, found.token)


def test_a_kept_token_goes_nowhere_else(folder: Path) -> None:
    """The local admin's token is not sent to another address."""
    assert find_access(Asked(url="https://elsewhere"), surroundings(folder)).token is None


def test_as_a_person_of_the_local_installation(folder: Path) -> None:
    """--as acts with the token that the demo made for that person."""
    assert "slw_ana" == find_access(Asked(person="ana@example.com"), surroundings(folder)).token


def test_an_unknown_person_is_told_who_there_is(folder: Path) -> None:
    """A typo in --as names the people that would be right."""
    with pytest.raises(Failure, match=r"ana@example\.com"):
        find_access(Asked(person="bob@example.com"), surroundings(folder))


def test_a_login_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    """The file can be read by its owner alone, keeps several servers, and uses the last one."""
    given = surroundings(tmp_path)
    keep_login("https://one", "t1", given.config_file)
    keep_login("https://two", "t2", given.config_file)
    assert 0o600 == given.config_file.stat().st_mode & 0o777
    assert ("https://two", "t2") == (find_access(Asked(), given).url, find_access(Asked(), given).token)
    assert "t1" == find_access(Asked(url="https://one"), given).token


def test_without_anything_it_is_this_machine(tmp_path: Path) -> None:
    """The default is where `slipway api` listens by default."""
    assert Access("http://127.0.0.1:8000", None, "default") == find_access(Asked(), surroundings(tmp_path))


@pytest.mark.parametrize("broken", ["", "[]", "{", '{"api_url": ""}'])
def test_a_broken_file_is_no_file(tmp_path: Path, broken: str) -> None:
    """A half-written state file does not break every command."""
    (tmp_path / ".slipway").mkdir()
    (tmp_path / ".slipway" / "local.json").write_text(broken)
    assert "default" == find_access(Asked(), surroundings(tmp_path)).source


@pytest.mark.parametrize(
    ("url", "is_it"),
    [("http://127.0.0.1:1", False), ("https://x", False), ("http://localhost", False), ("http://x", True)],
)
def test_an_unencrypted_way_is_noticed(url: str, is_it: bool) -> None:  # noqa: FBT001  a table column
    """A token over http:// to another machine is worth a warning."""
    assert is_it == is_plain_text_to_afar(url)
