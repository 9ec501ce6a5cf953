"""Artifacts of Jenkins against the stand-in: what is found, what is refused, and where the token goes."""

from urllib.parse import quote

import pytest
from fakes.raw_server import raw_server

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable, UnsafeArtifact
from domain.pipeline import LatestOf
from integrations.allowance import Limits
from local.faults import Fault
from local.jenkins_state import Build

FILE = "team/webshop/main//dist/webshop-142.tar.gz"


def test_latest_is_the_last_successful_build_with_all_its_files(jenkins_world, read):
    """A failed and a running build are newer, and passed over; names come as they were archived."""
    source = jenkins_world.open()
    found = source.resolve("latest")
    assert ("142", "main", "9d2f" * 10) == (found.version, found.branch, found.commit)
    assert jenkins_world.state.job("team/webshop/main").builds[142].artifacts == read(source)


def test_latest_costs_one_request_and_no_walk_through_folders(jenkins_world):
    """The package alone would ask for every folder."""
    jenkins_world.open().resolve("latest")
    assert ["/job/team/job/webshop/job/main/lastSuccessfulBuild/api/json"] == jenkins_world.state.seen


def test_a_named_build_is_that_build(jenkins_world, read):
    """Numbers are taken literally."""
    assert {"dist/old.tar.gz": b"old"} == read(jenkins_world.open(), "141")


def test_a_branch_is_a_job_of_the_multibranch_folder(jenkins_world):
    """Its slash is part of the job's name, quoted twice on the way."""
    source = jenkins_world.open("team/webshop")
    found = source.resolve(LatestOf(branch="feature/dark"))
    assert b"feature" == b"".join(source.stream(found.version, found.files[0].locator))


def test_patterns_choose_files(jenkins_world):
    """Only what fits is taken."""
    found = jenkins_world.open(paths=("dist/*.tar.gz",)).resolve("142")
    assert ["dist/webshop-142.tar.gz"] == [file.path for file in found.files]


def test_patterns_that_fit_nothing_are_named_with_what_there_is(jenkins_world):
    """Whoever mistyped sees both."""
    with pytest.raises(ArtifactNotFound, match=r"fits out/\*; it has dist/old.tar.gz"):
        jenkins_world.open(paths=("out/*",)).resolve("141")


@pytest.mark.parametrize(
    ("job", "version", "words"),
    [
        ("team/nope", "latest", "ci has no job team/nope"),
        ("never built", "latest", "the job never built at ci has no successful build"),
        ("team/webshop/main", "999", "the job team/webshop/main at ci has no build 999"),
        ("team/webshop/main", "144", "build 144 of the job team/webshop/main is still running"),
        ("team/webshop/main", "../141", "'../141' is no build number"),
        ("team/webshop/main", "lastBuild", "'lastBuild' is no build number"),
        ("team/webshop/main", "12345678901", "is no build number"),
        ("team/webshop", "..#142", "'team/webshop/..' is no path of a job"),
        ("team/../team/webshop/main", "142", "is no path of a job"),
        ("/team/webshop", "142", "is no path of a job"),
    ],
)
def test_what_is_missing_is_named(jenkins_world, job, version, words):
    """Job, build or number: the refusal says which."""
    with pytest.raises(ArtifactNotFound, match=words):
        jenkins_world.open(job).resolve(version)


def test_a_missing_file_is_named(jenkins_world):
    """A file that was pinned and then deleted."""
    with pytest.raises(ArtifactNotFound, match=r"build 142 of the job team/webshop/main has no file gone\.txt"):
        list(jenkins_world.open().stream("142", "team/webshop/main//gone.txt"))


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a\\b", "C:/x", "a\nb", "a//b", "./a", ""])
def test_hostile_names_are_refused(jenkins_world, path):
    """Nothing that could leave a folder gets as far as a path."""
    jenkins_world.state.job("team/webshop/main").add(Build(150, {path: b"x"}))
    with pytest.raises(UnsafeArtifact):
        jenkins_world.open().resolve("150")


def test_a_wrong_token_is_denied(jenkins_world):
    """It is not tried again and again."""
    with pytest.raises(SourceDenied, match="does not let slipway in"):
        jenkins_world.open(token="wrong").resolve("latest")


@pytest.mark.parametrize("status", [401, 403])
def test_a_file_may_be_denied_too(jenkins_world, status):
    """Rights on files are apart from rights on jobs."""
    fault = jenkins_world.state.faults.add(Fault("/artifact/", status=status))
    with pytest.raises(SourceDenied):
        list(jenkins_world.open().stream("142", FILE))
    assert 1 == fault.fired


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("where", ["/api/json", "/artifact/"])
def test_a_broken_server_is_unreachable(jenkins_world, status, where):
    """Worth another try, for documents and for files."""
    fault = jenkins_world.state.faults.add(Fault(where, status=status))
    with pytest.raises(SourceUnreachable, match=str(status)):
        list(jenkins_world.open().stream("142", FILE))
    assert 1 == fault.fired


def test_nobody_listening_is_unreachable(jenkins_world):
    """Port 1 of this machine answers nobody."""
    jenkins_world.url = "http://127.0.0.1:1"
    with pytest.raises(SourceUnreachable, match="ci does not answer"):
        jenkins_world.open().resolve("latest")


def test_a_page_in_place_of_json_is_unreachable(jenkins_world):
    """Some other server stands at that address."""
    fault = jenkins_world.state.faults.add(Fault("/api/json", status=200))
    with pytest.raises(SourceUnreachable, match="does not answer as Jenkins does"):
        jenkins_world.open().resolve("latest")
    assert 1 == fault.fired


@pytest.mark.parametrize("cut_at", [0, 1, 4096, 399_999])
def test_a_cut_file_is_an_error(jenkins_world, cut_at):
    """At any byte, the last included; the next try is whole."""
    fault = jenkins_world.state.faults.add(Fault("/artifact/", cut_at=cut_at, times=1))
    source = jenkins_world.open()
    with pytest.raises(SourceUnreachable):
        list(source.stream("142", FILE))
    assert 1 == fault.fired
    assert 400_000 == len(b"".join(source.stream("142", FILE)))


def test_a_length_longer_than_the_file_is_an_error(jenkins_world):
    """What is announced must come."""
    fault = jenkins_world.state.faults.add(Fault("/artifact/", claims=400_001))
    with pytest.raises(SourceUnreachable):
        list(jenkins_world.open().stream("142", FILE))
    assert 1 == fault.fired


def test_other_bytes_at_the_second_time_come_through_as_they_are(jenkins_world):
    """A source never mends or remembers bytes: the digest of the caller catches the change."""
    source = jenkins_world.open()
    first = b"".join(source.stream("142", FILE))
    jenkins_world.state.job("team/webshop/main").builds[142].artifacts["dist/webshop-142.tar.gz"] = b"other"
    assert (b"shop" * 100_000, b"other") == (first, b"".join(source.stream("142", FILE)))


def test_a_drip_ends_at_the_deadline(jenkins_world):
    """Every single read is in time; the whole is not."""
    fault = jenkins_world.state.faults.add(Fault("/artifact/", drip=(1000, 0.05)))
    with pytest.raises(SourceUnreachable, match=r"did not come whole within 0\.3 s"):
        list(jenkins_world.open(limits=Limits(seconds=0.3)).stream("142", FILE))
    assert 1 == fault.fired


def test_a_file_beyond_the_cap_is_refused(jenkins_world):
    """No build fills a disk."""
    with pytest.raises(UnsafeArtifact, match="larger than the 1000 bytes"):
        list(jenkins_world.open(limits=Limits(size=1000)).stream("142", FILE))


def test_a_compressed_answer_is_unpacked_and_its_length_still_holds(jenkins_world):
    """Jenkins compresses texts, also for those who did not ask."""
    jenkins_world.state.compresses_always = True
    locator = "team/webshop/main//dist/release notes ä+%2F.txt"
    assert b"notes" * 1000 == b"".join(jenkins_world.open().stream("142", locator))
    jenkins_world.state.faults.add(Fault("/artifact/", cut_at=20))
    with pytest.raises(SourceUnreachable):
        list(jenkins_world.open().stream("142", locator))


@pytest.mark.parametrize("where", ["/api/json", "/artifact/"])
def test_a_redirect_to_another_host_is_refused_and_nothing_is_sent_there(jenkins_world, where):
    """Neither the token nor even the question."""
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as trap:
        fault = jenkins_world.state.faults.add(Fault(where, redirect_to=f"{trap.address}/x"))
        with pytest.raises(UnsafeArtifact, match="redirects to another host"):
            list(jenkins_world.open().stream("142", FILE))
    assert (1, []) == (fault.fired, trap.requests)


def test_a_redirect_to_https_says_so(jenkins_world):
    """The token is not sent again by itself, not even there."""
    fault = jenkins_world.state.faults.add(Fault("/api/json", redirect_to="https://127.0.0.1/job/team/api/json"))
    with pytest.raises(UnsafeArtifact, match="redirects to https; write that into the address of the connection"):
        jenkins_world.open().resolve("142")
    assert 1 == fault.fired


def test_a_redirect_on_the_same_host_is_followed(jenkins_world):
    """Jenkins itself redirects, for example to add a slash."""
    target = "/job/team/job/webshop/job/main/142/artifact/" + quote("TrueCryptNone.zip")
    fault = jenkins_world.state.faults.add(Fault("/artifact/dist", redirect_to=target, times=1))
    assert b"not null" == b"".join(jenkins_world.open().stream("142", FILE))
    assert 1 == fault.fired


def test_a_body_without_a_length_is_refused(jenkins_world):
    """A cut would look like the end."""
    document = (
        b'{"number":1,"building":false,"timestamp":0,"actions":[],"artifacts":[{"relativePath":"a","fileName":"a"}]}'
    )
    with raw_server(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + document) as server:
        jenkins_world.url = server.address
        with pytest.raises(UnsafeArtifact, match="does not say how long a is"):
            list(jenkins_world.open("job").stream("1", "job//a"))


def test_a_token_without_a_user_is_denied_at_once(jenkins_world):
    """The package would stop with an assertion."""
    with pytest.raises(SourceDenied, match="needs both a user and a token"):
        jenkins_world.open(token="")
