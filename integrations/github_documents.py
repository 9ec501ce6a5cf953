"""What is read of GitHub's answers."""

import re
from datetime import datetime

from pydantic import Field, RootModel

from domain.frozen import Frozen

_UPLOADED = "uploaded"
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class UserDocument(Frozen):
    """Somebody with an account."""

    login: str


class AssetDocument(Frozen):
    """A file of a release. Files from before 2025 have no digest."""

    id: int
    name: str
    size: int
    state: str
    digest: str | None = None

    @property
    def is_whole(self) -> bool:
        return self.state == _UPLOADED

    @property
    def sha256(self) -> str | None:
        found = _SHA256.fullmatch(self.digest or "")
        return found[1] if found else None


class ReleaseDocument(Frozen):
    """A release; until it is published it has no date of that."""

    tag: str = Field(alias="tag_name")
    target: str | None = Field(alias="target_commitish", default=None)
    name: str | None = None
    draft: bool
    prerelease: bool
    published_at: datetime | None = None
    page: str | None = Field(alias="html_url", default=None)
    user: UserDocument | None = Field(alias="author", default=None)
    assets: tuple[AssetDocument, ...] = ()

    @property
    def is_good(self) -> bool:
        return not self.draft and not self.prerelease and self.published_at is not None

    @property
    def branch(self) -> str | None:
        return None if self.commit else self.target

    @property
    def commit(self) -> str | None:
        """Only where the release was made of a commit, not of a branch."""
        return self.target if _COMMIT.fullmatch(self.target or "") else None

    @property
    def author(self) -> str | None:
        return self.user.login if self.user else None


class ReleasesDocument(RootModel[tuple[ReleaseDocument, ...]]):
    """A page of releases."""


class SignatureDocument(Frozen):
    """Who wrote a commit, and when."""

    name: str | None = None
    date: datetime | None = None


class CommitTextDocument(Frozen):
    """What a commit says."""

    message: str = ""
    author: SignatureDocument | None = None


class CommitDocument(Frozen):
    """A commit."""

    sha: str
    commit: CommitTextDocument
    page: str | None = Field(alias="html_url", default=None)


class ComparisonDocument(Frozen):
    """A page of the commits that one has more than the other, oldest first."""

    commits: tuple[CommitDocument, ...]
