"""The recent versions of an artifact over HTTP, and how a source that has none to tell is told about."""

import threading
from dataclasses import dataclass

import httpx2
import pytest
from fakes.api_world import NOW, World
from fakes.told_source import ToldSource
from pydantic import SecretStr

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable
from activities.source_desk import SourceDesk
from api.versions import recent_versions
from domain.connection import Connection, ConnectionKind
from domain.pipeline import Artifact, LatestOf
from domain.role import Role
from storage import connections
from storage.connections import SqlConnections

STAGES = [{"stage": "test", "jobs": [{"job": "deploy", "steps": [{"run": "true"}]}]}]
PIPELINE = {
    "pipeline": "webshop",
    "artifacts": {
        "web": {"jenkins": {"server": "ci", "job": "web"}, "version": "ask"},
        "stable": {"jenkins": {"server": "ci", "job": "web"}, "version": {"branch": "main", "stable": True}},
        "lost": {"jenkins": {"server": "gone", "job": "web"}},
    },
    "stages": STAGES,
}
VERSIONS = "/pipelines/webshop/artifacts/web/versions"


@dataclass
class Shop:
    """The world, its source, and one who makes releases."""

    world: World
    source: ToldSource
    releaser: httpx2.AsyncClient


@pytest.fixture
async def shop(world: World):
    """A pipeline whose source answers as it is told."""
    source = ToldSource()
    world = world.with_services(open_source=source.open)
    ci = Connection(name="ci", kind=ConnectionKind.JENKINS, url="http://ci", user="u", token=SecretStr("t"))
    async with world.services.database.transaction() as session:
        await connections.put(session, world.services.sealing, ci, NOW)
    await world.save(PIPELINE)
    async with world.calling(Role.RELEASER) as releaser:
        yield Shop(world, source, releaser)


async def test_recent_versions_are_told_with_branch_time_and_author(shop: Shop):
    """Newest first, no more than wanted."""
    answer = await shop.releaser.get(VERSIONS, params={"limit": 2})
    assert [("142", "#142", "main", "Ana Lima"), ("141", "#141", "main", "Ana Lima")] == [
        (one["version"], one["label"], one["branch"], one["author"]) for one in answer.json()
    ]
    assert {"built_at", "commit", "url", "tags"} <= set(answer.json()[0])
    assert [(LatestOf(), 2)] == shop.source.asked


async def test_the_pipelines_own_choice_narrows_them_unless_a_branch_is_named(shop: Shop):
    """Who names one wants that one."""
    path = "/pipelines/webshop/artifacts/stable/versions"
    await shop.releaser.get(path)
    await shop.releaser.get(path, params={"branch": "hotfix/1"})
    assert [(LatestOf(branch="main", stable=True), 20), (LatestOf(branch="hotfix/1"), 20)] == shop.source.asked


@pytest.mark.parametrize(
    ("trouble", "status", "error", "words"),
    [
        (SourceUnreachable("reset"), 503, "SourceSilent", "Jenkins ci did not answer"),
        (ArtifactNotFound("there is no job web"), 404, "ArtifactNotFound", "there is no job web"),
        (SourceDenied("ci says 401"), 503, "SourceUnusable", "ci says 401; an admin can correct the connection"),
        (KeyError("builds"), 503, "SourceUnusable", "could not be understood; name the version yourself"),
    ],
    ids=["silent", "not found", "denied", "nonsense"],
)
async def test_a_source_in_trouble_is_told_in_words(shop: Shop, trouble, status, error, words):
    """Nobody takes its refusal for one of ours."""
    shop.source.trouble = trouble
    answer = await shop.releaser.get(VERSIONS)
    assert (status, error, True) == (answer.status_code, answer.json()["error"], words in answer.json()["detail"])


async def test_a_source_that_hangs_is_answered_for_in_time(shop: Shop):
    """Its thread is left behind; the next question has one of its own."""
    shop.source.hangs = threading.Event()
    services = shop.world.services
    services.__dict__["desk"] = SourceDesk(
        services.open_source, SqlConnections(services.database, services.sealing), seconds=0.1
    )
    answer = await shop.releaser.get(VERSIONS)
    shop.source.hangs.set()
    assert (503, "SourceSilent", 1) == (answer.status_code, answer.json()["error"], len(shop.source.asked))
    artifact = Artifact.model_validate(PIPELINE["artifacts"]["web"])
    assert 3 == len(await recent_versions(services, artifact, 5, seconds=10))


async def test_what_does_not_exist_is_not_found(shop: Shop):
    """The pipeline, the artifact, the connection."""
    answers = [
        await shop.releaser.get(f"/pipelines/{path}/versions")
        for path in ("nothing/artifacts/web", "webshop/artifacts/wep", "webshop/artifacts/lost")
    ]
    assert [(404, "NoSuchPipeline"), (404, "NoSuchArtifact"), (404, "UnknownConnection")] == [
        (answer.status_code, answer.json()["error"]) for answer in answers
    ]
    assert "did you mean web?" in answers[1].json()["detail"]


async def test_a_version_that_must_be_named_says_where_to_find_one(shop: Shop):
    """By the artifact's name."""
    answer = await shop.releaser.post("/releases", json={"pipeline": "webshop"})
    assert (422, "VersionMissing") == (answer.status_code, answer.json()["error"])
    assert "artifact web" in answer.json()["detail"]
    assert "`slipway pipeline versions webshop web`" in answer.json()["detail"]


async def test_who_may_only_look_does_not_ask_the_source(shop: Shop):
    """It takes the role of those who make releases."""
    async with shop.world.calling(Role.VIEWER) as viewer:
        assert 403 == (await viewer.get(VERSIONS)).status_code
    assert [] == shop.source.asked
