"""Connections as agents are given them: with the token, for the work that an agent may do, and no other."""

from activities.artifact_source import UnknownConnection
from activities.pinning import connection_name
from api.services import Services
from api.views import ConnectionWithToken
from domain.artifact import Manifest
from domain.connection import ConnectionKind
from storage import connections


async def connection_of(services: Services, manifest: Manifest) -> ConnectionWithToken | None:
    """What the artifact's source needs, if it needs one. Raises UnknownConnection."""
    name = connection_name(manifest.source)
    return None if name is None else await named_connection(services, name)


async def named_connection(services: Services, name: str, kind: ConnectionKind | None = None) -> ConnectionWithToken:
    """Raises UnknownConnection, also for one of another kind."""
    found = await connections.SqlConnections(services.database, services.sealing).connection(name)
    if found is None:
        raise UnknownConnection(f"there is no connection {name}; an admin can add it")
    if kind is not None and found.kind != kind:
        raise UnknownConnection(f"the connection {name} is one to {found.kind}, not to {kind}")
    return ConnectionWithToken(**found.model_dump(exclude={"token"}), token=found.token.get_secret_value())
