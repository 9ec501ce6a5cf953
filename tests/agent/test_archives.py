"""Archives that mean harm, and those that do not."""

import gzip
import io
import os
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.artifact_source import UnsafeArtifact
from agent.archives import Limits, is_archive, unpack

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


def test_archives_are_known_by_their_names() -> None:
    """Case does not matter; other files are left alone."""
    names = ["x.zip", "x.TAR", "x.tar.gz", "x.tgz", "x.gz", "x.txt", "zip"]
    assert [True, True, True, True, False, False, False] == [is_archive(Path(name)) for name in names]
