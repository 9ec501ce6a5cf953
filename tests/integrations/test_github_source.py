"""Files of GitHub releases against the stand-in: which release is meant, what is refused, where the token goes."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest
from fakes.raw_server import raw_server
from pydantic import SecretStr

from activities.artifact_source import (
    ArtifactNotFound,
    ArtifactSource,
    SourceDenied,
    SourceUnreachable,
    UnknownConnection,
    UnsafeArtifact,
)
from domain.connection import Connection, ConnectionKind
from domain.pipeline import GithubSource, LatestOf
from integrations.allowance import Limits
from integrations.artifact_sources import open_source
from integrations.guarded_addresses import AllowedHosts
from local import github
from local.faults import Fault
from local.github_state import Asset, GithubCommit, GithubRelease, GithubState

TOKEN = "ghp_token-that-must-not-leak"
CONTENT = b"shop" * 50_000
SHAS = [letter * 40 for letter in "abcd"]


class World:
    """A GitHub with its other host, and how to open a source on it."""

    def __init__(self, state: GithubState, url: str) -> None:
        self.state = state
        self.url = url

    def open(
        self,
        repository: str = "octo/shop",
        *,
        token: str = TOKEN,
        paths: tuple[str, ...] = ("**",),
        allowed: str = "127.0.0.1",
    ) -> ArtifactSource:
        connection = Connection(name="gh", kind=ConnectionKind.GITHUB, url=f"{self.url}/", token=SecretStr(token))
        source = GithubSource(connection="gh", repository=repository, paths=paths)
        return open_source(source, connection, Limits(), AllowedHosts.parsed(allowed))


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


@pytest.fixture
def world(places) -> World:
    state = GithubState(tokens={TOKEN})
    repository = state.repository("octo/shop")
    old = GithubRelease("v1.0", "One", published_at=day(1), assets=[Asset("shop.tar.gz", b"old", 10, has_digest=False)])
    new = GithubRelease("v1.1", "One and a bit", published_at=day(2))
    new.assets += [Asset("shop.tar.gz", CONTENT, 11), Asset("sums.txt", b"sums", 12)]
    new.assets.append(Asset("half.bin", b"ha", 13, state="starter"))
    backport = GithubRelease("v0.9/lts", target="lts", published_at=day(1), assets=[Asset("a b.txt", b"lts", 14)])
    beta = GithubRelease("v2.0-beta", prerelease=True, published_at=day(3), assets=[Asset("shop.tar.gz", b"beta", 15)])
    draft = GithubRelease("v3.0", draft=True, published_at=None)
    repository.releases += [old, new, backport, beta, draft]
    tags = [("v1.0",), (), ("v1.1",), ("v2.0-beta",)]
    repository.commits += [GithubCommit(sha, f"change {sha[0]}", tags=at) for sha, at in zip(SHAS, tags, strict=True)]
    (here, url), (elsewhere, content_url) = places
    here.app, elsewhere.app = github.create_app(state), github.create_content_app(state)
    state.content_url = content_url
    return World(state, url)


def test_latest_is_the_newest_that_is_neither_draft_nor_pre_release(world, read):
    """With the files that are whole, and what GitHub says of them."""
    found = world.open().resolve("latest")
    assert ("v1.1", "main", SHAS[2], "octo-ada") == (found.version, found.branch, found.commit, found.author)
    assert day(2) == found.built_at
    assert [("shop.tar.gz", 200_000, sha256(CONTENT).hexdigest()), ("sums.txt", 4, sha256(b"sums").hexdigest())] == [
        (file.path, file.size, file.sha256) for file in found.files
    ]
    assert {"shop.tar.gz": CONTENT, "sums.txt": b"sums"} == read(world.open())


@pytest.mark.parametrize(
    ("version", "tag", "content"),
    [
        ("v1.0", "v1.0", {"shop.tar.gz": b"old"}),
        ("v2.0-beta", "v2.0-beta", {"shop.tar.gz": b"beta"}),
        ("v0.9/lts", "v0.9/lts", {"a b.txt": b"lts"}),
        (LatestOf(branch="lts"), "v0.9/lts", {"a b.txt": b"lts"}),
    ],
)
def test_a_version_is_a_tag_or_the_latest_of_a_branch(world, read, version, tag, content):
    """A pre-release, too, if it is named."""
    assert tag == world.open().resolve(version).version
    assert content == read(world.open(), version)


def test_without_a_digest_there_is_none(world):
    """Older files have none."""
    assert None is world.open().resolve("v1.0").files[0].sha256


def test_the_token_stays_with_github(world, read):
    """The bytes are on another host, which is shown nothing."""
    read(world.open())
    assert [False, False] == ["authorization" in headers for headers in world.state.content_requests]


def test_the_host_of_the_bytes_must_be_public_or_allowed(world):
    """The connection's own host is trusted; where it redirects to is not."""
    source = world.open(allowed="")
    found = source.resolve("latest")
    with pytest.raises(UnsafeArtifact, match="inside network"):
        list(source.stream(found.version, found.files[0].locator))
    assert [] == world.state.content_requests


@pytest.mark.parametrize(
    ("repository", "version", "words"),
    [
        ("octo/nope", "latest", "has no releases of octo/nope"),
        ("octo/shop", "v9", "has no release v9 of octo/shop"),
        ("octo/shop", "v3.0", r"has no release v3\.0 of octo/shop"),
        ("octo/shop", LatestOf(branch="x"), "octo/shop has no published release of x"),
        ("octo/shop", LatestOf(tags=("v1.0",)), "has one tag, which is its version"),
    ],
)
def test_what_is_missing_is_named(world, repository, version, words):
    """Repository, release or branch."""
    with pytest.raises(ArtifactNotFound, match=words):
        world.open(repository).resolve(version)


def test_patterns_choose_files(world, read):
    """And are named when nothing fits."""
    assert ["sums.txt"] == list(read(world.open(paths=("*.txt",))))
    with pytest.raises(ArtifactNotFound, match=r"fits \*\.zip; it has shop\.tar\.gz, sums\.txt"):
        world.open(paths=("*.zip",)).resolve("latest")


def test_a_wrong_token_is_denied_and_none_sees_what_is_public_only(world):
    """GitHub says of private repositories that there are none."""
    with pytest.raises(SourceDenied):
        world.open(token="wrong").resolve("latest")
    with pytest.raises(ArtifactNotFound):
        world.open(token="").resolve("latest")
    world.state.repository("octo/shop").is_private = False
    assert "v1.1" == world.open(token="").resolve("latest").version


def test_a_used_up_limit_of_requests_is_worth_another_try(world):
    """GitHub says 403, but means later."""
    world.state.requests_left = 0
    with pytest.raises(SourceUnreachable, match="our limit is used up"):
        world.open().resolve("latest")


def test_a_file_can_be_had_from_the_middle_on(world):
    """The other host knows ranges, and whether it is still the same file."""
    source = world.open()
    locator = source.resolve("latest").files[0].locator
    assert CONTENT == b"".join(source.stream("v1.1", locator))
    assert CONTENT[7:] == b"".join(source.stream("v1.1", locator, start=7))
    assert ["bytes=7-"] == [headers["range"] for headers in world.state.content_requests[1:]]
    assert "if-range" in world.state.content_requests[1]


@pytest.mark.parametrize("cut_at", [0, 1, 199_999])
def test_a_cut_download_is_an_error(world, cut_at):
    """And the next try is whole."""
    source = world.open()
    locator = source.resolve("latest").files[0].locator
    fault = world.state.content_faults.add(Fault(cut_at=cut_at, times=1))
    with pytest.raises(SourceUnreachable):
        list(source.stream("v1.1", locator))
    assert 1 == fault.fired
    assert CONTENT == b"".join(source.stream("v1.1", locator))


def test_a_file_that_was_taken_away_is_named(world):
    """One that was uploaded anew has another number."""
    source = world.open()
    locator = source.resolve("latest").files[0].locator
    world.state.repository("octo/shop").releases[1].assets[0].id = 99
    with pytest.raises(ArtifactNotFound, match=r"has no file shop\.tar\.gz of the release v1\.1 of octo/shop"):
        list(source.stream("v1.1", locator))


def test_recent_releases_are_published_ones_newest_first(world):
    """With their names as labels."""
    found = world.open().recent(LatestOf(), 10)
    assert [("v1.1", "One and a bit"), ("v1.0", "One"), ("v0.9/lts", "v0.9/lts")] == sorted(
        ((one.version, one.label) for one in found), reverse=True
    )
    assert ("v1.1", day(2), ("v1.1",)) == (found[0].version, found[0].built_at, found[0].tags)
    assert ["v1.1"] == [one.version for one in world.open().recent(LatestOf(), 1)]


def test_releases_beyond_the_first_page_are_found(world):
    """There are a hundred on each."""
    releases = world.state.repository("octo/shop").releases
    releases += [GithubRelease(f"n{number}", prerelease=True, published_at=day(4)) for number in range(150)]
    assert "v1.1" == world.open().resolve("latest").version


def test_changes_are_the_commits_between_two_tags(world):
    """Newest first; going back brings none."""
    found = world.open().changes("v1.0", "v1.1")
    assert [(SHAS[2], "change c"), (SHAS[1], "change b")] == [(one.commit, one.message) for one in found]
    assert ("v1.1", "Ada Lovelace") == (found[0].version, found[0].author)
    assert () == world.open().changes("v1.1", "v1.0")
    with pytest.raises(ArtifactNotFound, match=r"comparison of v1\.0 and v9"):
        world.open().changes("v1.0", "v9")


def test_hostile_names_are_refused(world):
    """GitHub would not let them in, but who knows who answers."""
    world.state.repository("octo/shop").releases[1].assets[0].name = "../x"
    with pytest.raises(UnsafeArtifact):
        world.open().resolve("latest")


def test_who_is_no_github_is_told_from_one(world):
    """The address may be that of the pages for people."""
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>") as server:
        world.url = server.address
        with pytest.raises(SourceUnreachable, match="does not answer as GitHub does"):
            world.open().resolve("latest")


def test_a_connection_of_another_kind_or_none_is_refused():
    """Where the pipeline names one."""
    source = GithubSource(connection="gh", repository="octo/shop")
    with pytest.raises(UnknownConnection, match="there is no connection gh"):
        open_source(source, None)
    with pytest.raises(UnknownConnection, match="is one to jenkins, not to github"):
        open_source(source, Connection(name="gh", kind=ConnectionKind.JENKINS, url="https://ci.example"))
