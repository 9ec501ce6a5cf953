"""An artifact source that serves files from memory, and fails as told."""

import threading
from collections.abc import Callable, Iterator

from activities.artifact_source import ArtifactNotFound, ArtifactSource, ResolvedVersion, SourceUnreachable
from domain.artifact import Change, FileEntry, Manifest, VersionOffer
from domain.connection import Connection
from domain.pipeline import LatestOf, Source, UrlSource

_CHUNK = 1000


class ServedFiles:
    """``troubles`` meet the next streams of a file, first to last; a stream of ``held`` waits for ``go``.

    ``cuts`` end the next streams of a file after so many bytes; ``starts`` are where the streams began.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.troubles: dict[str, list[Exception]] = {}
        self.held: set[str] = set()
        self.go = threading.Event()
        self.connections: list[Connection | None] = []
        self.streams: list[str] = []
        self.starts: list[int] = []
        self.cuts: dict[str, list[int]] = {}
        self.on_cut: Callable[[], object] = lambda: None
        self.versions: dict[str | LatestOf, ResolvedVersion] = {}

    def open(self, source: Source, connection: Connection | None) -> ArtifactSource:
        self.connections.append(connection)
        return self

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        if version not in self.versions:
            raise ArtifactNotFound(f"there is no version {version}")
        return self.versions[version]

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:
        raise NotImplementedError(wanted, most)

    def changes(self, since: str, until: str) -> tuple[Change, ...]:
        raise NotImplementedError(since, until)

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        self.streams.append(locator)
        self.starts.append(start)
        content = self.files[locator][start:]
        if cuts := self.cuts.get(locator):
            cut = cuts.pop(0)
            yield content[:cut]
            self.on_cut()
            raise SourceUnreachable(f"cut off after {cut} bytes")
        yield content[:1]
        if troubles := self.troubles.get(locator):
            raise troubles.pop(0)
        if locator in self.held and not self.go.wait(10):
            raise SourceUnreachable("nobody let it go")
        for first in range(1, len(content), _CHUNK):
            yield content[first : first + _CHUNK]


def manifest_of(entries: list[FileEntry], version: str = "142") -> Manifest:
    return Manifest(source=UrlSource(href="https://files.example/a"), version=version, files=tuple(entries))
