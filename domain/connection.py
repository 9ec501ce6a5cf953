"""Named connections to other systems: where they are and how to sign in. No credential enters a plan or history."""

from enum import StrEnum

from pydantic import SecretStr

from domain.frozen import Frozen
from domain.ids import Slug


class ConnectionKind(StrEnum):
    """What stands at the other end."""

    JENKINS = "jenkins"
    AZURE_PIPELINES = "azure-pipelines"
    GITHUB = "github"
    S3 = "s3"
    AZURE_BLOB = "azure-blob"
    GCS = "gcs"


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
