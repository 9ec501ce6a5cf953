"""Artifacts of Azure Pipelines against the stand-in: both kinds, what is refused, and where the token goes."""

import io
import random
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.raw_server import raw_server

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable, UnsafeArtifact
from domain.connection import Connection, ConnectionKind, UnfitConnection
from domain.pipeline import AzurePipelinesSource, LatestOf
from integrations.allowance import Limits
from integrations.artifact_sources import open_source
from local.azure_state import BuildRun, PublishedArtifact, SourceChange
from local.faults import Fault

FILES = {"infra/deploy.sh": b"#!/bin/sh\n", "infra/smoke test ä.sh": b"echo" * 50_000}


@pytest.mark.parametrize("artifact", ["drop", "drop-container", "drop-listed"])
def test_the_files_of_the_latest_run_come_without_the_folder_around_them(azure_world, read, artifact):
    """Of both kinds of artifact, also where Azure names neither address nor size."""
    assert read(azure_world.open(artifact)) == FILES


def test_a_resolved_version_is_the_runs_id_with_branch_and_commit(azure_world):
    """The id is what pins: numbers that people see may come again."""
    found = azure_world.open().resolve("latest")
    assert ("2102", "main", azure_world.run.commit) == (found.version, found.branch, found.commit)
    assert "2026-11-20T09:30:00.123456+00:00" == found.built_at.isoformat()


def test_pinned_files_are_the_same_though_every_zip_differs(azure_world, read):
    """Two sources, two downloads, other zips, equal files."""
    assert read(azure_world.open()) == read(azure_world.open(), "2102")


def test_an_artifact_is_downloaded_once_for_all_of_its_files(azure_world, read):
    """However many files there are."""
    read(azure_world.open())
    assert 1 == len(azure_world.state.content_requests)


def test_sources_that_are_open_together_share_one_download(azure_world, read):
    """As the threads of an agent do, each of which opens its own."""
    one, other = azure_world.open(), azure_world.open()
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(read, (one, other)))
    assert [FILES, FILES] == found
    assert 1 == len(azure_world.state.content_requests)


def test_files_that_azure_lists_come_one_by_one_from_its_own_host(azure_world, read):
    """Only those that are wanted; nothing is asked of the other host."""
    source = azure_world.open("drop-listed", paths=("**/*.sh",))
    assert FILES == read(source)
    asked_before = len(azure_world.state.seen)
    (*_, last) = azure_world.open("drop-listed", paths=("**/smoke*",)).resolve("latest").files
    assert ("infra/smoke test ä.sh", 200_000) == (last.path, last.size)
    assert [] == azure_world.state.content_requests
    assert 4 == len(azure_world.state.seen) - asked_before


@pytest.mark.parametrize("artifact", ["drop", "drop-container", "drop-listed"])
@pytest.mark.parametrize("start", [1, 199_999, 200_000])
def test_a_file_can_be_had_from_the_middle_on(azure_world, artifact, start):
    """Where Azure cannot give a part, the beginning is skipped here."""
    source = azure_world.open(artifact)
    rest = b"".join(source.stream("2102", "infra/smoke test ä.sh", start=start))
    assert FILES["infra/smoke test ä.sh"][start:] == rest


@pytest.mark.parametrize("artifact", ["drop", "drop-container", "drop-listed"])
def test_patterns_choose_files_and_are_named_when_nothing_fits(azure_world, artifact):
    """With what there is."""
    found = azure_world.open(artifact, paths=("infra/*.sh",)).resolve("latest")
    assert sorted(FILES) == [file.path for file in found.files]
    with pytest.raises(ArtifactNotFound, match=r"run 2102 of infra-ci fits \*\.zip; it has infra/deploy\.sh"):
        azure_world.open(artifact, paths=("*.zip",)).resolve("latest")


def test_a_listed_file_that_comes_short_is_an_error(azure_world):
    """Azure's list says how long it is, whatever the answer announces."""
    source = azure_world.open("drop-listed")
    source.resolve("latest")
    fault = azure_world.state.faults.add(Fault("/artifacts", claims=100))
    with pytest.raises(SourceUnreachable, match="has 200000 bytes, of which 100 came"):
        list(source.stream("2102", "infra/smoke test ä.sh"))
    assert 1 == fault.fired


def test_recent_runs_are_good_ones_with_branch_tags_and_author(azure_world):
    """Newest first; what people call a run is its label."""
    azure_world.run.finished_at = datetime(2026, 11, 21, tzinfo=UTC)
    azure_world.state.project("shop").add(BuildRun(2103, "20261121.1", 12, result="failed"))
    newest, older = azure_world.open().recent(LatestOf(), 10)
    assert ("2102", "20261120.1", "main", "Ada Lovelace") == (
        newest.version,
        newest.label,
        newest.branch,
        newest.author,
    )
    assert ("2101", "feature", ("ready", "signed")) == (older.version, older.branch, older.tags)
    assert ["2101"] == [one.version for one in azure_world.open().recent(LatestOf(tags=("ready",)), 10)]
    assert ["2102"] == [one.version for one in azure_world.open().recent(LatestOf(), 1)]


def test_a_run_that_succeeded_in_part_is_good_but_not_stable(azure_world):
    """As an unstable build of Jenkins is."""
    azure_world.state.project("shop").add(BuildRun(2103, "20261121.1", 12, result="partiallySucceeded"))
    assert "2103" == azure_world.open().recent(LatestOf(), 1)[0].version
    assert "2102" == azure_world.open().recent(LatestOf(stable=True), 1)[0].version


def test_changes_are_the_commits_between_two_runs_each_with_its_run(azure_world):
    """The newest first; a run that failed has its commits, too."""
    project = azure_world.state.project("shop")
    one, two, three, four = (SourceChange(letter * 40, f"change {letter}") for letter in "abcd")
    project.add(BuildRun(2103, "3", 12, commit=one.id, changes=(one,)))
    project.add(BuildRun(2104, "4", 12, commit=three.id, changes=(three, two), result="failed"))
    project.add(BuildRun(2105, "5", 12, commit=four.id, changes=(four,)))
    project.add(BuildRun(2106, "6", 12, branch="refs/heads/other", changes=(SourceChange("e" * 40),)))
    found = azure_world.open().changes("2103", "2105")
    assert [("2105", four.id), ("2104", three.id), ("2104", two.id)] == [(one.version, one.commit) for one in found]
    assert ("change d", "Ada Lovelace", four.at) == (found[0].message, found[0].author, found[0].at)
    assert () == azure_world.open().changes("2105", "2103")


def test_changes_of_a_run_that_is_gone_are_refused(azure_world):
    """By its name."""
    with pytest.raises(ArtifactNotFound, match="infra-ci has no run 99"):
        azure_world.open().changes("99", "2102")


def test_a_busy_server_is_asked_again_when_it_says_so(azure_world):
    """A short wait is waited; a long one is for those who come again later."""
    short = azure_world.state.faults.add(Fault("/builds", status=429, headers={"Retry-After": "0"}, times=2))
    assert "2102" == azure_world.open().resolve("latest").version
    assert 2 == short.fired
    long = azure_world.state.faults.add(Fault("/builds", status=503, headers={"Retry-After": "3600"}, times=1))
    with pytest.raises(SourceUnreachable, match=r"answered 503 .* come again after 3600"):
        azure_world.open().resolve("latest")
    assert 1 == long.fired


def test_no_token_goes_to_the_host_that_serves_pipeline_artifacts(azure_world, read):
    """It is another host, whose address came in an answer."""
    read(azure_world.open("drop"))
    sent = azure_world.state.content_requests
    assert [False] == ["authorization" in headers for headers in sent]


def test_no_token_follows_a_redirect_to_another_host(azure_world):
    """Containers may be served from a store elsewhere."""
    with raw_server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as trap:
        fault = azure_world.state.faults.add(Fault("/2102/artifacts", redirect_to=f"{trap.address}/blob"))
        with pytest.raises(ArtifactNotFound):
            azure_world.open("drop-container").resolve("latest")
    assert 2 == fault.fired
    assert [False] * 2 == ["authorization" in request.lower() for request in trap.requests]


@pytest.mark.parametrize(
    "version", ["2101", "20261119.1", LatestOf(branch="feature"), LatestOf(tags=("ready", "signed"))]
)
def test_a_version_is_an_id_a_number_a_branch_or_tags(azure_world, version):
    """All of these name the same run."""
    assert "2101" == azure_world.open().resolve(version).version


def test_a_pipeline_may_be_named_by_its_id(azure_world):
    """Ids never change."""
    assert "2102" == azure_world.open(pipeline="12").resolve("latest").version


@pytest.mark.parametrize(
    ("asked", "version", "words"),
    [
        ({"project": "nope"}, "latest", "has no project nope"),
        ({"pipeline": "nope"}, "latest", "the project shop has no pipeline nope"),
        ({"pipeline": "twice"}, "latest", "more than one pipeline twice: .*id 13.*id 14"),
        ({"pipeline": "team/twice"}, "latest", "no run of twice has succeeded"),
        ({}, "9999", "infra-ci has no run 9999"),
        ({}, "20200101.1", r"infra-ci has no run 20200101\.1"),
        ({}, LatestOf(branch="x", tags=("y",)), "no run of infra-ci has succeeded on x with the tags y"),
        ({"artifact": "nope"}, "latest", "has no artifact nope of run 2102 of infra-ci; there is drop, drop-listed"),
        ({"artifact": "label"}, "latest", "is of the type GitRef, which cannot be downloaded"),
    ],
)
def test_what_is_missing_is_named(azure_world, asked, version, words):
    """Project, pipeline, run or artifact: the refusal says which."""
    with pytest.raises(ArtifactNotFound, match=words):
        azure_world.open(**asked).resolve(version)


def test_a_run_under_way_is_not_taken(azure_world):
    """Neither as the latest nor by its id."""
    azure_world.state.project("shop").add(BuildRun(2103, "20261121.1", 12, result=None))
    assert "2102" == azure_world.open().resolve("latest").version
    with pytest.raises(ArtifactNotFound, match="has not completed"):
        azure_world.open().resolve("2103")


@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_wrong_or_missing_token_is_denied(azure_world, token):
    """Nobody is sent to a page to sign in."""
    with pytest.raises(SourceDenied):
        azure_world.open(token=token).resolve("latest")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_broken_server_is_unreachable(azure_world, status):
    """Worth another try."""
    fault = azure_world.state.faults.add(Fault("/builds", status=status))
    with pytest.raises(SourceUnreachable, match=str(status)):
        azure_world.open().resolve("latest")
    assert 1 == fault.fired


def test_a_page_to_sign_in_is_denied(azure_world):
    """Azure answers 203 with a page to those it does not know."""
    fault = azure_world.state.faults.add(Fault("/definitions", status=203))
    with pytest.raises(SourceDenied):
        azure_world.open().resolve("latest")
    assert 1 == fault.fired


def test_a_file_of_authorities_that_is_not_there_is_told(azure_world):
    """It must be on every machine that connects."""
    connection = Connection(
        name="contoso", kind=ConnectionKind.AZURE_PIPELINES, url=azure_world.url, ca="/nowhere/ca.pem"
    )
    source = AzurePipelinesSource(connection="contoso", project="shop", pipeline="infra-ci", artifact="drop")
    with pytest.raises(UnfitConnection, match=r"/nowhere/ca\.pem cannot be used on "):
        open_source(source, connection)


def test_nobody_listening_is_unreachable(azure_world):
    """Port 1 of this machine answers nobody."""
    azure_world.url = "http://127.0.0.1:1"
    with pytest.raises(SourceUnreachable):
        azure_world.open().resolve("latest")


@pytest.mark.parametrize("cut_at", [0, 10, 300])
@pytest.mark.parametrize("artifact", ["drop", "drop-container"])
def test_a_cut_download_is_an_error_and_the_next_try_is_whole(azure_world, artifact, cut_at):
    """Nothing of the first is kept."""
    world = azure_world.state
    source = azure_world.open(artifact)
    on_other_host = artifact == "drop"
    faults, path = (world.content_faults, "/content") if on_other_host else (world.faults, "/2102/artifacts")
    fault = faults.add(Fault(path, cut_at=cut_at, times=1))
    with pytest.raises(SourceUnreachable):
        list(source.stream("2102", "infra/deploy.sh"))
    assert 1 == fault.fired
    assert FILES["infra/deploy.sh"] == b"".join(source.stream("2102", "infra/deploy.sh"))


def test_a_wrong_length_is_an_error(azure_world):
    """What is announced must come."""
    fault = azure_world.state.content_faults.add(Fault("/content", claims=10_000_000))
    with pytest.raises(SourceUnreachable):
        azure_world.open().resolve("latest")
    assert 1 == fault.fired


def test_a_length_that_cuts_the_zip_is_an_error(azure_world):
    """The length agrees with what came, but no zip ends there."""
    fault = azure_world.state.content_faults.add(Fault("/content", claims=100))
    with pytest.raises(SourceUnreachable, match="did not come as a zip"):
        azure_world.open().resolve("latest")
    assert 1 == fault.fired


def test_a_drip_ends_at_the_deadline(azure_world):
    """Every single read is in time; the whole is not."""
    fault = azure_world.state.content_faults.add(Fault("/content", drip=(10, 0.05)))
    with pytest.raises(SourceUnreachable, match="did not come whole"):
        azure_world.open(limits=Limits(seconds=0.5)).resolve("latest")
    assert 1 == fault.fired


def test_a_file_that_grows_beyond_the_cap_is_refused(azure_world):
    """A small zip may hold a big file."""
    bomb = PublishedArtifact("bomb", {"zeroes": bytes(5_000_000)})
    azure_world.run.publish(bomb)
    source = azure_world.open("bomb", limits=Limits(size=100_000))
    with pytest.raises(UnsafeArtifact, match="larger than"):
        list(source.stream("2102", "zeroes"))


@pytest.mark.parametrize("name", ["../../x", "a\\..\\x", "a//b", "a/./b", "a\x07b"])
def test_hostile_names_in_a_zip_are_refused(azure_world, name):
    """Zipfile alone would quietly give some of them another name."""
    azure_world.run.publish(PublishedArtifact("bad", {name: b"x"}))
    with pytest.raises(UnsafeArtifact):
        azure_world.open("bad").resolve("latest")


def test_a_file_without_a_name_in_a_zip_is_refused(azure_world):
    """Nobody could say where to put it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("x", b"nameless")
    nameless = content.getvalue().replace(b"x", b"\0")
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(nameless) + nameless) as server:
        azure_world.state.content_url = server.address
        with pytest.raises(UnsafeArtifact, match="control characters"):
            azure_world.open().resolve("latest")


def test_a_link_in_a_zip_is_refused(azure_world):
    """It would be written as a link by who unpacks it."""
    content = io.BytesIO()
    link = zipfile.ZipInfo("passwd")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr(link, "/etc/passwd")
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content.getvalue())
    with raw_server(answer + content.getvalue()) as server:
        azure_world.state.content_url = server.address
        with pytest.raises(UnsafeArtifact, match="is a link"):
            azure_world.open().resolve("latest")


def test_a_disk_without_room_for_the_zip_is_told(azure_world, monkeypatch):
    """Where it was to be kept."""
    full = Path("/dev/full")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full.open("r+b", buffering=0))
    with pytest.raises(SourceUnreachable, match=r"cannot be kept in .*: No space left on device"):
        azure_world.open().resolve("latest")


@pytest.mark.parametrize("seed", range(40))
def test_a_zip_that_is_spoilt_anywhere_gives_the_right_bytes_or_an_error(azure_world, seed):
    """Never others, and no error but those that are known."""
    chance = random.Random(seed)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("a", "b"):
            packed.writestr(f"drop/{name}", name.encode() * 50)
    spoilt = bytearray(content.getvalue())
    for _ in range(chance.choice([1, 1, 3, 10])):
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(spoilt) + spoilt) as server:
        azure_world.state.content_url = server.address
        source = azure_world.open()
        try:
            files = source.resolve("latest").files
            found = {b"".join(source.stream("2102", file.locator)) for file in files}
        except (SourceUnreachable, UnsafeArtifact, ArtifactNotFound):
            return
    assert {b"a" * 50, b"b" * 50} >= found


def test_a_file_that_is_gone_is_named(azure_world):
    """Pinned before, missing now."""
    with pytest.raises(ArtifactNotFound, match=r"run 2102 of infra-ci has no file gone\.sh"):
        list(azure_world.open().stream("2102", "gone.sh"))
