"""An artifact that comes as one zip, listed as the files in it.

Servers pack that zip anew for every download, so its bytes never repeat and no download can be resumed; the files in it
do repeat. All sources of a process that are open at the same time share one download, kept in a nameless file.
"""

import stat
import struct
import tempfile
import threading
import weakref
import zipfile
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator

from activities.artifact_source import ArtifactNotFound, SourceUnreachable, UnsafeArtifact
from domain.refusal import Refusal
from integrations.allowance import CHUNK
from integrations.http_download import skipping
from integrations.safe_path import safe_path

MOST_FILES = 100_000
_LOOK_UP_SECONDS = 0.5

_NO_ZIP = (zipfile.BadZipFile, struct.error, ValueError, OverflowError, NotImplementedError)
Download = Callable[[], Iterable[bytes]]


class ZippedContent:
    """The files of one artifact. ``what`` names it; ``around`` is the folder that its server puts around them."""

    def __init__(self, what: str, around: str, key: Hashable, download: Download) -> None:
        self._what = what
        self._around = f"{around}/"
        self._download = download
        self._packed = _shared(key)
        self._known: dict[str, zipfile.ZipInfo] | None = None

    def sizes(self) -> dict[str, int]:
        """By path; plain files only."""
        return {path: member.file_size for path, member in self._members().items()}

    def stream(self, path: str, start: int) -> Iterator[bytes]:
        """The bytes from ``start`` on, after empty pieces for as long as the zip is coming."""
        yield from self.coming()
        member = self._members().get(path)
        if member is None:
            raise ArtifactNotFound(f"{self._what} has no file {path}")
        yield from skipping(start, _unpacked(self._zip(), member), path)

    def coming(self) -> Iterator[bytes]:
        """Empty pieces, until the zip is here: whoever waits for it can turn away meanwhile."""
        return self._packed.coming(self._download, self._what)

    def _zip(self) -> zipfile.ZipFile:
        return self._packed.opened(self._download, self._what)

    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """Looked at once: for each of thousands of files it would take long."""
        if self._known is None:
            self._known = self._looked_at()
        return self._known

    def _looked_at(self) -> dict[str, zipfile.ZipInfo]:
        # Of one without a name, the zipfile module cannot say whether it is a folder.
        members = [member for member in self._zip().infolist() if not member.filename or not member.is_dir()]
        if len(members) > MOST_FILES:
            raise UnsafeArtifact(f"{self._what} has more than {MOST_FILES} files")
        drop = len(self._around) if all(member.filename.startswith(self._around) for member in members) else 0
        found = {_safe_member(member)[drop:]: member for member in members}
        if len(found) != len(members):
            raise UnsafeArtifact(f"{self._what} has a file twice")
        return found


class _Packed:
    """A zip that is downloaded when it is first wanted. The zipfile module lets several threads read at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._zip: zipfile.ZipFile | None = None
        self._refused: Refusal | None = None

    def opened(self, download: Download, what: str) -> zipfile.ZipFile:
        for _ in self.coming(download, what):
            pass
        assert self._zip is not None, "it has come"
        return self._zip

    def coming(self, download: Download, what: str) -> Iterator[bytes]:
        """One fetches it; the others look up now and then, as does who fetches. What is refused is so for all."""
        while not self._lock.acquire(timeout=_LOOK_UP_SECONDS):
            yield b""
        try:
            if self._refused is not None:
                raise type(self._refused)(str(self._refused))
            if self._zip is None:
                yield from self._fetch(download, what)
        except Refusal as refused:
            self._refused = refused
            raise
        finally:
            self._lock.release()

    def _fetch(self, download: Download, what: str) -> Iterator[bytes]:
        content = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as this object
        try:
            for chunk in download():
                content.write(chunk)
                yield b""
            self._zip = zipfile.ZipFile(content)
        except _NO_ZIP as error:
            content.close()
            raise SourceUnreachable(f"{what} did not come as a zip") from error
        except OSError as error:
            content.close()
            raise SourceUnreachable(f"{what} cannot be kept in {tempfile.gettempdir()}: {error.strerror}") from error
        except BaseException:
            content.close()
            raise
        weakref.finalize(self, content.close)


_packed_by_key: weakref.WeakValueDictionary[Hashable, _Packed] = weakref.WeakValueDictionary()
_sharing = threading.Lock()


def _shared(key: Hashable) -> _Packed:
    with _sharing:
        return _packed_by_key.setdefault(key, _Packed())


def _safe_member(member: zipfile.ZipInfo) -> str:
    """``orig_filename`` is the name before zipfile cuts and turns it."""
    if stat.S_ISLNK(member.external_attr >> 16) or member.flag_bits & 1:
        raise UnsafeArtifact(f"{member.filename[:200]!r} is a link, or encrypted")
    return safe_path(member.orig_filename)


def _unpacked(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The zipfile module checks the CRC at the end of a member."""
    try:
        with packed.open(member) as content:
            yield from iter(lambda: content.read(CHUNK), b"")
    except (zipfile.BadZipFile, EOFError, zlib.error, struct.error, ValueError, OSError) as error:
        raise SourceUnreachable(f"{member.filename} came broken") from error
    except (NotImplementedError, RuntimeError) as error:
        raise UnsafeArtifact(f"{member.filename} is packed in a way that is not supported") from error
