"""Artifacts of Azure Pipelines against the stand-in: both kinds, what is refused, and where the token goes."""

import io
import zipfile

import pytest
from fakes.raw_server import raw_server

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable, UnsafeArtifact
from domain.pipeline import LatestOf
from integrations.allowance import Limits
from local.azure_state import BuildRun, PublishedArtifact
from local.faults import Fault

FILES = {"infra/deploy.sh": b"#!/bin/sh\n", "infra/smoke test ä.sh": b"echo" * 50_000}


@pytest.mark.parametrize("artifact", ["drop", "drop-container"])
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
    assert 1 == fault.fired
    assert [False] == ["authorization" in request.lower() for request in trap.requests]


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
        ({"artifact": "nope"}, "latest", "has no artifact nope of run 2102"),
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
        list(source.stream("2102", f"{artifact}/infra/deploy.sh"))
    assert 1 == fault.fired
    assert FILES["infra/deploy.sh"] == b"".join(source.stream("2102", f"{artifact}/infra/deploy.sh"))


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
        list(source.stream("2102", "bomb/zeroes"))


@pytest.mark.parametrize("name", ["../../x", "a\\..\\x", "a//b", "a/./b", "a\x07b"])
def test_hostile_names_in_a_zip_are_refused(azure_world, name):
    """Zipfile alone would quietly give some of them another name."""
    azure_world.run.publish(PublishedArtifact("bad", {name: b"x"}))
    with pytest.raises(UnsafeArtifact):
        azure_world.open("bad").resolve("latest")


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


def test_a_file_that_is_gone_is_named(azure_world):
    """Pinned before, missing now."""
    with pytest.raises(ArtifactNotFound, match=r"run 2102 of infra-ci has no file drop/gone\.sh"):
        list(azure_world.open().stream("2102", "drop/gone.sh"))
