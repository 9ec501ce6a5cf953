"""Files of Jenkins from the middle on, many at once, under any name, and with the MD5s that it recorded of them."""

import hashlib
import io
import itertools
import json
import zipfile
from dataclasses import dataclass

import pytest
from fakes.raw_server import raw_server
from fakes.served import served
from fakes.signed_certificates import signed
from pydantic import SecretStr

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable, UnsafeArtifact, WrongDigest
from domain.connection import Connection, ConnectionKind
from domain.pipeline import JenkinsSource
from integrations.allowance import Limits
from integrations.artifact_sources import open_source
from local import jenkins, jenkins_files
from local.faults import Fault
from local.jenkins_state import Build

PATH = "dist/webshop-142.tar.gz"
FILE = f"team/webshop/main//{PATH}"
SIZE = 400_000
ODD_NAMES = [
    "a b.txt",
    "100%.txt",
    "c#1.txt",
    "a+b.txt",
    "%2e%2e.txt",
    "ü/日本語.txt",
    "q?x=1&y.txt",
    "[1];'\"~!$@.txt",
]


@pytest.mark.parametrize("start", [1, SIZE // 2, SIZE - 1, SIZE])
@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_file_comes_from_the_middle_on(jenkins_world, start, knows_ranges):
    """Whether the server knows ranges, or gives all of it anyway."""
    jenkins_world.state.knows_ranges = knows_ranges
    assert (b"shop" * 100_000)[start:] == b"".join(jenkins_world.open().stream("142", FILE, start=start))


def test_a_compressed_rest_is_unpacked(jenkins_world):
    """The range counts plain bytes, whatever was compressed on the way."""
    jenkins_world.state.compresses_always = True
    locator = "team/webshop/main//dist/release notes ä+%2F.txt"
    assert (b"notes" * 1000)[4998:] == b"".join(jenkins_world.open().stream("142", locator, start=4998))


def test_a_file_that_is_shorter_by_now_is_another_one(jenkins_world):
    """Its rest would be no rest of what came before."""
    jenkins_world.state.knows_ranges = False
    with pytest.raises(WrongDigest, match="has changed at its source"):
        list(jenkins_world.open().stream("142", FILE, start=SIZE + 1))


@pytest.mark.parametrize("start", [0, 1000])
def test_a_cut_is_noticed_wherever_it_began(jenkins_world, start):
    """The caller asks again for what is missing."""
    fault = jenkins_world.state.faults.add(Fault("/artifact/", cut_at=5000))
    with pytest.raises(SourceUnreachable):
        list(jenkins_world.open().stream("142", FILE, start=start))
    assert 1 == fault.fired


@pytest.mark.parametrize(
    ("status", "headers", "body", "error"),
    [
        (206, "Content-Range: bytes 0-9/10\r\nContent-Length: 10", b"0123456789", UnsafeArtifact),
        (206, "Content-Range: bytes 4-7/10\r\nContent-Length: 4", b"4567", UnsafeArtifact),
        (206, "Content-Range: bytes 4-9/*\r\nContent-Length: 6", b"456789", UnsafeArtifact),
        (206, "Content-Length: 6", b"456789", UnsafeArtifact),
        (
            206,
            "Content-Range: bytes 4-9/10\r\nTransfer-Encoding: chunked",
            b"7\r\n456789x\r\n0\r\n\r\n",
            UnsafeArtifact,
        ),
        (206, "Content-Range: bytes 4-9/10\r\nTransfer-Encoding: chunked", b"2\r\n45\r\n0\r\n\r\n", SourceUnreachable),
        (206, "Content-Range: bytes 4-9/10\r\nContent-Length: 6", b"45", SourceUnreachable),
        (206, "Content-Range: bytes 4-2/3\r\nContent-Length: 0", b"", WrongDigest),
        (416, "Content-Range: bytes */3\r\nContent-Length: 0", b"", WrongDigest),
        (200, "Content-Length: 3", b"012", WrongDigest),
        (200, "Content-Length: 10", b"01", SourceUnreachable),
    ],
)
def test_other_bytes_than_the_rest_are_refused(jenkins_world, status, headers, body, error):
    """Who lies about what it gives is not believed; who only stopped may be asked again."""
    with raw_server(_build_with("a"), f"HTTP/1.1 {status} X\r\n{headers}\r\n\r\n".encode() + body) as server:
        jenkins_world.url = server.address
        with pytest.raises(error):
            list(jenkins_world.open("job").stream("1", "job//a", start=4))
    assert "Range: bytes=4-" in server.requests[1]


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (206, "Content-Range: bytes 4-9/10\r\nContent-Length: 6", b"456789"),
        (206, "Content-Range: 4-9/10\r\nContent-Length: 6", b"456789"),
        (200, "Content-Length: 10", b"0123456789"),
    ],
)
def test_the_rest_is_taken_as_servers_of_any_age_give_it(jenkins_world, status, headers, body):
    """Old ones leave out the unit, or know no ranges."""
    with raw_server(_build_with("a"), f"HTTP/1.1 {status} X\r\n{headers}\r\n\r\n".encode() + body) as server:
        jenkins_world.url = server.address
        assert b"456789" == b"".join(jenkins_world.open("job").stream("1", "job//a", start=4))


def test_all_may_have_come_already(jenkins_world):
    """The other way to say that nothing is left."""
    nothing = b"HTTP/1.1 416 X\r\nContent-Range: bytes */4\r\nContent-Length: 0\r\n\r\n"
    with raw_server(_build_with("a"), nothing) as server:
        jenkins_world.url = server.address
        assert b"" == b"".join(jenkins_world.open("job").stream("1", "job//a", start=4))


def _build_with(*paths: str) -> bytes:
    artifacts = [{"relativePath": path} for path in paths]
    body = json.dumps({"number": 1, "building": False, "timestamp": 0, "artifacts": artifacts}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


@dataclass(frozen=True)
class Many:
    """A build with so many files that they come as one zip."""

    job: str
    files: dict[str, bytes]


_numbers = itertools.count()


@pytest.fixture
def many(jenkins_world) -> Many:
    """Of another job in each test: a zip is shared by all who have it open, and so may outlive a test."""
    files = {f"out/{n % 7}/file {n} ä.txt": f"content {n}".encode() * 1000 for n in range(60)}
    found = Many(f"many-{next(_numbers)}", files)
    jenkins_world.state.job(found.job).add(Build(1, {**found.files, "log.txt": b"log"}))
    return found


def test_many_files_come_as_one_zip(jenkins_world, many, read):
    """Of the folder that holds all that is wanted; the bytes are the same as one by one."""
    source = jenkins_world.open(many.job, paths=("out/",))
    assert many.files == read(source)
    zips = [address for address in jenkins_world.state.seen if "zip" in address]
    assert ([f"/job/{many.job}/1/artifact/out/*zip*/out.zip"], 2) == (zips, len(jenkins_world.state.seen))


def test_a_zip_of_all_is_called_archive(jenkins_world, many, read):
    """The folder around its members is not part of their names."""
    assert {**many.files, "log.txt": b"log"} == read(jenkins_world.open(many.job))
    assert f"/job/{many.job}/1/artifact/*zip*/archive.zip" in jenkins_world.state.seen


def test_a_few_of_many_files_come_one_by_one(jenkins_world, many, read):
    """Nobody fetches a gigabyte for a kilobyte."""
    jenkins_world.state.job(many.job).builds[1].artifacts |= {f"out/big/{n}.bin": b"big" for n in range(200)}
    assert {"log.txt": b"log"} == read(jenkins_world.open(many.job, paths=("log.txt",)))
    assert many.files == read(jenkins_world.open(many.job, paths=("out/?/",)))
    assert [] == [address for address in jenkins_world.state.seen if "zip" in address]


def test_a_file_in_a_zip_can_be_gone_on_with(jenkins_world, many):
    """Its first bytes are unpacked once more, and left out."""
    path, content = next(iter(many.files.items()))
    source = jenkins_world.open(many.job)
    for start in (0, 1, len(content)):
        assert content[start:] == b"".join(source.stream("1", f"{many.job}//{path}", start=start))


@pytest.mark.parametrize("fault", [{"cut_at": 20}, {"cut_at": 20_000}, {"claims": 20_000}])
def test_a_cut_zip_is_unreachable_and_the_next_try_is_whole(jenkins_world, many, read, fault):
    """Nothing of the cut one is kept."""
    jenkins_world.state.job(many.job).builds[1].artifacts["out/random"] = bytes(hashlib.shake_256(b"").digest(50_000))
    fired = jenkins_world.state.faults.add(Fault("*zip*", times=1, **fault))
    source = jenkins_world.open(many.job, paths=("out/",))
    with pytest.raises(SourceUnreachable):
        read(source)
    assert 1 == fired.fired
    assert 61 == len(read(source))


def test_files_that_make_a_large_zip_come_one_by_one(jenkins_world, many, read):
    """For all who have it open the zip is tried once; the cap of one transfer holds for each file then."""
    large = {f"out/{n}": hashlib.shake_256(bytes([n])).digest(1000) for n in range(60)}
    jenkins_world.state.job(many.job).add(Build(2, large))
    sources = [jenkins_world.open(many.job, paths=("out/",), limits=Limits(size=20_000)) for _ in range(2)]
    assert [large, large] == [read(source, "2") for source in sources]
    assert 1 == sum("zip" in address for address in jenkins_world.state.seen)
    with pytest.raises(UnsafeArtifact, match="larger than the 900 bytes"):
        read(jenkins_world.open(many.job, limits=Limits(size=900)), "2")


@pytest.mark.parametrize("status", [401, 403])
def test_a_zip_may_be_denied(jenkins_world, many, read, status):
    """As each of its files."""
    jenkins_world.state.faults.add(Fault("*zip*", status=status))
    with pytest.raises(SourceDenied, match=f"for the zip of build 1 of the job {many.job}"):
        read(jenkins_world.open(many.job))


def test_without_a_zip_the_files_come_one_by_one(jenkins_world, many, read):
    """Where artifacts are kept elsewhere, Jenkins may have none; that is asked once."""
    fault = jenkins_world.state.faults.add(Fault("*zip*", status=404))
    assert many.files == read(jenkins_world.open(many.job, paths=("out/",)))
    assert 1 == fault.fired


def _zip_with(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return packed.getvalue()


def test_a_name_that_the_zip_spells_otherwise_comes_for_itself(jenkins_world, many, read, monkeypatch):
    """A Jenkins without UTF-8 writes question marks."""
    names = [path.replace("ä", "?") for path in many.files]
    monkeypatch.setattr(jenkins_files, "_packed", lambda *_: jenkins_files.binary(_zip_with(*names), "application/zip"))
    assert many.files == read(jenkins_world.open(many.job, paths=("out/",)))


@pytest.mark.parametrize("name", ["out/../../evil", "/etc/passwd", "out/a\\b", "out/a\nb"])
def test_a_hostile_zip_is_refused_whole(jenkins_world, many, read, monkeypatch, name):
    """Also for the sake of the files in it that look harmless."""
    packed = _zip_with(*many.files, name)
    monkeypatch.setattr(jenkins_files, "_packed", lambda *_: jenkins_files.binary(packed, "application/zip"))
    with pytest.raises(UnsafeArtifact):
        read(jenkins_world.open(many.job, paths=("out/",)))


@pytest.mark.parametrize("files", [1, 51])
def test_names_may_have_any_character(jenkins_world, read, files):
    """One by one and in a zip: what is special in an address, in patterns, or outside of ASCII."""
    expected = {f"{n}/{name}": name.encode() for n in range(files) for name in ODD_NAMES}
    jenkins_world.state.job("odd names/ä #1%").add(Build(1, dict(expected)))
    assert expected == read(jenkins_world.open("odd names/ä #1%"))


def test_recorded_fingerprints_are_told(jenkins_world):
    """Whoever pins compares them with the bytes that come."""
    build = jenkins_world.state.job("team/webshop/main").builds[142]
    build.is_fingerprinted = True
    expected = {
        path: hashlib.md5(content, usedforsecurity=False).hexdigest() for path, content in build.artifacts.items()
    }
    assert expected == {file.path: file.md5 for file in jenkins_world.open().resolve("142").files}


def test_an_unclear_fingerprint_is_none(jenkins_world):
    """Jenkins knows names without folders, and also records what a build took from others."""
    library = jenkins_world.state.job("library").add(Build(1, {"lib.jar": b"lib"}, is_fingerprinted=True, timestamp=1))
    app = jenkins_world.state.job("app")
    app.add(Build(1, {"a/twice.txt": b"1", "b/twice.txt": b"2", "once.txt": b"3", "out/lib.jar": b"own"}))
    app.builds[1].fingerprints = {"twice.txt": "0" * 32, "once.txt": "1" * 32, **library.recorded}
    found = {file.path: file.md5 for file in jenkins_world.open("app").resolve("1").files}
    assert {"a/twice.txt": None, "b/twice.txt": None, "once.txt": "1" * 32, "out/lib.jar": None} == found


def test_missing_files_fail_by_name(jenkins_world):
    """Each pattern that nothing fits is named, with what the build has."""
    source = jenkins_world.open(paths=("dist/*.tar.gz", "docs/**", "*.war"))
    with pytest.raises(ArtifactNotFound, match=r"no file of build 142 of .* fits docs/\*\*, \*\.war; it has dist/web"):
        source.resolve("142")


def test_files_that_may_not_be_read_are_denied_with_the_permission(jenkins_world):
    """Jenkins can guard them apart from the job."""
    jenkins_world.state.job("team/webshop/main").files_denied_to.add("slipway")
    source = jenkins_world.open()
    with pytest.raises(SourceDenied, match=r"for dist/webshop-142.tar.gz of build 142 .* Run/Artifacts"):
        list(source.stream("142", source.resolve("142").files[0].locator))


def test_an_endless_document_ends_at_the_deadline(jenkins_world):
    """Every single read is in time; the whole is not."""
    fault = jenkins_world.state.faults.add(Fault("/api/json", drip=(1, 0.05)))
    with pytest.raises(SourceUnreachable, match=r"did not come whole within 0\.3 s"):
        jenkins_world.open(limits=Limits(seconds=0.3)).resolve("142")
    assert 1 == fault.fired


def test_a_jenkins_with_an_authority_of_its_own_is_trusted_by_name_of_its_file(jenkins_world, tmp_path):
    """Without that file, or with a wrong one, the refusal says what to give."""
    shown, other = signed(tmp_path), signed(tmp_path, "other")
    with served(jenkins.create_app(jenkins_world.state), certificate=shown.certificate, key=shown.key) as url:

        def latest(ca: str | None) -> str:
            connection = Connection(
                name="ci",
                kind=ConnectionKind.JENKINS,
                url=url,
                user="slipway",
                token=SecretStr(jenkins_world.state.users["slipway"]),
                ca=ca,
            )
            return (
                open_source(JenkinsSource(server="ci", job="team/webshop/main"), connection).resolve("latest").version
            )

        assert "142" == latest(str(shown.ca))
        for untrusted in (None, str(other.ca)):
            with pytest.raises(SourceUnreachable, match="ci shows a certificate that is not trusted here; give the"):
                latest(untrusted)
        with pytest.raises(SourceUnreachable, match=r"ci cannot be asked from here: .*no\.pem"):
            latest(str(tmp_path / "no.pem"))
