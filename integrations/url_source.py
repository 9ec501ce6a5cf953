"""One file at an HTTP(S) address."""

from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from activities.artifact_source import ArtifactNotFound, FileOffer, ResolvedVersion, WrongDigest
from domain.artifact import Change, VersionOffer
from domain.pipeline import LatestOf, UrlSource
from integrations.allowance import Allowance, Limits
from integrations.guarded_addresses import AllowedHosts
from integrations.http_download import Headers, Part, new_client, opened, rest, validator
from integrations.safe_path import safe_path

_NAMELESS = "download"


class UrlArtifact:
    """Implements ArtifactSource. An address has one version; the name a requester gives it is kept as a label."""

    def __init__(self, source: UrlSource, limits: Limits, allowed: AllowedHosts) -> None:
        self._source = source
        self._limits = limits
        self._allowed = allowed
        self._validators: dict[str, str | None] = {}

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        if isinstance(version, LatestOf):
            raise ArtifactNotFound("an address has neither branches nor tags")
        name = unquote(urlsplit(self._source.href).path.rsplit("/", 1)[-1])
        offer = FileOffer(path=safe_path(name or _NAMELESS), locator=self._source.href, sha256=self._source.sha256)
        return ResolvedVersion(version=version, files=(offer,), url=self._source.href)

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        """The digest of the pipeline is checked here for a whole file; for a part, who has the rest must do it."""
        what = f"{locator} ({version})"
        part = Part(start, self._validators.get(locator))
        allowance, digest = Allowance(self._limits, what), sha256()
        with new_client(self._allowed) as client, opened(client, locator, _no_headers, what, part) as answer:
            self._validators[locator] = validator(answer)
            for chunk in rest(answer, part, allowance, what, may_be_endless=self._source.sha256 is not None):
                if self._source.sha256 is not None:
                    digest.update(chunk)
                yield chunk
        if start == 0 and self._source.sha256 not in {None, digest.hexdigest()}:
            raise WrongDigest(f"{locator} has the SHA-256 {digest.hexdigest()}, not the one in the pipeline")

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:  # noqa: ARG002  there is nothing to list
        return ()

    def changes(self, since: str, until: str) -> tuple[Change, ...]:  # noqa: ARG002  an address knows of none
        return ()


def _no_headers(_: str) -> Headers:
    return {}
