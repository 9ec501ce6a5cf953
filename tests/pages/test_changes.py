"""What a deployment changes in its stage."""

from api.pages.changes import compare
from domain.artifact import PinnedArtifact


def _pin(alias: str, version: str, digest: str = "") -> PinnedArtifact:
    return PinnedArtifact(
        alias=alias, kind="url", version=version, digest=digest or version, manifest_id="m", file_count=1, size=1
    )


def test_each_artifact_stands_beside_what_is_there_now():
    """New, changed, unchanged and gone ones, in the order of the new release."""
    old = [_pin("gone", "1"), _pin("same", "7"), _pin("app", "1")]
    new = [_pin("app", "2"), _pin("same", "7"), _pin("new", "1")]
    found = [(change.alias, change.before, change.after, change.is_same) for change in compare(old, new)]
    assert [
        ("app", "1", "2", False),
        ("same", "7", "7", True),
        ("new", None, "1", False),
        ("gone", "1", None, False),
    ] == found


def test_other_bytes_under_the_same_version_are_pointed_out():
    """A rebuilt version is what nobody expects."""
    (change,) = compare([_pin("app", "1", "aa")], [_pin("app", "1", "bb")])
    assert (False, "other bytes") == (change.is_same, change.detail)
