"""How releases start themselves, in the console."""

from typing import Any

from fakes.seed import DEV

from activities.triggers import PollPosition
from api.triggering import take
from domain.pipeline import Pipeline
from domain.release import ReleaseRequest
from domain.role import Role
from domain.trigger import NewVersion, TriggerEvent, TriggerKind
from storage import pipelines, triggers
from storage.triggers import SqlTriggers

PAGE = "/pipelines/shop/triggers"
SHOP = {
    "pipeline": "shop",
    "artifacts": {
        "app": {
            "jenkins": {"server": "ci", "job": "shop"},
            "trigger": {"branches": ["main", "release/*"], "exclude": ["release/old-*"], "poll": "5m"},
        },
        "infra": {"jenkins": {"server": "ci", "job": "infra"}, "trigger": True},
    },
    "schedules": [{"cron": "0 6 * * MON-FRI", "timezone": "Europe/Berlin", "only_if_changed": True}],
    "stages": [{"stage": "test", "jobs": [{"job": "deploy", "steps": [{"run": "true"}]}]}],
}
EVENT = TriggerEvent(
    pipeline="shop",
    key="1",
    kind=TriggerKind.JENKINS,
    via="ci-hook",
    alias="app",
    new=NewVersion(version="142", label="#142", branch="main", url="javascript:alert(1)", people=("ana",)),
    request=ReleaseRequest(versions={"app": "142"}),
)


async def kept(console: Any) -> None:
    """A pipeline that starts its releases itself."""
    async with console.services.database.transaction() as session:
        await pipelines.save_revision(session, Pipeline.model_validate(SHOP), "text", DEV, console.services.clock())


async def test_what_starts_releases_and_what_came_is_shown(console: Any) -> None:
    """Artifacts, schedules, a source that does not answer, a release that was made, and one that could not be."""
    await kept(console)
    wrong = EVENT.model_copy(update={"key": "2", "request": ReleaseRequest(variables={"x": "<b>1"})})
    await take(console.services, [EVENT, wrong])
    failing = PollPosition(source="s", error="Jenkins ci did not answer", failing_since=console.services.clock())
    await SqlTriggers(console.services.database, console.services.clock).stand("shop", "app", failing)
    page = (await (await console.sign_in(DEV, Role.VIEWER)).get(PAGE)).text
    for part in (
        "new versions of main, release/*, not of release/old-*, asked for every 5m",
        "new versions, of which a webhook tells",
        "0 6 * * MON-FRI",
        "Europe/Berlin, only if an artifact changed",
        "Jenkins ci did not answer",
        '<a href="/releases/shop/1">shop/1</a>',
        "variable x may not be set",
        "#142</a> of main · by ana",
    ):
        assert part in page
    assert "javascript:" not in page
    assert "Pause" not in page


async def test_triggers_are_paused_and_resumed_by_hand(console: Any) -> None:
    """With the reason, which everybody sees."""
    await kept(console)
    browser = await console.sign_in(DEV, Role.RELEASER)
    csrf = (await browser.get(PAGE)).text.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]
    answer = await browser.post("/pipelines/shop/pause", data={"csrf": csrf, "reason": "the fair"})
    assert (303, PAGE) == (answer.status_code, answer.headers["location"])
    assert "the fair" in (await browser.get(PAGE)).text
    await browser.post("/pipelines/shop/resume", data={"csrf": csrf})
    async with console.services.database.reading() as session:
        assert {} == await triggers.pauses(session)


async def test_a_pipeline_shows_the_way_to_its_triggers(console: Any) -> None:
    """Also one that has none."""
    browser = await console.sign_in(DEV, Role.VIEWER)
    assert 'href="/pipelines/webshop/triggers"' in (await browser.get("/pipelines/webshop")).text
    assert "People only." in (await browser.get("/pipelines/webshop/triggers")).text
