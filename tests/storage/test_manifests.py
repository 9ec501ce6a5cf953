"""Manifests are kept once, under the digest of their content."""

import asyncio

import pytest

from domain.artifact import FileEntry, Manifest
from domain.pipeline import AzurePipelinesSource, DirectorySource, JenkinsSource, UrlSource
from domain.refusal import NotFound
from storage import manifests
from storage.manifests import SqlManifests

_FILES = (FileEntry(path="app/web.war", locator="web.war", size=2**40, sha256="a" * 64),)


@pytest.mark.parametrize(
    "source",
    [
        JenkinsSource(server="ci", job="webshop/main"),
        AzurePipelinesSource(connection="az", project="shop", pipeline="build", artifact="drop"),
        UrlSource(href="https://example.com/web.war"),
        DirectorySource(path="/srv/builds"),
    ],
    ids=lambda source: type(source).__name__,
)
async def test_a_manifest_reads_back_as_it_was_kept(database, source):
    """Whatever its source is."""
    manifest = Manifest(source=source, version="7", files=_FILES)
    kept = await SqlManifests(database).keep(manifest)
    async with database.reading() as session:
        assert manifest == await manifests.get(session, kept)


async def test_the_same_manifest_has_one_id(database):
    """Pinned again, also at once, it is the same; another version is another."""
    store = SqlManifests(database)
    manifest = Manifest(source=DirectorySource(path="/srv"), version="7", files=_FILES)
    kept = await asyncio.gather(*(store.keep(manifest) for _ in range(5)))
    other = await store.keep(manifest.model_copy(update={"version": "8"}))
    assert len(set(kept)) == 1
    assert len(other) == 64
    assert other not in kept


async def test_an_unknown_manifest_is_refused(database):
    """By its id."""
    async with database.reading() as session:
        with pytest.raises(NotFound, match="unknown"):
            await manifests.get(session, "unknown")
