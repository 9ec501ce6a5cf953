"""What a release changes in a stage, and its release notes, over HTTP."""

from dataclasses import dataclass
from datetime import timedelta

import httpx2
import pytest
from fakes.api_world import NOW, World
from fakes.told_source import ToldSource
from pydantic import SecretStr

from activities.artifact_source import SourceUnreachable
from activities.records import DeploymentFact, StageFact
from domain.artifact import Change, PinnedArtifact
from domain.changes import Found, with_found
from domain.connection import Connection, ConnectionKind
from domain.ids import DeploymentId, ReleaseId
from domain.pipeline import Pipeline
from domain.release import ReleasePlan
from domain.role import Role
from domain.status import StageStatus
from storage import connections, releases
from storage.changes import SqlChanges

STEPS = [{"job": "deploy", "steps": [{"run": "true"}]}]
PIPELINE = Pipeline.model_validate(
    {
        "pipeline": "webshop",
        "artifacts": {"web": {"jenkins": {"server": "ci", "job": "web"}}},
        "stages": [{"stage": "test", "jobs": STEPS}, {"stage": "prod", "after": ["test"], "jobs": STEPS}],
    }
)
CHANGES = "/releases/webshop/41/stages/prod/changes"
NOTES = "/releases/webshop/41/notes"


@dataclass
class Shop:
    """Release 40 with build 140 is in prod; release 41 with build 142 is not, yet."""

    world: World
    source: ToldSource
    viewer: httpx2.AsyncClient

    async def make(self, number: int, version: str, name: str = "", description: str = "") -> None:
        pin = PinnedArtifact(
            alias="web", kind="Jenkins", version=version, digest=version, manifest_id="m", file_count=1, size=1
        )
        plan = ReleasePlan(
            id=ReleaseId(pipeline="webshop", number=number),
            name=name or f"webshop-{number}",
            revision=1,
            pipeline=PIPELINE,
            requested_by="rita@example.com",
            requested_at=NOW,
            description=description,
            artifacts=(pin,),
        )
        async with self.world.services.database.transaction() as session:
            await releases.add(session, plan, NOW)

    async def deploy(self, name: str, status: StageStatus) -> None:
        self.world.clock.move(timedelta(minutes=1))
        now = self.world.clock()
        deployment = DeploymentId.parse(name)
        await self.world.record(
            deployment.workflow_id,
            StageFact(
                release=str(deployment.release), stage=deployment.stage, status=status, attempt=deployment.attempt
            ),
            DeploymentFact(
                deployment=name,
                status=status,
                requested_by="rita@example.com",
                started_at=now,
                finished_at=now if status.is_final else None,
            ),
        )

    async def begin(self, name: str, *commits: Change) -> None:
        """As the workflow does: the changes are found when it begins."""
        await self.deploy(name, StageStatus.WAITING)
        store = SqlChanges(self.world.services.database)
        compared = await store.compared(DeploymentId.parse(name))
        assert compared is not None
        artifacts = tuple(with_found(one, Found(commits=commits)) for one in compared.changes.artifacts)
        await store.keep(DeploymentId.parse(name), compared.changes.model_copy(update={"artifacts": artifacts}))


@pytest.fixture
async def shop(world: World):
    source = ToldSource()
    world = world.with_services(open_source=source.open)
    ci = Connection(name="ci", kind=ConnectionKind.JENKINS, url="http://ci", user="u", token=SecretStr("t"))
    async with world.services.database.transaction() as session:
        await connections.put(session, world.services.sealing, ci, NOW)
    async with world.calling(Role.VIEWER) as viewer:
        made = Shop(world, source, viewer)
        await made.make(40, "140")
        await made.deploy("webshop/40/prod/1", StageStatus.SUCCEEDED)
        await made.make(41, "142", description="Checkout v2.")
        yield made


async def test_a_stage_that_was_never_deployed_is_previewed_with_its_commits(shop: Shop):
    """Beside what is there now; the source is asked."""
    told = (await shop.viewer.get(CHANGES)).json()
    assert (None, True, False, "webshop/40") == (
        told["deployment"],
        told["is_preview"],
        told["is_first"],
        told["base"]["release"],
    )
    assert "Since webshop-40: web 140 → 142; 2 commits." == told["summary"]
    (web,) = told["artifacts"]
    assert ("newer", "140", "142", ["3f2a91bc00", "9d01c2aa11"]) == (
        web["way"],
        web["before"]["version"],
        web["after"]["version"],
        [commit["commit"] for commit in web["commits"]],
    )
    assert [("140", "142")] == shop.source.asked


async def test_what_a_deployment_began_with_stays(shop: Shop):
    """Also when something else is there by now; a preview tells what would change now."""
    await shop.begin("webshop/41/prod/1", Change(version="142", commit="c0ffee", message="Then"))
    await shop.deploy("webshop/41/prod/1", StageStatus.FAILED)
    await shop.make(42, "143")
    await shop.deploy("webshop/42/prod/1", StageStatus.SUCCEEDED)
    told = (await shop.viewer.get(CHANGES)).json()
    assert ("webshop/41/prod/1", False, "webshop-40", "Then") == (
        told["deployment"],
        told["is_preview"],
        told["base"]["name"],
        told["artifacts"][0]["commits"][0]["message"],
    )
    now = (await shop.viewer.get(CHANGES, params={"preview": "true"})).json()
    assert (True, True, "webshop-42", True) == (
        now["is_preview"],
        now["is_rollback"],
        now["base"]["name"],
        now["artifacts"][0]["is_taken_away"],
    )
    assert [("142", "143")] == shop.source.asked


async def test_a_source_that_does_not_answer_is_told_in_its_place(shop: Shop):
    """The answer is good all the same."""
    shop.source.trouble = SourceUnreachable("reset")
    answer = await shop.viewer.get(CHANGES)
    (web,) = answer.json()["artifacts"]
    assert (200, [], "Jenkins ci did not answer, commits unknown") == (
        answer.status_code,
        web["commits"],
        web["unknown"],
    )


async def test_the_first_deployment_to_a_stage_says_so(shop: Shop):
    """Nothing of the other stages counts."""
    told = (await shop.viewer.get("/releases/webshop/41/stages/test/changes")).json()
    assert (True, None, "new") == (told["is_first"], told["base"], told["artifacts"][0]["way"])


async def test_what_is_there_already_is_told(shop: Shop):
    """Deploying it again changes nothing; it is compared with the release before all the same."""
    await shop.deploy("webshop/41/prod/1", StageStatus.SUCCEEDED)
    told = [(await shop.viewer.get(CHANGES, params={"preview": preview})).json() for preview in ("true", "false")]
    assert [(True, "webshop-40"), (False, "webshop-40")] == [(one["is_there"], one["base"]["name"]) for one in told]
    older = (await shop.viewer.get("/releases/webshop/40/stages/prod/changes?preview=true")).json()
    assert (False, "webshop-41") == (older["is_there"], older["base"]["name"])


async def test_what_does_not_exist_is_not_found(shop: Shop):
    """By name, with what was probably meant."""
    answers = [
        await shop.viewer.get(path)
        for path in ("/releases/webshop/99/notes", "/releases/webshop/41/stages/prd/changes", f"{NOTES}?stage=prd")
    ]
    assert [(404, "NoSuchRelease"), (404, "NoSuchStage"), (404, "NoSuchStage")] == [
        (answer.status_code, answer.json()["error"]) for answer in answers
    ]
    assert "did you mean prod?" in answers[1].json()["detail"]


async def test_release_notes_are_those_of_the_last_stage_unless_one_is_named(shop: Shop):
    """As JSON."""
    told = (await shop.viewer.get(NOTES)).json()
    assert ("webshop-41", "prod", "Checkout v2.", 2) == (
        told["name"],
        told["stage"],
        told["description"],
        len(told["changes"]["artifacts"][0]["commits"]),
    )
    assert "test" == (await shop.viewer.get(NOTES, params={"stage": "test"})).json()["stage"]


async def test_release_notes_as_text_hold_no_line_but_their_own(shop: Shop):
    """Neither a message nor a name makes one, or turns what is read."""
    await shop.make(43, "144", name="web\nshop\u202e\x1b[2J", description="a\x1b]0;b")
    shop.source.commits = (
        Change(
            version="144", commit="c0ffee12345", message="\n\rFix <b>it</b>\u2066\x1b[31m\n\nAt last", author="A\rna"
        ),
    )
    answer = await shop.viewer.get("/releases/webshop/43/notes", params={"format": "text"})
    assert (200, "text/plain; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    lines = answer.text.splitlines()
    assert "web shop [2J" == lines[0]
    assert "  - c0ffee12 Fix <b>it</b> [31m (A na, build 144)" in lines
    assert "web: 140 → 144" in lines
    assert not {"\x1b", "\u202e", "\u2066", "\r"} & set(answer.text)


async def test_release_notes_say_what_a_rollback_takes_away(shop: Shop):
    """And what is not known."""
    await shop.make(44, "138")
    text = (await shop.viewer.get("/releases/webshop/44/notes?format=text")).text
    assert "Rollback from webshop-40: web 140 → 138 (rolled back); 2 commits taken away." in text
    assert "  These commits are taken away:\n  - 3f2a91bc Fix the cart (Ana Lima, build 142)\n" in text
    shop.source.trouble = SourceUnreachable("reset")
    text = (await shop.viewer.get("/releases/webshop/44/notes?format=text")).text
    assert "  Jenkins ci did not answer, commits unknown\n" in text
