"""The archived files of one build of Jenkins: each for itself, or, where they are many, all in one zip."""

import posixpath
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from urllib.parse import quote

from activities.artifact_source import ArtifactNotFound
from integrations.allowance import Allowance
from integrations.jenkins_body import body, body_from
from integrations.jenkins_server import JenkinsServer, translated
from integrations.path_patterns import fitting
from integrations.zipped_content import ZippedContent

_WORTH_A_ZIP = 50  # files; up to that many come one by one, and each can be gone on with where it was cut
_LARGEST_ZIP = 1 << 30
_ROOT = "archive"  # what Jenkins calls the folder of all


class ArchivedFiles:
    """``paths`` are all that stand below ``url``; those that fit ``patterns`` are wanted."""

    def __init__(
        self, server: JenkinsServer, url: str, what: str, paths: Sequence[str], patterns: Sequence[str]
    ) -> None:
        self._server = server
        self._url = url
        self._what = what
        self.paths = paths
        self._known = frozenset(paths)
        self._folder = _folder_worth_a_zip(paths, fitting(paths, patterns))
        self._zip: ZippedContent | None = None
        self._zipped = frozenset[str]()

    def stream(self, path: str, start: int) -> Iterator[bytes]:
        """The bytes from ``start`` on; raises ArtifactNotFound when the build has no such file."""
        if path not in self._known:
            raise ArtifactNotFound(f"{self._what} has no file {path}")
        folder, packed = self._folder, None
        if folder is not None and path.startswith(folder):
            packed = yield from self._coming(folder)
        # Not every Jenkins packs names in UTF-8: what is not found under its name comes for itself.
        if packed is not None and path.removeprefix(folder or "") in self._zipped:
            yield from packed.stream(path.removeprefix(folder or ""), start)
        else:
            yield from self._alone(path, start)

    def _alone(self, path: str, start: int) -> Iterator[bytes]:
        allowance, what = Allowance(self._server.limits, path), f"{path} of {self._what}"
        answered = translated(self._server.connection, what)
        with answered, closing(self._server.get(f"{self._url}{quote(path)}", start)) as answer:
            self._server.check(answer, what)
            yield from body_from(answer, start, allowance, path)

    def _coming(self, folder: str) -> Generator[bytes, None, ZippedContent | None]:
        """Empty pieces until the zip is here; gives None when it cannot be had."""
        if self._zip is None:
            around = posixpath.basename(folder.rstrip("/")) or _ROOT
            connection = self._server.connection
            key = connection.url, connection.user, connection.token, self._url, folder
            packed = ZippedContent(f"the zip of {self._what}", around, key, lambda: self._download(folder, around))
            try:
                yield from packed.coming()
                self._zipped = frozenset(packed.sizes())
            except ArtifactNotFound:
                self._folder = None
            else:
                self._zip = packed
        return self._zip

    def _download(self, folder: str, name: str) -> Iterator[bytes]:
        """Raises ArtifactNotFound when it is too large to be kept beside the files: those are then better alone."""
        what, came, most = f"the zip of {self._what}", 0, min(self._server.limits.size, _LARGEST_ZIP)
        url = f"{self._url}{quote(folder)}*zip*/{quote(name)}.zip"
        allowance = Allowance(self._server.limits, what)
        with translated(self._server.connection, what), closing(self._server.get(url)) as answer:
            self._server.check(answer, what)
            for chunk in body(answer, what):
                came += len(chunk)
                if came > most:
                    raise ArtifactNotFound(f"{what} is larger than {most} bytes")
                yield allowance.take(chunk)


def _folder_worth_a_zip(paths: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The folder of all that is wanted, with a slash at its end, unless most of what it holds is not wanted."""
    if len(wanted) <= _WORTH_A_ZIP:
        return None
    common = posixpath.commonpath([posixpath.dirname(path) for path in wanted])
    folder = f"{common}/" if common else ""
    held = sum(path.startswith(folder) for path in paths)
    return folder if held <= 2 * len(wanted) else None
