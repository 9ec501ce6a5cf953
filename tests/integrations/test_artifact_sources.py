"""The one door through which sources are opened."""

import pytest

from activities.artifact_source import UnknownConnection
from domain.connection import Connection, ConnectionKind
from domain.pipeline import AzurePipelinesSource, JenkinsSource
from integrations.artifact_sources import open_source

JENKINS = JenkinsSource(server="ci", job="x")
AZURE = AzurePipelinesSource(connection="contoso", project="p", pipeline="x", artifact="drop")


@pytest.mark.parametrize(("source", "name"), [(JENKINS, "ci"), (AZURE, "contoso")])
def test_a_missing_connection_is_named(source, name):
    """An admin can add it."""
    with pytest.raises(UnknownConnection, match=f"there is no connection {name}"):
        open_source(source, None)


@pytest.mark.parametrize(
    ("source", "kind"), [(JENKINS, ConnectionKind.AZURE_PIPELINES), (AZURE, ConnectionKind.JENKINS)]
)
def test_a_connection_of_another_kind_is_refused(source, kind):
    """Its token would go to the wrong kind of server."""
    with pytest.raises(UnknownConnection, match="is one to"):
        open_source(source, Connection(name="ci", kind=kind, url="https://example.com"))
