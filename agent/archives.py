"""Unpack archives that nobody vouches for: everything odd is refused, and then nothing of the archive remains."""

import errno
import gzip
import io
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from activities.artifact_source import UnsafeArtifact
from agent.safe_names import joined, printable

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
_CHUNK = 1024 * 1024
_LONGEST_HEADER = 16 * 1024 * 1024
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold. ``most_ratio`` (bytes out per byte in) counts above ``ratio_free`` bytes."""

    most_entries: int = 100_000
    most_bytes: int = 20 * 1024 * _MIB
    most_ratio: int = 200
    ratio_free: int = 100 * _MIB


@dataclass(frozen=True)
class Member:
    """One file or folder of an archive; ``content`` is None for a folder."""

    name: str
    mode: int
    content: IO[bytes] | None


def _go_on() -> None:
    """Nobody wants to stop it."""


@dataclass
class _Budget:
    """Counts what comes out of an archive of ``packed`` bytes, and refuses what is too much."""

    limits: Limits
    packed: int
    check: Callable[[], None]
    entries: int = 0
    unpacked: int = 0

    def count_entry(self) -> None:
        self.check()
        self.entries += 1
        if self.entries > self.limits.most_entries:
            raise UnsafeArtifact(f"the archive has more than {self.limits.most_entries:,} entries")

    def count_bytes(self, size: int) -> None:
        self.check()
        self.unpacked += size
        if self.unpacked > self.limits.most_bytes:
            raise UnsafeArtifact(f"the archive holds more than {self.limits.most_bytes:,} bytes")
        if self.unpacked > max(self.limits.ratio_free, self.packed * self.limits.most_ratio):
            raise UnsafeArtifact(f"the archive unpacks to more than {self.limits.most_ratio} times its size")


def is_archive(path: Path) -> bool:
    """By its name, since that is what the pipeline's author sees."""
    return path.name.lower().endswith(_SUFFIXES)


def unpack(archive: Path, into: Path, limits: Limits | None = None, check: Callable[[], None] = _go_on) -> int:
    """Put the archive's files below ``into``; returns how many. Blocks; ``check`` may raise, to stop it on the way.

    Raises UnsafeArtifact for what is odd, damaged or too much, or would overwrite something; nothing is left then.
    """
    budget = _Budget(limits or Limits(), packed=max(1, archive.stat().st_size), check=check)
    staging = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=into))
    try:
        count = _unpack_all(archive, _Tree(staging, budget))
        _move(staging, into)
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UnsafeArtifact(f"{archive.name} is damaged: {error}") from error
    except (NotImplementedError, RecursionError, ValueError, RuntimeError, LookupError, struct.error) as error:
        raise UnsafeArtifact(f"{archive.name} cannot be read: {type(error).__name__}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # which is an offset in front of the file's beginning
            raise
        raise UnsafeArtifact(f"{archive.name} is damaged: it points outside of itself") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return count


def _unpack_all(archive: Path, tree: "_Tree") -> int:
    members = _zip_members(archive, tree.budget) if _is_zip(archive) else _tar_members(archive, tree.budget)
    with closing(members):
        return sum(tree.add(member) for member in members)


def _is_zip(path: Path) -> bool:
    return path.name.lower().endswith(".zip")


@dataclass
class _Tree:
    """The files written so far. Names that differ only in case or accents' spelling would be one file elsewhere."""

    root: Path
    budget: _Budget
    spelt: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)

    def add(self, member: Member) -> int:
        """Write the member; 1 for a file, 0 for a folder."""
        self.budget.count_entry()
        name = member.name.removesuffix("/") if member.content is None else member.name
        path = joined(self.root, name)
        self._claim(name, is_file=member.content is not None)
        if member.content is None:
            path.mkdir(parents=True, exist_ok=True)
            return 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write(path, member.content)
        path.chmod(stat.S_IMODE(member.mode) & 0o777 | 0o600)
        return 1

    def _claim(self, name: str, *, is_file: bool) -> None:
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            prefix = "/".join(parts[:depth])
            folded = unicodedata.normalize("NFC", prefix).casefold()
            known = self.spelt.setdefault(folded, prefix)
            if known != prefix:
                raise UnsafeArtifact(f"{printable(prefix)} and {printable(known)} are one name on some machines")
            if prefix in self.files:
                raise UnsafeArtifact(f"{printable(prefix)} is in the archive twice")
        if is_file:
            if joined(self.root, name).exists():
                raise UnsafeArtifact(f"{printable(name)} is a file and a folder")
            self.files.add(name)

    def _write(self, path: Path, content: IO[bytes]) -> None:
        with path.open("xb") as file:
            while chunk := content.read(_CHUNK):
                self.budget.count_bytes(len(chunk))
                file.write(chunk)


def _zip_members(archive: Path, budget: _Budget) -> Generator[Member]:
    with zipfile.ZipFile(archive) as opened:
        if len(opened.infolist()) > budget.limits.most_entries:
            raise UnsafeArtifact(f"the archive has more than {budget.limits.most_entries:,} entries")
        for info in opened.infolist():
            # zipfile cuts names at NUL and turns separators around; what it was given must be what it gives.
            if info.filename != info.orig_filename:
                raise UnsafeArtifact(f"{printable(info.orig_filename)} is no name that may be written below a folder")
            if info.flag_bits & 1:
                raise UnsafeArtifact(f"{printable(info.filename)} is encrypted")
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise UnsafeArtifact(f"{printable(info.filename)} is a link or a device")
            if info.is_dir():
                yield Member(info.filename, 0o755, None)
            else:
                with opened.open(info) as content:
                    yield Member(info.filename, mode or 0o644, content)


def _tar_members(archive: Path, budget: _Budget) -> Generator[Member]:
    is_packed = archive.name.lower().endswith((".tar.gz", ".tgz"))
    with archive.open("rb") as raw, gzip.GzipFile(fileobj=raw) if is_packed else raw as stream:
        bounded = _BoundedReader(stream, _Budget(budget.limits, budget.packed, budget.check))
        with tarfile.open(fileobj=bounded, mode="r:") as opened:
            while info := opened.next():
                yield _tar_member(opened, info)
                # Or a hundred thousand of them would be kept in memory.
                opened.members = []  # type: ignore[attr-defined]  # typeshed lacks it


def _tar_member(opened: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    if info.isdir():
        return Member(info.name, 0o755, None)
    if info.size < 0:
        raise UnsafeArtifact(f"{printable(info.name)} has a size below zero")
    if not info.isfile() or info.issparse():
        raise UnsafeArtifact(f"{printable(info.name)} is a link, a device or sparse")
    return Member(info.name, info.mode, opened.extractfile(info))


class _BoundedReader(io.RawIOBase):
    """Reads forwards only, counting: also headers can be made to unpack to more than fits in memory."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, budget: _Budget) -> None:
        super().__init__()
        self._stream = stream
        self._budget = budget
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise UnsafeArtifact("the archive has a header of more than 16 MiB")
        piece = self._stream.read(size)
        self._position += len(piece)
        self._budget.count_bytes(len(piece))
        return piece

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or position < self._position:
            raise UnsafeArtifact("the archive can only be read by jumping back")
        while self._position < position:
            if not self.read(min(_CHUNK, position - self._position)):
                break
        return self._position


def _move(staging: Path, into: Path) -> None:
    """Put everything where it belongs, or nothing."""
    for source in sorted(staging.rglob("*")):
        target = into / source.relative_to(staging)
        if target.is_symlink() or (target.exists() and not (source.is_dir() and target.is_dir())):
            raise UnsafeArtifact(f"{printable(str(source.relative_to(staging)))} is there already")
    for source in sorted(staging.rglob("*")):
        target = into / source.relative_to(staging)
        if source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            source.rename(target)
