"""One file at an HTTP(S) address."""

from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from activities.artifact_source import ArtifactNotFound, FileOffer, ResolvedVersion, WrongDigest
from domain.pipeline import LatestOf, UrlSource
from integrations.allowance import Allowance, Limits
from integrations.http_download import Headers, body, new_client, opened
from integrations.safe_path import safe_path

_NAMELESS = "download"


class UrlArtifact:
    """Implements ArtifactSource. An address has one version; the name a requester gives it is kept as a label."""

    def __init__(self, source: UrlSource, limits: Limits) -> None:
        self._source = source
        self._limits = limits

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        if isinstance(version, LatestOf):
            raise ArtifactNotFound("an address has neither branches nor tags")
        name = unquote(urlsplit(self._source.href).path.rsplit("/", 1)[-1])
        offer = FileOffer(path=safe_path(name or _NAMELESS), locator=self._source.href)
        return ResolvedVersion(version=version, files=(offer,), url=self._source.href)

    def stream(self, version: str, locator: str) -> Iterator[bytes]:
        what = f"{locator} ({version})"
        allowance, digest = Allowance(self._limits, what), sha256()
        with new_client() as client, opened(client, locator, _no_headers, what) as answer:
            for chunk in body(answer, allowance, what, may_be_endless=self._source.sha256 is not None):
                digest.update(chunk)
                yield chunk
        if self._source.sha256 not in {None, digest.hexdigest()}:
            raise WrongDigest(f"{locator} has the SHA-256 {digest.hexdigest()}, not the one in the pipeline")


def _no_headers(_: str) -> Headers:
    return {}
