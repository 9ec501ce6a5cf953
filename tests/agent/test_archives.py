"""Archives that mean harm, and those that do not."""

import gzip
import io
import os
import random
import stat
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.artifact_source import UnsafeArtifact
from agent.archives import Limits, is_archive, unpack
from agent.part_files import DownloadStopped

Entry = tuple[str, bytes]


def tar_of(*members: tarfile.TarInfo | Entry, form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member, io.BytesIO(b"x" * member.size))
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def odd(name: str, kind: bytes, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # zipfile warns of doubled names, which are the point
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def unix(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def renamed(archive: bytes, old: bytes, new: bytes) -> bytes:
    """A ZIP whose names were changed behind zipfile's back."""
    assert len(old) == len(new)
    return archive.replace(old, new)


def encrypted(archive: bytes) -> bytes:
    """The flag alone, in both places where a ZIP keeps it."""
    changed = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        changed[changed.index(signature) + offset] |= 1
    return bytes(changed)


def pax_chain(length: int) -> bytes:
    """Headers that each announce another header."""
    header = tar_of(odd("x", tarfile.XHDTYPE, size=0))[:512]
    return header * length + bytes(1024)


def pax(name: str, **headers: str) -> bytes:
    """A harmless name, and what an extended header says instead."""
    info = tarfile.TarInfo(name)
    info.pax_headers = {key.replace("_", "."): value for key, value in headers.items()}
    return tar_of(OK, info, form=tarfile.PAX_FORMAT)


def claiming(size: bytes) -> bytes:
    """A tar whose one member is said to have another size."""
    header = bytearray(tar_of(("x", b"1"))[:512])
    header[124:136] = size
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + b"1" * 512 + bytes(1024)


def overlapping(count: int) -> bytes:
    """A ZIP whose entries are all the same packed bytes."""
    archive = zip_of(("f0", bytes(2_000_000)))
    start, last = archive.index(b"PK\x01\x02"), archive.index(b"PK\x05\x06")
    entries = b"".join(archive[start:last].replace(b"f0", b"f%d" % (number % 10)) for number in range(count))
    end = bytearray(archive[last:])
    end[8:16] = struct.pack("<HHL", count & 0xFFFF, count & 0xFFFF, len(entries))
    return archive[:start] + entries + bytes(end)


def pointing_outside() -> bytes:
    """A ZIP whose entry begins in front of the file."""
    archive = bytearray(zip_of(OK))
    end = archive.index(b"PK\x05\x06")
    archive[end + 16 : end + 20] = struct.pack("<L", struct.unpack("<L", archive[end + 16 : end + 20])[0] + 200)
    return bytes(archive)


OK: Entry = ("ok.txt", b"fine")
HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "tar up": ("a.tar", lambda: tar_of(OK, ("../out", b"x"))),
    "tar up inside": ("a.tar", lambda: tar_of(OK, ("a/../../out", b"x"))),
    "tar absolute": ("a.tar", lambda: tar_of(OK, ("/tmp/out", b"x"))),
    "tar dot": ("a.tar", lambda: tar_of(OK, ("./a/./b", b"x"))),
    "tar empty part": ("a.tar", lambda: tar_of(OK, ("a//b", b"x"))),
    "tar backslash": ("a.tar", lambda: tar_of(OK, ("..\\out", b"x"))),
    "tar symlink": ("a.tar", lambda: tar_of(OK, odd("l", tarfile.SYMTYPE, "/etc"), ("l/passwd", b"x"))),
    "tar symlink inside": ("a.tar", lambda: tar_of(OK, odd("l", tarfile.SYMTYPE, "ok.txt"))),
    "tar symlink chain": (
        "a.tar",
        lambda: tar_of(
            *(odd(f"l{number}", tarfile.SYMTYPE, f"l{number - 1}/..") for number in range(1, 9)), ("l8/out", b"x")
        ),
    ),
    "tar folder that is a link": ("a.tar", lambda: tar_of(OK, odd("d/", tarfile.SYMTYPE, "../.."), ("d/out", b"x"))),
    "tar pax path": ("a.tar", lambda: pax("harmless", path="../out")),
    "tar pax absolute path": ("a.tar", lambda: pax("harmless", path="/tmp/out")),
    "tar pax sparse name": ("a.tar", lambda: pax("harmless", GNU_sparse_name="../out", GNU_sparse_major="0")),
    "tar long name up": ("a.tar", lambda: tar_of(OK, ("../" * 60 + "out", b"x"))),
    "tar size beyond its end": ("a.tar", lambda: claiming(b"77777777777\0")),
    "tar size of 2**63": ("a.tar", lambda: claiming(b"\x80" + bytes(3) + (1 << 63).to_bytes(8, "big"))),
    "tar size below zero": ("a.tar", lambda: claiming(b"\xff" * 12)),
    "tar.gz up": ("a.tar.gz", lambda: gzip.compress(tar_of(OK, ("../out", b"x")))),
    "tgz of tgz bombs": ("a.tgz", lambda: gzip.compress(gzip.compress(bytes(50_000_000)))),
    "tar hard link": ("a.tar", lambda: tar_of(OK, odd("l", tarfile.LNKTYPE, "ok.txt"))),
    "tar hard link out": ("a.tar", lambda: tar_of(OK, odd("l", tarfile.LNKTYPE, "/etc/passwd"))),
    "tar character device": ("a.tar", lambda: tar_of(OK, odd("d", tarfile.CHRTYPE))),
    "tar block device": ("a.tar", lambda: tar_of(OK, odd("d", tarfile.BLKTYPE))),
    "tar pipe": ("a.tar", lambda: tar_of(OK, odd("p", tarfile.FIFOTYPE))),
    "tar unknown kind": ("a.tar", lambda: tar_of(OK, odd("s", tarfile.GNUTYPE_SPARSE))),
    "tar twice": ("a.tar", lambda: tar_of(OK, OK)),
    "tar case clash": ("a.tar", lambda: tar_of(("Readme", b"1"), ("README", b"2"))),
    "tar folder case clash": ("a.tar", lambda: tar_of(("A/x", b"1"), ("a/y", b"2"))),
    "tar accent clash": ("a.tar", lambda: tar_of(("é", b"1"), ("e\u0301", b"2"), form=tarfile.PAX_FORMAT)),
    "tar file as folder": ("a.tar", lambda: tar_of(("a", b"1"), ("a/b", b"2"))),
    "tar folder as file": ("a.tar", lambda: tar_of(("a/b", b"1"), ("a", b"2"))),
    "tar long part": ("a.tar", lambda: tar_of(("n" * 300, b"x"))),
    "tar long path": ("a.tar", lambda: tar_of(("/".join(["n" * 100] * 20), b"x"))),
    "tar cut": ("a.tar", lambda: tar_of(OK, ("b", b"x" * 5000))[:3000]),
    "tar rubbish": ("a.tar", lambda: b"no archive at all" * 100),
    "tar many": ("a.tar", lambda: tar_of(*((f"f{number}", b"") for number in range(60)))),
    "tar header chain": ("a.tar", lambda: pax_chain(3000)),
    "gzip bomb": ("a.tar.gz", lambda: gzip.compress(tar_of(("zeros", bytes(3_000_000))))),
    "gzip header bomb": ("a.tgz", lambda: gzip.compress(tar_of(odd("x", tarfile.XHDTYPE, size=40_000_000)))),
    "gzip cut": ("a.tar.gz", lambda: gzip.compress(tar_of(("r", os.urandom(9000))))[:4000]),
    "gzip rubbish": ("a.tar.gz", lambda: tar_of(OK)),
    "too much": ("a.tar", lambda: tar_of(("big", os.urandom(6_000_000)))),
    "zip up": ("a.zip", lambda: zip_of(OK, ("../out", b"x"))),
    "zip absolute": ("a.zip", lambda: zip_of(OK, ("/tmp/out", b"x"))),
    "zip drive": ("a.zip", lambda: renamed(zip_of(OK, ("C:XXout", b"x")), b"C:XXout", b"C:\\\\out")),
    "zip backslash": ("a.zip", lambda: renamed(zip_of(OK, ("..X..Xout", b"x")), b"..X..Xout", b"..\\..\\out")),
    "zip zero byte": ("a.zip", lambda: renamed(zip_of(OK, ("outXpng", b"x")), b"outXpng", b"out\0png")),
    "zip symlink": ("a.zip", lambda: zip_of(OK, (unix("l", stat.S_IFLNK | 0o777), b"/etc/passwd"))),
    "zip device": ("a.zip", lambda: zip_of(OK, (unix("d", stat.S_IFCHR | 0o666), b""))),
    "zip pipe": ("a.zip", lambda: zip_of(OK, (unix("p", stat.S_IFIFO | 0o666), b""))),
    "zip symlink to a folder": (
        "a.zip",
        lambda: zip_of((unix("l", stat.S_IFLNK | 0o777), b"../.."), ("l/out", b"x")),
    ),
    "zip folder up": ("a.zip", lambda: zip_of(OK, ("../out/", b""))),
    "zip long part": ("a.zip", lambda: zip_of(("n" * 300, b"x"))),
    "zip accent clash": ("a.zip", lambda: zip_of(("é", b"1"), ("e\u0301", b"2"))),
    "zip of overlapping entries": ("a.zip", lambda: overlapping(40)),
    "zip pointing outside of itself": ("a.zip", pointing_outside),
    "zip twice": ("a.zip", lambda: zip_of(OK, OK)),
    "zip case clash": ("a.zip", lambda: zip_of(("Readme", b"1"), ("README", b"2"))),
    "zip file as folder": ("a.zip", lambda: zip_of(("a", b"1"), ("a/b", b"2"))),
    "zip many": ("a.zip", lambda: zip_of(*((f"f{number}", b"") for number in range(60)))),
    "zip bomb": ("a.zip", lambda: zip_of(("zeros", bytes(3_000_000)))),
    "zip encrypted": ("a.zip", lambda: encrypted(zip_of(OK))),
    "zip damaged": ("a.zip", lambda: renamed(zip_of((unix("s", stat.S_IFREG), b"stored text")), b"stored", b"broken")),
    "zip cut": ("a.zip", lambda: zip_of(OK)[:-30]),
    "zip rubbish": ("a.zip", lambda: b"PK\x03\x04 no archive"),
}
LIMITS = Limits(most_entries=50, most_bytes=5_000_000, most_ratio=50, ratio_free=1_000_000)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_leave_nothing(case: str, tmp_path: Path) -> None:
    """Refused, with no byte outside, and none inside either."""
    name, make = HOSTILE[case]
    world = tmp_path / "world"
    into = world / "a" / "b"
    into.mkdir(parents=True)
    archive = tmp_path / name
    archive.write_bytes(make())
    with pytest.raises(UnsafeArtifact):
        unpack(archive, into, LIMITS)
    assert [world / "a", into] == sorted(world.rglob("*"))


def test_a_hundred_thousand_entries_are_the_most(tmp_path: Path) -> None:
    """Without any limits of the test's own."""
    archive = tmp_path / "a.zip"
    archive.write_bytes(overlapping(100_001))
    (tmp_path / "into").mkdir()
    with pytest.raises(UnsafeArtifact, match="more than 100,000 entries"):
        unpack(archive, tmp_path / "into")
    assert [] == list((tmp_path / "into").iterdir())


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    """A thousand bytes out for each byte in: at the first 100 MiB, without any limits of the test's own."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(101 << 20))
    packed = (tmp_path / "a.zip").stat().st_size
    assert (101 << 20) / packed > 1000
    (tmp_path / "into").mkdir()
    with pytest.raises(UnsafeArtifact, match="more than 200 times its size"):
        unpack(tmp_path / "a.zip", tmp_path / "into")
    assert [] == list((tmp_path / "into").iterdir())


def test_damaged_archives_are_refused_or_unpacked(tmp_path: Path) -> None:
    """Whatever bytes of them were changed: nothing lands outside, and no other trouble than a refusal comes of it."""
    rng = random.Random(8)
    content: list[Entry] = [("bin/run.sh", b"#!/bin/sh\n" * 20), ("d/x", b"abc" * 500)]
    whole = {"a.zip": zip_of(*content), "a.tar": tar_of(*content)[:5000], "a.tgz": gzip.compress(tar_of(*content))}
    refused = 0
    for number in range(150):
        name = rng.choice(sorted(whole))
        damaged = bytearray(whole[name])
        for _ in range(rng.choice([1, 2, 8])):
            damaged[rng.randrange(len(damaged))] = rng.choice([0, 255, ord("/"), ord("."), rng.randrange(256)])
        into = tmp_path / f"world{number}" / "a"
        into.mkdir(parents=True)
        (tmp_path / name).write_bytes(damaged)
        try:
            unpack(tmp_path / name, into, LIMITS)
        except UnsafeArtifact:
            refused += 1
            assert [] == list(into.iterdir())
        assert [into] == list(into.parent.iterdir())
    assert 50 < refused < 150


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.TGZ"])
def test_good_archives_are_unpacked(name: str, tmp_path: Path) -> None:
    """Files and folders, empty ones too, with their bytes."""
    members: list[Entry] = [("bin/run.sh", b"#!/bin/sh\n"), ("data/empty", b""), ("data/blob", os.urandom(100_000))]
    raw = zip_of(*members) if name.endswith("zip") else tar_of(*members)
    archive = tmp_path / name
    archive.write_bytes(raw if name in {"a.zip", "a.tar"} else gzip.compress(raw))
    into = tmp_path / "into"
    into.mkdir()
    assert 3 == unpack(archive, into)
    assert members == [(entry, (into / entry).read_bytes()) for entry, _ in members]
    assert ["bin", "data"] == sorted(path.name for path in into.iterdir())


def test_programs_stay_programs_but_gain_no_rights(tmp_path: Path) -> None:
    """The execute bit is kept, setuid is not."""
    info = tarfile.TarInfo("run")
    info.mode = 0o6755
    (tmp_path / "a.tar").write_bytes(tar_of(info))
    (tmp_path / "a.zip").write_bytes(zip_of((unix("zipped", stat.S_IFREG | 0o4755), b"x")))
    unpack(tmp_path / "a.tar", tmp_path)
    unpack(tmp_path / "a.zip", tmp_path)
    assert [0o755, 0o755] == [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("run", "zipped")]


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    """Neither a file nor what a link points to; and nothing else of the archive is put there."""
    (tmp_path / "a.tar").write_bytes(tar_of(("b", b"new"), ("ok.txt", b"new")))
    (tmp_path / "ok.txt").write_bytes(b"old")
    with pytest.raises(UnsafeArtifact, match="is there already"):
        unpack(tmp_path / "a.tar", tmp_path)
    assert (b"old", False) == ((tmp_path / "ok.txt").read_bytes(), (tmp_path / "b").exists())


@pytest.mark.parametrize("name", ["a.zip", "a.tgz"])
def test_unpacking_can_be_stopped_on_its_way(name: str, tmp_path: Path) -> None:
    """Nothing of the archive is left then."""
    members: list[Entry] = [(f"f{number}", b"x") for number in range(9)]
    (tmp_path / name).write_bytes(zip_of(*members) if name == "a.zip" else gzip.compress(tar_of(*members)))
    calls = iter(range(12))

    def check() -> None:
        if next(calls, None) is None:
            raise DownloadStopped

    (tmp_path / "into").mkdir()
    with pytest.raises(DownloadStopped):
        unpack(tmp_path / name, tmp_path / "into", check=check)
    assert [] == list((tmp_path / "into").iterdir())


def test_archives_are_known_by_their_names() -> None:
    """Case does not matter; other files are left alone."""
    names = ["x.zip", "x.TAR", "x.tar.gz", "x.tgz", "x.gz", "x.txt", "zip"]
    assert [True, True, True, True, False, False, False] == [is_archive(Path(name)) for name in names]
