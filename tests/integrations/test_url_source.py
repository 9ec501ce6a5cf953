"""One file at an address: whole or an error, the right bytes, and nothing but http(s)."""

import gzip
import zlib
from hashlib import sha256

import pytest
from fakes.raw_server import raw_server

from activities.artifact_source import (
    ArtifactNotFound,
    ArtifactSource,
    SourceDenied,
    SourceUnreachable,
    UnsafeArtifact,
    WrongDigest,
)
from domain.pipeline import LatestOf, UrlSource
from integrations.allowance import Limits
from integrations.artifact_sources import open_source
from integrations.guarded_addresses import AllowedHosts
from local.faults import Fault

HERE = AllowedHosts.parsed("127.0.0.1")
CONTENT = b"shop" * 100_000


def source(href: str, digest: str | None = None, limits: Limits | None = None) -> ArtifactSource:
    return open_source(UrlSource(href=href, sha256=digest), None, limits or Limits(), HERE)


@pytest.fixture
def href(jenkins_world):
    """Any HTTP server will do; here the files need nobody to sign in."""
    jenkins_world.state.users.clear()
    return f"{jenkins_world.url}/job/team/job/webshop/job/main/142/artifact/dist/webshop-142.tar.gz"


def test_the_file_is_named_as_in_the_address(href, read):
    """Its version is what the requester calls it."""
    assert {"webshop-142.tar.gz": CONTENT} == read(source(href))
    assert "1.4.2" == source(href).resolve("1.4.2").version


@pytest.mark.parametrize(
    ("path", "name"), [("/", "download"), ("", "download"), ("/a/b%20c.zip?x=1", "b c.zip"), ("/%C3%A4.zip", "ä.zip")]
)
def test_names_are_unquoted_and_never_empty(path, name):
    """What stands behind the path is no name."""
    assert name == source(f"https://example.com{path}").resolve("latest").files[0].path


@pytest.mark.parametrize("path", ["/..", "/a/..%2F..%2Fx", "/a%5Cb", "/a%00b"])
def test_hostile_names_are_refused(path):
    """Before anything is asked."""
    with pytest.raises(UnsafeArtifact):
        source(f"https://example.com{path}").resolve("latest")


def test_an_address_has_no_branches():
    """Nothing to choose from."""
    with pytest.raises(ArtifactNotFound):
        source("https://example.com/x").resolve(LatestOf(branch="main"))


def test_the_right_digest_passes_and_any_other_does_not(href, read):
    """The pipeline may name the only bytes it takes."""
    assert {"webshop-142.tar.gz": CONTENT} == read(source(href, sha256(CONTENT).hexdigest()))
    with pytest.raises(WrongDigest, match=sha256(CONTENT).hexdigest()):
        read(source(href, "0" * 64))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=404), ArtifactNotFound),
        (Fault(status=410), ArtifactNotFound),
        (Fault(status=401), SourceDenied),
        (Fault(status=403), SourceDenied),
        (Fault(status=500), SourceUnreachable),
        (Fault(status=204), SourceUnreachable),
        (Fault(cut_at=0), SourceUnreachable),
        (Fault(cut_at=399_999), SourceUnreachable),
        (Fault(claims=400_001), SourceUnreachable),
        (Fault(redirect_to="ftp://example.com/x"), UnsafeArtifact),
        (Fault(redirect_to="file:///etc/passwd"), UnsafeArtifact),
        (Fault(redirect_to="/again"), SourceUnreachable),
    ],
)
def test_what_goes_wrong_has_its_own_class(jenkins_world, href, read, fault, error):
    """Some are worth another try, others are not."""
    jenkins_world.state.faults.add(fault)
    with pytest.raises(error):
        read(source(href))
    assert fault.fired


def test_five_redirects_are_followed(jenkins_world, href, read):
    """Also to the file itself at last."""
    fault = jenkins_world.state.faults.add(Fault(redirect_to=href, times=5))
    assert {"webshop-142.tar.gz": CONTENT} == read(source(href))
    assert 5 == fault.fired


def test_a_drip_and_a_flood_are_ended(jenkins_world, href, read):
    """By the deadline, and by the cap."""
    with pytest.raises(UnsafeArtifact, match="larger than the 1000 bytes"):
        read(source(href, limits=Limits(size=1000)))
    jenkins_world.state.faults.add(Fault(drip=(1000, 0.05)))
    with pytest.raises(SourceUnreachable, match="did not come whole"):
        read(source(href, limits=Limits(seconds=0.3)))


def test_a_body_without_a_length_needs_a_digest(read):
    """Otherwise a cut would look like the end."""
    with raw_server(b"HTTP/1.0 200 OK\r\n\r\nshop") as server:
        with pytest.raises(UnsafeArtifact, match="does not say how long"):
            read(source(f"{server.address}/x"))
        assert {"x": b"shop"} == read(source(f"{server.address}/x", sha256(b"shop").hexdigest()))


def packed(body: bytes, encoding: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_small_answer_does_not_unpack_to_large_pieces():
    """A server that packs nevertheless could fill the memory with a single piece."""
    zeros = bytes(50 << 20)
    with raw_server(packed(gzip.compress(zeros), "gzip")) as server:
        pieces = list(source(f"{server.address}/x").stream("1", f"{server.address}/x"))
    assert 1 << 20 == max(map(len, pieces))
    assert zeros == b"".join(pieces)


@pytest.mark.parametrize(
    ("body", "encoding", "error"),
    [
        (gzip.compress(b"shop")[:-9], "gzip", SourceUnreachable),
        (b"shop", "gzip", SourceUnreachable),
        (gzip.compress(gzip.compress(b"shop")), "gzip, gzip", UnsafeArtifact),
        (zlib.compress(b"shop"), "deflate", UnsafeArtifact),
    ],
    ids=["cut", "plain", "twice", "deflate"],
)
def test_what_cannot_be_unpacked_safely_is_refused(body, encoding, error):
    """It was asked to come as it is."""
    with raw_server(packed(body, encoding)) as server, pytest.raises(error):
        list(source(f"{server.address}/x").stream("1", f"{server.address}/x"))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_can_be_had_from_the_middle_on(jenkins_world, href, ranges):
    """Also of a server that knows no ranges."""
    jenkins_world.state.knows_ranges = ranges
    assert CONTENT[123:] == b"".join(source(href).stream("1", href, start=123))
    assert b"" == b"".join(source(href).stream("1", href, start=len(CONTENT)))


def test_nothing_is_left_of_a_file_that_has_come():
    """As the server says, too."""
    answer = b"HTTP/1.1 416 No\r\nContent-Length: 0\r\nContent-Range: bytes */2\r\n\r\n"
    with raw_server(answer) as server:
        assert b"" == b"".join(source(f"{server.address}/x").stream("1", f"{server.address}/x", start=2))


def part(content_range: str, body: bytes = b"23456789", headers: str = "") -> bytes:
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Length: {len(body)}\r\n{headers}{content_range}\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (part(""), UnsafeArtifact),
        (part("Content-Range: bytes 1-8/9\r\n"), UnsafeArtifact),
        (part("Content-Range: bytes 2-8/10\r\n"), UnsafeArtifact),
        (part("Content-Range: bytes 2-9/*\r\n"), UnsafeArtifact),
        (part("Content-Range: bytes 2-9/10\r\n", b"234"), SourceUnreachable),
        (part("Content-Range: bytes 2-9/10\r\n", b"23456789a"), SourceUnreachable),
        (b"HTTP/1.1 416 No\r\nContent-Length: 0\r\nContent-Range: bytes */1\r\n\r\n", WrongDigest),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0", WrongDigest),
    ],
)
def test_a_part_that_is_another_than_was_asked_for_is_refused(answer, error):
    """Glued to what is there, it would make a file that never was."""
    with raw_server(answer) as server, pytest.raises(error):
        list(source(f"{server.address}/x").stream("1", f"{server.address}/x", start=2))


def test_a_file_that_changed_meanwhile_is_not_glued_together():
    """The server is asked for a part of the same file only, and gives all of another."""
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: "%s"\r\n\r\nabc'
    with raw_server(answer % b"one", answer % b"two") as server:
        opened = source(f"{server.address}/x")
        assert b"abc" == b"".join(opened.stream("1", f"{server.address}/x"))
        with pytest.raises(WrongDigest, match="has changed at its source"):
            list(opened.stream("1", f"{server.address}/x", start=1))
    assert 'if-range: "one"' in server.requests[1].lower()


def test_nobody_listening_is_unreachable(read):
    """Port 1 of this machine answers nobody."""
    with pytest.raises(SourceUnreachable):
        read(source("http://127.0.0.1:1/x"))
