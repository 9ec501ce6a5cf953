"""Named connections to other systems: where they are and how to sign in. No credential enters a plan or history."""

from enum import StrEnum

from pydantic import SecretStr

from domain.frozen import Frozen
from domain.ids import Slug


class ConnectionKind(StrEnum):
    """What stands at the other end."""

    JENKINS = "jenkins"
    AZURE_PIPELINES = "azure-pipelines"


class Connection(Frozen):
    """``url`` is the base address (for Azure: organisation or collection); ``ca`` a path of a CA bundle."""

    name: Slug
    kind: ConnectionKind
    url: str
    user: str = ""
    token: SecretStr = SecretStr("")
    ca: str | None = None
