"""Files of a directory that this process can read."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from activities.artifact_source import (
    ArtifactNotFound,
    FileOffer,
    ResolvedVersion,
    SourceDenied,
    SourceUnreachable,
    UnsafeArtifact,
    WrongDigest,
)
from domain.artifact import Change, VersionOffer
from domain.pipeline import DirectorySource, LatestOf
from integrations.allowance import CHUNK, Allowance, Limits
from integrations.path_patterns import chosen
from integrations.safe_path import safe_path


class DirectoryArtifact:
    """Implements ArtifactSource. A directory has one version; the name a requester gives it is kept as a label."""

    def __init__(self, source: DirectorySource, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._root = Path(source.path)

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        if isinstance(version, LatestOf):
            raise ArtifactNotFound("a directory has neither branches nor tags")
        if not self._root.is_dir():
            raise ArtifactNotFound(f"there is no directory {self._root}")
        paths = chosen(sorted(self._paths()), self._source.paths, str(self._root))
        offers = tuple(FileOffer(path=path, locator=path, size=self._inside(path).stat().st_size) for path in paths)
        return ResolvedVersion(version=version, files=offers)

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:  # noqa: ARG002  there is only one
        file = self._inside(locator)
        allowance = Allowance(self._limits, str(file))
        try:
            with file.open("rb") as content:
                size = os.fstat(content.fileno()).st_size
                if start > size:
                    raise WrongDigest(f"{file} is shorter than the {start} bytes that were read before")
                content.seek(start)
                yield from allowance.over(iter(lambda: content.read(CHUNK), b""))
                if content.tell() != size:
                    raise SourceUnreachable(f"{file} changed while it was read")
        except FileNotFoundError as error:
            raise ArtifactNotFound(f"there is no file {file}") from error
        except PermissionError as error:
            raise SourceDenied(f"this process may not read {file}") from error
        except OSError as error:
            raise SourceUnreachable(f"{file} cannot be read: {error.strerror}") from error

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:  # noqa: ARG002  there is nothing to list
        return ()

    def changes(self, since: str, until: str) -> tuple[Change, ...]:  # noqa: ARG002  a directory knows of none
        return ()

    def _paths(self) -> Iterator[str]:
        """Plain files, links to files included; a linked folder is not entered, and pipes and devices are no files."""
        for folder, _, names in os.walk(self._root, onerror=_raise_denied):
            for name in names:
                file = Path(folder, name)
                if file.is_file():
                    yield safe_path(file.relative_to(self._root).as_posix())

    def _inside(self, path: str) -> Path:
        """The file itself; raises UnsafeArtifact when a link leads out of the directory."""
        file = (self._root / safe_path(path)).resolve()
        if not file.is_relative_to(self._root.resolve()):
            raise UnsafeArtifact(f"{path} is a link that leads out of {self._root}")
        if file.exists() and not stat.S_ISREG(file.stat().st_mode):
            raise UnsafeArtifact(f"{path} is no plain file")
        return file


def _raise_denied(error: OSError) -> None:
    raise SourceDenied(f"this process may not list {error.filename}") from error
