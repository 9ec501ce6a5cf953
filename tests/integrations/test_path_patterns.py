"""Patterns of paths."""

import pytest

from activities.artifact_source import ArtifactNotFound
from integrations.path_patterns import chosen

PATHS = ["a.txt", "dist/b.txt", "dist/deep/er/c.txt", "dist/[d].zip", "x+y"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**", PATHS),
        ("*", ["a.txt", "x+y"]),
        ("*.txt", ["a.txt"]),
        ("**/*.txt", ["a.txt", "dist/b.txt", "dist/deep/er/c.txt"]),
        ("dist/**", ["dist/b.txt", "dist/deep/er/c.txt", "dist/[d].zip"]),
        ("dist/", ["dist/b.txt", "dist/deep/er/c.txt", "dist/[d].zip"]),
        ("dist/*", ["dist/b.txt", "dist/[d].zip"]),
        ("dist/**/c.txt", ["dist/deep/er/c.txt"]),
        ("dist/**/b.txt", ["dist/b.txt"]),
        ("dist/[d].zip", ["dist/[d].zip"]),
        ("?.txt", ["a.txt"]),
        ("x+y", ["x+y"]),
    ],
)
def test_a_pattern_chooses(pattern, expected):
    """Stars stay within a name, double stars go across folders, all else is meant literally."""
    assert expected == chosen(PATHS, [pattern], "here")


def test_a_path_needs_to_fit_one_of_several_patterns():
    """The order is that of the paths, and no path comes twice."""
    assert ["a.txt", "x+y"] == chosen(PATHS, ["x*", "a*", "*.txt"], "here")


@pytest.mark.parametrize("pattern", ["dist", "DIST/*", "b.txt", "/a.txt", "a.txt/**"])
def test_what_does_not_fit_is_not_found(pattern):
    """A folder's name alone, other letters, or half a path."""
    with pytest.raises(ArtifactNotFound, match=r"it has a\.txt, "):
        chosen(PATHS, [pattern], "here")


def test_each_pattern_is_there_for_a_file():
    """What fits others does not make up for files that are missing."""
    with pytest.raises(ArtifactNotFound, match=r"no file of here fits docs/\*\*, \*\.war; it has a\.txt, "):
        chosen(PATHS, ["a.txt", "docs/**", "*.war"], "here")


def test_a_long_listing_is_cut():
    """Twenty names are enough to see what is wrong."""
    with pytest.raises(ArtifactNotFound, match=r"file19 and 80 more$"):
        chosen([f"file{n}" for n in range(100)], ["x"], "here")


def test_nothing_to_choose_from_is_said():
    """A build without archived files."""
    with pytest.raises(ArtifactNotFound, match="it has no files"):
        chosen([], ["**"], "here")
