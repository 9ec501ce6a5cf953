"""Named connections to other systems: where they are and how to sign in. No credential enters a plan or history."""

import json
import re
from collections.abc import Callable
from enum import StrEnum

from pydantic import SecretStr

from domain.frozen import Frozen
from domain.ids import Slug
from domain.refusal import Refusal


class ConnectionKind(StrEnum):
    """What stands at the other end."""

    JENKINS = "jenkins"
    AZURE_PIPELINES = "azure-pipelines"
    GITHUB = "github"
    S3 = "s3"
    AZURE_BLOB = "azure-blob"
    GCS = "gcs"


class UnfitConnection(Refusal):
    """The connection could not work."""


class Connection(Frozen):
    """``url`` is the base address; ``ca`` a path of a CA bundle.

    For Azure it is that of the organisation or collection, for GitHub of its REST interface, for an object store its
    endpoint, where ``user`` is the id of the key and ``token`` the key itself.
    """

    name: Slug
    kind: ConnectionKind
    url: str
    user: str = ""
    token: SecretStr = SecretStr("")
    ca: str | None = None

    def check(self) -> None:
        """Raises UnfitConnection for what cannot work, whatever stands there."""
        problem = _PROBLEMS.get(self.kind, _none)(self)
        if problem is not None:
            raise UnfitConnection(problem)


def _none(_: Connection) -> None:
    """Nothing that one could tell without asking there."""


def _of_jenkins(connection: Connection) -> str | None:
    if bool(connection.user) != bool(connection.token.get_secret_value()):
        return "Jenkins needs both a user and a token of that user, or neither"
    return None


def _of_github(connection: Connection) -> str | None:
    if _GITHUB_PAGES.match(connection.url):
        return "the address must be that of the REST interface: https://api.github.com"
    return None


def _of_s3(connection: Connection) -> str | None:
    if bool(connection.user) != bool(connection.token.get_secret_value()):
        return "S3 needs both the id of a key (user) and the key itself (token), or neither for a public bucket"
    return None


def _of_azure_blob(connection: Connection) -> str | None:
    return None if connection.user else "Azure Blob Storage needs the name of the account as the user"


def _of_gcs(connection: Connection) -> str | None:
    text = connection.token.get_secret_value()
    if connection.user:
        return "Google Cloud Storage needs no user: who it is stands in the key of the service account"
    if text and not _is_object(text):
        return "the token must be the key of a service account, which is a JSON document"
    return None


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


_GITHUB_PAGES = re.compile(r"https?://(www\.)?github\.com(/|$)", re.IGNORECASE)
_PROBLEMS: dict[ConnectionKind, Callable[[Connection], str | None]] = {
    ConnectionKind.JENKINS: _of_jenkins,
    ConnectionKind.GITHUB: _of_github,
    ConnectionKind.S3: _of_s3,
    ConnectionKind.AZURE_BLOB: _of_azure_blob,
    ConnectionKind.GCS: _of_gcs,
}
