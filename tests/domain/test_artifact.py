"""The digest of an artifact speaks for its bytes."""

from fakes.made_pipelines import slugs, some_texts
from hypothesis import given
from hypothesis import strategies as st

from domain.artifact import FileEntry, Manifest
from domain.pipeline import DirectorySource, UrlSource

SOURCE = UrlSource(href="https://example.com/x")
files = st.lists(
    st.builds(
        FileEntry,
        path=slugs,
        locator=slugs,
        size=st.integers(0, 9),
        sha256=st.sampled_from(["a" * 64, "b" * 64]),
    ),
    max_size=4,
    unique_by=lambda file: file.path,
)


@given(files, st.data())
def test_the_digest_does_not_depend_on_order_source_version_or_locators(
    entries: list[FileEntry], data: st.DataObject
) -> None:
    """Equal bytes under equal names are the same artifact."""
    manifest = Manifest(source=SOURCE, version="1", files=tuple(entries))
    moved = [one.model_copy(update={"locator": "elsewhere"}) for one in data.draw(st.permutations(entries))]
    other = Manifest(source=DirectorySource(path="/x"), version="2", files=tuple(moved))
    assert manifest.digest == other.digest
    assert manifest.digest == Manifest.model_validate_json(manifest.model_dump_json()).digest


@given(files.filter(bool), some_texts, st.data())
def test_any_change_of_a_file_changes_the_digest(entries: list[FileEntry], text: str, data: st.DataObject) -> None:
    """Its name, its size, its bytes, its being there at all."""
    manifest = Manifest(source=SOURCE, version="1", files=tuple(entries))
    first, *others = entries
    change = data.draw(st.sampled_from([{"path": first.path + text}, {"size": first.size + 1}, {"sha256": "c" * 64}]))
    changed = (first.model_copy(update=change), *others)
    digests = {Manifest(source=SOURCE, version="1", files=some).digest for some in (changed, tuple(others))}
    assert manifest.digest not in digests
