"""Which source an artifact comes from: the one door through which workers and agents open them."""

from activities.artifact_source import ArtifactSource, UnknownConnection
from domain.connection import Connection, ConnectionKind
from domain.pipeline import (
    AzurePipelinesSource,
    DirectorySource,
    GithubSource,
    JenkinsSource,
    Source,
    StorageSource,
    UrlSource,
)
from domain.refusal import Kind, Refusal
from integrations.allowance import Limits
from integrations.azure_pipelines import AzureArtifacts
from integrations.directory_source import DirectoryArtifact
from integrations.github_source import GithubArtifacts
from integrations.guarded_addresses import AllowedHosts
from integrations.jenkins import JenkinsArtifacts
from integrations.url_source import UrlArtifact

_DEFAULT_LIMITS = Limits()
_NONE_ALLOWED = AllowedHosts()


class ExtraNotInstalled(Refusal):
    """A part of Slipway that is installed on demand is missing here."""

    kind = Kind.UNAVAILABLE


def open_source(
    source: Source,
    connection: Connection | None,
    limits: Limits = _DEFAULT_LIMITS,
    allowed: AllowedHosts = _NONE_ALLOWED,
) -> ArtifactSource:
    """The source, ready to use. It frees what it holds when it is no longer used.

    Of hosts of an inside network it reaches the connection's own, which an admin has named, and those that are
    allowed. Raises UnknownConnection when the connection that the source needs is missing, or of another kind.
    """
    if isinstance(source, UrlSource):
        return UrlArtifact(source, limits, allowed)
    if isinstance(source, DirectorySource):
        return DirectoryArtifact(source, limits)
    if isinstance(source, JenkinsSource):
        return JenkinsArtifacts(source, _of_kind(connection, ConnectionKind.JENKINS, source.server), limits)
    if isinstance(source, GithubSource):
        named = source.connection and _of_kind(connection, ConnectionKind.GITHUB, source.connection)
        return GithubArtifacts(source, named or None, limits, allowed)
    if isinstance(source, StorageSource):
        return _storage(source, connection, limits, allowed)
    assert isinstance(source, AzurePipelinesSource), "the kinds of source are all above"
    return AzureArtifacts(
        source, _of_kind(connection, ConnectionKind.AZURE_PIPELINES, source.connection), limits, allowed
    )


def _storage(
    source: StorageSource, connection: Connection | None, limits: Limits, allowed: AllowedHosts
) -> ArtifactSource:
    # An extra: who uses no object store need not install its library, nor wait for it to load.
    try:
        from integrations.storage_source import StorageArtifacts, kind_of  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ExtraNotInstalled(
            "object stores need the extra `storage` on workers and agents: pip install 'slipway[storage]'"
        ) from error
    return StorageArtifacts(source, _of_kind(connection, kind_of(source), source.connection), limits, allowed)


def _of_kind(connection: Connection | None, kind: ConnectionKind, name: str) -> Connection:
    if connection is None:
        raise UnknownConnection(f"there is no connection {name}; an admin can add it")
    if connection.kind != kind:
        raise UnknownConnection(f"the connection {name} is one to {connection.kind}, not to {kind}")
    return connection
