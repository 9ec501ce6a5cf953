"""Files of GitHub releases: a version is a tag, a file an asset."""

import weakref
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from activities.artifact_source import ArtifactNotFound, FileOffer, ResolvedVersion, SourceUnreachable
from domain.artifact import Change, VersionOffer
from domain.connection import Connection
from domain.pipeline import GithubSource, LatestOf
from integrations.allowance import Allowance, Limits
from integrations.github_documents import CommitDocument, ComparisonDocument, ReleaseDocument, ReleasesDocument
from integrations.guarded_addresses import AllowedHosts
from integrations.http_download import Headers, Part, body, new_client, opened, origin, rest, validator
from integrations.path_patterns import chosen
from integrations.safe_path import safe_path

LATEST = "latest"
_PUBLIC = "https://api.github.com"
_API_VERSION = "2022-11-28"
_DOCUMENT = "application/vnd.github+json"
_HASH = "application/vnd.github.sha"
_BYTES = "application/octet-stream"
_LARGEST_ANSWER = 64 << 20
_PAGE = 100
_MOST_PAGES = 10

Document = TypeVar("Document", bound=BaseModel)


class GithubArtifacts:
    """Implements ArtifactSource for one repository. Not for use by two threads at once."""

    def __init__(
        self, source: GithubSource, connection: Connection | None, limits: Limits, allowed: AllowedHosts
    ) -> None:
        self._source = source
        self._limits = limits
        self._base = connection.url.rstrip("/") if connection else _PUBLIC
        self._token = connection.token.get_secret_value() if connection else ""
        trusted = allowed.with_origin(self._base) if connection else allowed
        self._client = new_client(trusted, connection.ca if connection else None)
        self._validators: dict[str, str | None] = {}
        self.close = weakref.finalize(self, self._client.close)

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        release = self._release(version)
        what = f"the release {release.tag} of {self._source.repository}"
        assets = {safe_path(asset.name): asset for asset in release.assets if asset.is_whole}
        files = [assets[name] for name in chosen(sorted(assets), self._source.paths, what)]
        return ResolvedVersion(
            version=release.tag,
            files=tuple(
                FileOffer(path=file.name, locator=f"{file.id}/{file.name}", size=file.size, sha256=file.sha256)
                for file in files
            ),
            branch=release.branch,
            commit=self._commit(release.tag),
            author=release.author,
            built_at=release.published_at,
            url=release.page,
        )

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        """By the asset's number: one that was uploaded anew under the same name has another."""
        number, _, name = locator.partition("/")
        what = f"the file {name} of the release {version} of {self._source.repository}"
        part = Part(start, self._validators.get(locator))
        url = self._url(f"releases/assets/{quote(number, safe='')}")
        with opened(self._client, url, lambda target: self._headers(target, _BYTES), what, part) as answer:
            self._validators[locator] = validator(answer)
            yield from rest(answer, part, Allowance(self._limits, name), what)

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:
        return tuple(
            VersionOffer(
                version=release.tag,
                label=release.name or release.tag,
                branch=release.branch,
                commit=release.commit,
                author=release.author,
                built_at=release.published_at,
                url=release.page,
                tags=(release.tag,),
            )
            for release in self._good_releases(wanted, most)
        )

    def changes(self, since: str, until: str) -> tuple[Change, ...]:
        spec = f"{quote(since, safe='')}...{quote(until, safe='')}"
        what = f"the comparison of {since} and {until} in {self._source.repository}"
        commits = list[CommitDocument]()
        for page in range(1, _MOST_PAGES + 1):
            found = self._get(f"compare/{spec}?per_page={_PAGE}&page={page}", ComparisonDocument, what).commits
            commits += found
            if len(found) < _PAGE:
                break
        return tuple(
            Change(
                version=until,
                commit=one.sha,
                message=one.commit.message,
                author=one.commit.author.name if one.commit.author else None,
                at=one.commit.author.date if one.commit.author else None,
                url=one.page,
            )
            for one in reversed(commits)
        )

    def _release(self, version: str | LatestOf) -> ReleaseDocument:
        repository = self._source.repository
        if isinstance(version, str) and version != LATEST:
            what = f"the release {version} of {repository}"
            return self._get(f"releases/tags/{quote(version, safe='')}", ReleaseDocument, what)
        wanted = version if isinstance(version, LatestOf) else LatestOf()
        found = self._good_releases(wanted, 1)
        if not found:
            of = f" of {wanted.branch}" if wanted.branch else ""
            raise ArtifactNotFound(f"{repository} has no published release{of}, or not for this token")
        return found[0]

    def _good_releases(self, wanted: LatestOf, most: int) -> list[ReleaseDocument]:
        """Those that were published, newest first; neither drafts nor pre-releases."""
        if wanted.tags:
            raise ArtifactNotFound("a release of GitHub has one tag, which is its version; name that one")
        fitting = list[ReleaseDocument]()
        what = f"the releases of {self._source.repository}"
        for page in range(1, _MOST_PAGES + 1):
            found = self._get(f"releases?per_page={_PAGE}&page={page}", ReleasesDocument, what).root
            fitting += [one for one in found if one.is_good and wanted.branch in {None, one.target}]
            if len(found) < _PAGE or len(fitting) >= most:
                break
        fitting.sort(key=lambda one: str(one.published_at), reverse=True)
        return fitting[:most]

    def _commit(self, tag: str) -> str | None:
        what = f"the commit of {tag}"
        try:
            return self._ask(f"commits/{quote(f'tags/{tag}', safe='')}", _HASH, what).decode("ascii", "replace")
        except ArtifactNotFound:
            return None

    def _get(self, path: str, kind: type[Document], what: str) -> Document:
        try:
            return kind.model_validate_json(self._ask(path, _DOCUMENT, what))
        except ValidationError as error:
            raise SourceUnreachable(f"{self._base} does not answer as GitHub does; is its address right?") from error

    def _ask(self, path: str, accept: str, what: str) -> bytes:
        allowance = Allowance(Limits(self._limits.seconds, _LARGEST_ANSWER), what)
        with opened(self._client, self._url(path), lambda target: self._headers(target, accept), what) as answer:
            return b"".join(body(answer, allowance, what))

    def _url(self, path: str) -> str:
        return f"{self._base}/repos/{quote(self._source.repository)}/{path}"

    def _headers(self, url: str, accept: str) -> Headers:
        """The token goes to the interface itself, and not where it redirects to for the bytes."""
        if origin(url) != origin(self._base):
            return {}
        token = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return {"Accept": accept, "X-GitHub-Api-Version": _API_VERSION, **token}
