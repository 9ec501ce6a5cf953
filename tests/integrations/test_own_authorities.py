"""Servers whose certificates an authority of the house has signed: believed with its file, and only then."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.served import served
from fakes.signed_certificates import Signed, signed
from pydantic import SecretStr
from starlette.types import ASGIApp

from activities.artifact_source import SourceUnreachable
from domain.connection import Connection, ConnectionKind
from domain.pipeline import AzurePipelinesSource, GithubSource, Source, StorageSource
from integrations.artifact_sources import open_source
from local import azure, github, s3
from local.azure_state import AzureState, BuildRun, PublishedArtifact
from local.github_state import Asset, GithubRelease, GithubState
from local.s3 import S3State, StoredObject


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return signed(tmp_path_factory.mktemp("house"))


def github_app() -> ASGIApp:
    state = GithubState(tokens={"t"})
    state.repository("octo/shop").releases.append(GithubRelease("v1", assets=[Asset("a", b"a", 1)]))
    return github.create_app(state)


def azure_app() -> ASGIApp:
    state = AzureState(tokens={"t"})
    project = state.project("shop")
    project.pipelines[1] = ("\\", "ci")
    project.add(BuildRun(7, "v1", 1)).publish(PublishedArtifact("drop", {"a": b"a"}))
    return azure.create_app(state)


def store_app() -> ASGIApp:
    return s3.create_app(S3State(keys={"u": "t"}, buckets={"builds": {"shop/v1/a": StoredObject(b"a")}}))


CASES = [
    (ConnectionKind.GITHUB, "", "", github_app, GithubSource(connection="c", repository="octo/shop")),
    (
        ConnectionKind.AZURE_PIPELINES,
        "/contoso",
        "",
        azure_app,
        AzurePipelinesSource(connection="c", project="shop", pipeline="ci", artifact="drop"),
    ),
    (ConnectionKind.S3, "", "u", store_app, StorageSource(connection="c", url="s3://builds/shop")),
]


@pytest.fixture(params=CASES, ids=[str(case[0]) for case in CASES])
def place(request: pytest.FixtureRequest, house: Signed) -> Iterator[tuple[Source, Connection]]:
    kind, path, user, app, source = request.param
    with served(app(), certificate=house.certificate, key=house.key) as url:
        yield source, Connection(name="c", kind=kind, url=url + path, user=user, token=SecretStr("t"))


def test_the_file_of_the_authority_makes_its_servers_believed(place, house):
    """On every kind of connection, also through the guard that a library cannot get around."""
    source, connection = place
    found = open_source(source, connection.model_copy(update={"ca": str(house.ca)})).resolve("latest")
    assert ["a"] == [file.path for file in found.files]


def test_without_it_they_are_not(place, tmp_path: Path):
    """Nor with that of another authority."""
    source, connection = place
    other = connection.model_copy(update={"ca": str(signed(tmp_path, "other").ca)})
    for one in (connection, other):
        with pytest.raises(SourceUnreachable):
            open_source(source, one).resolve("latest")


def test_what_can_be_done_about_it_is_said(house):
    """Instead of the name of an error."""
    with served(github_app(), certificate=house.certificate, key=house.key) as url:
        connection = Connection(name="c", kind=ConnectionKind.GITHUB, url=url, token=SecretStr("t"))
        with pytest.raises(SourceUnreachable, match=r"certificate of its server is not trusted here .* set `ca`"):
            open_source(GithubSource(connection="c", repository="octo/shop"), connection).resolve("latest")
