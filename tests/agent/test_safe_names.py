"""Names that come from elsewhere."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.artifact_source import UnsafeArtifact
from agent.safe_names import folder_name, joined


@given(st.text(max_size=300))
def test_any_id_becomes_one_plain_folder_name(identity: str) -> None:
    """No separator, no dots to climb with, short enough."""
    name = folder_name(identity)
    assert Path(name).name == name
    assert not name.startswith(".")
    assert len(name) < 100


@given(st.text("aA/_.- é", max_size=12), st.text("aA/_.- é", max_size=12))
def test_different_ids_have_different_folders(one: str, other: str) -> None:
    """Also on disks that do not tell case apart."""
    assert (one == other) == (folder_name(one).lower() == folder_name(other).lower())


@given(st.text("ab./\\\0 ", max_size=20))
def test_a_joined_name_stays_below_its_folder(name: str) -> None:
    """Or is refused."""
    try:
        path = joined(Path("/folder"), name)
    except UnsafeArtifact:
        return
    assert path.is_relative_to("/folder")
    assert Path("/folder") != path
    assert ".." not in path.parts


@pytest.mark.parametrize("name", ["a", "a/b.txt", "..a/b..", "a b/é", "-rf"])
def test_ordinary_names_are_joined(name: str) -> None:
    """As they are."""
    assert f"/folder/{name}" == str(joined(Path("/folder"), name))
