"""Stand-ins on real sockets, and the sources that talk to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from fakes.served import Place, place
from pydantic import SecretStr

from activities.artifact_source import ArtifactSource
from domain.connection import Connection, ConnectionKind
from domain.pipeline import AzurePipelinesSource, JenkinsSource
from integrations.allowance import Limits
from integrations.artifact_sources import open_source
from integrations.guarded_addresses import AllowedHosts
from local import azure, jenkins, sendgrid
from local.azure_state import ArtifactKind, AzureState, BuildRun, PublishedArtifact
from local.jenkins_state import Build, JenkinsState, JobKind
from local.sendgrid import SendGridState

TOKEN = "t0ken-that-must-not-leak"


Places = list[tuple[Place, str]]


@pytest.fixture(scope="session")
def places() -> Iterator[Places]:
    """Two servers, of which each test decides what they are."""
    with place() as one, place() as other:
        yield [one, other]


@dataclass
class JenkinsWorld:
    """A Jenkins, and how to open a source on it."""

    state: JenkinsState
    url: str

    def open(
        self,
        job: str = "team/webshop/main",
        *,
        user: str = "slipway",
        token: str = TOKEN,
        connection: str = "ci",
        limits: Limits | None = None,
        **source,
    ) -> ArtifactSource:
        server = Connection(
            name=connection, kind=ConnectionKind.JENKINS, url=self.url, user=user, token=SecretStr(token)
        )
        return open_source(JenkinsSource(server=connection, job=job, **source), server, limits or Limits())


@pytest.fixture
def jenkins_world(places: Places) -> JenkinsWorld:
    state = JenkinsState(users={"slipway": TOKEN})
    state.job("team/webshop", JobKind.MULTIBRANCH)
    main = state.job("team/webshop/main", JobKind.PIPELINE)
    main.add(Build(141, {"dist/old.tar.gz": b"old"}))
    main.add(Build(142, dict(_FILES), branch="main", commit="9d2f" * 10))
    main.add(Build(143, result="FAILURE"))
    main.add(Build(144, result=None))
    feature = state.job("team/webshop/feature%2Fdark", JobKind.PIPELINE)
    feature.add(Build(7, {"dist/feature.tar.gz": b"feature"}))
    state.job("never built")
    here, url = places[0]
    here.app = jenkins.create_app(state)
    return JenkinsWorld(state, url)


_FILES = {
    "dist/webshop-142.tar.gz": b"shop" * 100_000,
    "dist/release notes ä+%2F.txt": b"notes" * 1000,
    "TrueCryptNone.zip": b"not null",
}


@dataclass
class AzureWorld:
    """An Azure DevOps with its other host, and how to open a source on it."""

    state: AzureState
    url: str
    content_url: str
    run: BuildRun

    def open(
        self,
        artifact: str = "drop",
        *,
        pipeline: str = "infra-ci",
        token: str = TOKEN,
        project: str = "shop",
        limits: Limits | None = None,
        paths: tuple[str, ...] = ("**",),
    ) -> ArtifactSource:
        connection = Connection(
            name="contoso",
            kind=ConnectionKind.AZURE_PIPELINES,
            url=f"{self.url}/contoso",
            token=SecretStr(token),
        )
        source = AzurePipelinesSource(
            connection="contoso", project=project, pipeline=pipeline, artifact=artifact, paths=paths
        )
        return open_source(source, connection, limits or Limits(), AllowedHosts.parsed("127.0.0.1"))


@pytest.fixture
def azure_world(places: Places) -> AzureWorld:
    state = AzureState(tokens={TOKEN})
    project = state.project("shop")
    project.pipelines[12] = ("\\", "infra-ci")
    project.pipelines[13] = ("\\team", "twice")
    project.pipelines[14] = ("\\other", "twice")
    project.add(BuildRun(2101, "20261119.1", 12, branch="refs/heads/feature", tags=("ready", "signed")))
    run = project.add(BuildRun(2102, "20261120.1", 12))
    files = {"infra/deploy.sh": b"#!/bin/sh\n", "infra/smoke test ä.sh": b"echo" * 50_000}
    run.publish(PublishedArtifact("drop", files, ArtifactKind.PIPELINE_ARTIFACT, has_manifest=False))
    run.publish(PublishedArtifact("drop-listed", files, ArtifactKind.PIPELINE_ARTIFACT))
    run.publish(PublishedArtifact("drop-container", files, has_download_url=False, has_size=False))
    run.publish(PublishedArtifact("label", kind=ArtifactKind.GIT_REF))
    project.builds[2101].publish(PublishedArtifact("drop", {"a": b"a"}))
    (here, url), (elsewhere, content_url) = places
    here.app, elsewhere.app = azure.create_app(state), azure.create_content_app(state)
    state.content_url = content_url
    return AzureWorld(state, url, content_url, run)


@dataclass
class SendGridWorld:
    """A SendGrid, and its address."""

    state: SendGridState
    url: str


@pytest.fixture
def sendgrid_world(places: Places) -> SendGridWorld:
    here, url = places[0]
    state = SendGridState(keys={TOKEN})
    here.app = sendgrid.create_app(state)
    return SendGridWorld(state, url)


@pytest.fixture
def read() -> Callable[..., dict[str, bytes]]:
    """Resolve a version and read all of its files."""

    def read_all(source: ArtifactSource, version: str = "latest") -> dict[str, bytes]:
        found = source.resolve(version)
        return {file.path: b"".join(source.stream(found.version, file.locator)) for file in found.files}

    return read_all
