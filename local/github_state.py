"""What the GitHub stand-in holds: repositories, their releases with assets, and commits."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.faults import Faults


@dataclass
class Asset:
    """A file of a release. Old ones have no digest; one that is still uploaded is not ``uploaded`` yet."""

    name: str
    content: bytes
    id: int
    state: str = "uploaded"
    has_digest: bool = True

    @property
    def digest(self) -> str | None:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}" if self.has_digest else None


@dataclass
class GithubRelease:
    """``target`` is the branch, or the commit, that the tag was made of."""

    tag: str
    name: str | None = None
    target: str = "main"
    draft: bool = False
    prerelease: bool = False
    published_at: datetime | None = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    author: str = "octo-ada"
    assets: list[Asset] = field(default_factory=list)


@dataclass
class GithubCommit:
    """``tags`` are those that stand at it."""

    sha: str
    message: str = ""
    author: str = "Ada Lovelace"
    at: datetime = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    tags: tuple[str, ...] = ()


@dataclass
class Repository:
    """Commits are on one line, oldest first; private ones are shown with a token only."""

    name: str
    is_private: bool = True
    releases: list[GithubRelease] = field(default_factory=list)
    commits: list[GithubCommit] = field(default_factory=list)

    @property
    def assets(self) -> dict[int, Asset]:
        return {asset.id: asset for release in self.releases for asset in release.assets}

    def head(self, reference: str) -> int | None:
        """Where a tag or commit stands."""
        for index, commit in enumerate(self.commits):
            if reference.removeprefix("tags/") in {commit.sha, *commit.tags}:
                return index
        return None


@dataclass
class GithubState:
    """``content_url`` is where the other host, which has the bytes of assets, is reached."""

    tokens: set[str] = field(default_factory=set)
    repositories: dict[str, Repository] = field(default_factory=dict)
    content_url: str = ""
    requests_left: int = 5000
    faults: Faults = field(default_factory=Faults)
    content_faults: Faults = field(default_factory=Faults)
    content_requests: list[dict[str, str]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def repository(self, name: str) -> Repository:
        """The repository, ``owner/name``; made when it is missing."""
        return self.repositories.setdefault(name, Repository(name))
