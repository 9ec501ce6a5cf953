"""The port behind which artifacts come: resolve a version once, stream its files any number of times.

Implemented by ``integrations``; used by the release worker (to pin) and by agents (to download). All methods block;
callers run them in a thread and keep their own deadline and heartbeat.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

from domain.artifact import Change, VersionOffer
from domain.connection import Connection
from domain.frozen import Frozen
from domain.pipeline import LatestOf, Source
from domain.refusal import Kind, Refusal


class FileOffer(Frozen):
    """One file as the source lists it; what it does not say is None. Digests are lower-case hex."""

    path: str
    locator: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


class ResolvedVersion(Frozen):
    """The one version a request came to, and its files."""

    version: str
    files: tuple[FileOffer, ...]
    branch: str | None = None
    commit: str | None = None
    author: str | None = None
    built_at: datetime | None = None
    url: str | None = None


class ArtifactSource(Protocol):
    """One source with its connection, ready to use."""

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        """Find the version (``latest``, a number, ``LatestOf``) and list its files.

        Raises ArtifactNotFound (naming what is missing), SourceDenied, or SourceUnreachable.
        """
        ...

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file of a resolved version, from ``start`` on, to its end.

        A short body raises SourceUnreachable. What cannot be asked for from the middle is skipped here. Pieces may be
        empty, while what holds the file is still coming: the caller may turn away then.
        """
        ...

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:
        """The newest good versions that fit, newest first. Raises as ``resolve`` does."""
        ...

    def changes(self, since: str, until: str) -> tuple[Change, ...]:
        """The commits that came after version ``since``, up to ``until`` and with it, newest first.

        Empty where the source knows of none. Raises as ``resolve`` does, also when a version is gone.
        """
        ...


class SourceOpener(Protocol):
    """Makes the source; ``connection`` is None for sources that need none (url, directory)."""

    def __call__(self, source: Source, connection: Connection | None) -> ArtifactSource: ...


Progress = Callable[[int], None]


class ArtifactNotFound(Refusal):
    """The job, build, artifact or file does not exist."""

    kind = Kind.NOT_FOUND


class SourceDenied(Refusal):
    """The source knows the caller and says no, or does not accept the credentials."""

    kind = Kind.FORBIDDEN


class UnsafeArtifact(Refusal):
    """A name, size, host or archive member that must not be trusted."""


class WrongDigest(Refusal):
    """The source now gives other bytes than those that were pinned."""

    kind = Kind.CONFLICT


class UnknownConnection(Refusal):
    """The pipeline names a connection that is not set up."""

    kind = Kind.NOT_FOUND


class SourceUnreachable(Exception):  # noqa: N818  reads as what happened
    """The source did not answer, or not to the end. Worth another try."""
