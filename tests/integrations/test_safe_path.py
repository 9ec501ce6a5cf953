"""Names that others chose."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.artifact_source import UnsafeArtifact
from integrations.safe_path import safe_path


@pytest.mark.parametrize("name", ["a", "dist/a b.tar.gz", "ä/ö+%2F.txt", ".hidden", "a..b/...", "x" * 255])
def test_plain_names_pass(name):
    """Unchanged."""
    assert name == safe_path(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "/a", "..", "../a", "a/..", "a/../b", ".", "./a", "a//b", "a/"),
        *("a\\b", "C:", "C:/a", "a\nb", "a\0b", "a\x7f"),
        *("x" * 256, "/".join(["x" * 200] * 11)),
    ],
)
def test_anything_that_could_lead_elsewhere_is_refused(name):
    """On this system or another."""
    with pytest.raises(UnsafeArtifact):
        safe_path(name)


@given(st.text(alphabet=st.sampled_from("./\\:C \0a"), max_size=12))
def test_what_passes_stays_below_a_folder(name):
    """Whatever the spelling."""
    try:
        path = safe_path(name)
    except UnsafeArtifact:
        return
    assert ".." not in PurePosixPath(path).parts
    assert not PurePosixPath(path).is_absolute()
    assert not PureWindowsPath(path).anchor
