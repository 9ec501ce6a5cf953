"""A pipeline artifact by its manifest: each file is fetched for itself, from Azure's own host, and can be resumed."""

from collections.abc import Iterator
from urllib.parse import quote

from activities.artifact_source import ArtifactNotFound, SourceUnreachable, UnsafeArtifact
from integrations.allowance import Allowance, Limits
from integrations.azure_documents import ManifestDocument
from integrations.azure_server import AzureServer
from integrations.http_download import Part, opened, rest, validator
from integrations.safe_path import safe_path
from integrations.zipped_content import MOST_FILES

_MANIFEST = "manifest"


class ManifestContent:
    """The files of one artifact. ``what`` names it; ``manifest`` is the id under which Azure keeps the list."""

    def __init__(self, server: AzureServer, limits: Limits, what: str, place: tuple[str, str]) -> None:
        self._server = server
        self._limits = limits
        self._what = what
        self._run, self._artifact = place
        self._files: dict[str, tuple[str, int]] = {}
        self._validators: dict[str, str | None] = {}

    def read(self, manifest: str) -> bool:
        """Whether Azure gives the list, and all of the files are in it."""
        try:
            found = self._server.get(*self._asked(manifest, _MANIFEST), ManifestDocument, f"the list of {self._what}")
        except ArtifactNotFound:
            return False
        if found.references or any(item.blob is None for item in found.items):
            return False
        if len(found.items) > MOST_FILES:
            raise UnsafeArtifact(f"{self._what} has more than {MOST_FILES} files")
        for item in found.items:
            assert item.blob is not None, "looked at above"
            self._files[safe_path(item.path.removeprefix("/"))] = (item.blob.id, item.blob.size)
        return True

    def sizes(self) -> dict[str, int]:
        """By path."""
        return {path: size for path, (_, size) in self._files.items()}

    def stream(self, path: str, start: int) -> Iterator[bytes]:
        if path not in self._files:
            raise ArtifactNotFound(f"{self._what} has no file {path}")
        blob, size = self._files[path]
        where, query = self._asked(blob, path.rpartition("/")[2])
        part, came = Part(start, self._validators.get(path)), start
        what = f"{path} of {self._what}"
        with opened(self._server.client, self._server.url(where, query), self._server.headers, what, part) as answer:
            self._validators[path] = validator(answer)
            for chunk in rest(answer, part, Allowance(self._limits, path), what, may_be_endless=True):
                came += len(chunk)
                yield chunk
        if came != size:
            raise SourceUnreachable(f"{what} has {size} bytes, of which {came} came")

    def _asked(self, file: str, name: str) -> tuple[str, dict[str, str]]:
        where = f"builds/{quote(self._run, safe='')}/artifacts"
        return where, {"artifactName": self._artifact, "fileId": file, "fileName": name}
