"""Looking for what is to start releases: what is new is noted once, and sources that fail are told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.artifact_source import ArtifactNotFound, ResolvedVersion, SourceUnreachable
from activities.source_desk import SourceDesk
from activities.triggers import Firing, Poll, PollPosition, TriggeredPipeline, Triggers
from domain.artifact import VersionOffer
from domain.connection import Connection, ConnectionKind
from domain.pipeline import LatestOf, Pipeline
from domain.trigger import TriggerEvent, TriggerOutcome

AT = datetime(2026, 3, 29, 4, tzinfo=UTC)
CRON = "0 6 * * *"
POLL = Poll(pipeline="webshop", alias="web")
FIRING = Firing(pipeline="webshop", number=0, cron=CRON, at=AT)


class Source:
    """A source with these versions, newest first; ``trouble`` instead of an answer."""

    def __init__(self) -> None:
        self.versions: list[VersionOffer] = []
        self.trouble: Exception | None = None
        self.asked: list[LatestOf] = []

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:
        if self.trouble is not None:
            raise self.trouble
        self.asked.append(wanted)
        return tuple(self.versions[:most])

    def resolve(self, version: object) -> ResolvedVersion:
        return ResolvedVersion(version=f"resolved {version}"[:20], files=())


class Store:
    """In memory."""

    def __init__(self, **pipeline: object) -> None:
        stage = {"stage": "test", "jobs": [{"job": "deploy", "steps": [{"run": "true"}]}]}
        self.definition: dict[str, Any] = {"pipeline": "webshop", "stages": [stage], **pipeline}
        self.is_paused = False
        self.events: dict[str, TriggerEvent] = {}
        self.position_of: PollPosition | None = None
        self.last: tuple[str, dict[str, str]] | None = None

    async def pipeline(self, name: str) -> TriggeredPipeline | None:
        if name != "webshop":
            return None
        return TriggeredPipeline(pipeline=Pipeline.model_validate(self.definition), is_paused=self.is_paused)

    async def note(self, event: TriggerEvent) -> TriggerOutcome:
        return self.events.setdefault(event.key, event).outcome

    async def position(self, pipeline: str, alias: str) -> PollPosition | None:
        assert POLL == Poll(pipeline=pipeline, alias=alias)
        return self.position_of

    async def stand(self, pipeline: str, alias: str, position: PollPosition) -> None:
        assert POLL == Poll(pipeline=pipeline, alias=alias)
        self.position_of = position

    async def last_versions(self, pipeline: str) -> tuple[str, dict[str, str]] | None:
        assert pipeline == "webshop"
        return self.last


class OneConnection:
    """There is ci and no other."""

    async def connection(self, name: str) -> Connection | None:
        return (
            Connection(name=name, kind=ConnectionKind.JENKINS, url="https://ci.example.com") if name == "ci" else None
        )


JENKINS = {"jenkins": {"server": "ci", "job": "team/webshop"}}
POLLED = JENKINS | {"trigger": {"branches": ["main", "release/*"], "poll": "5m"}}


@pytest.fixture
def store() -> Store:
    return Store(artifacts={"web": POLLED}, schedules=[{"cron": CRON, "only_if_changed": True}])


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def triggers(store: Store, source: Source) -> Triggers:
    return Triggers(SourceDesk(lambda *_: source, OneConnection(), seconds=5), store)  # type: ignore[arg-type,return-value]


def offers(*versions: str, branch: str = "main") -> list[VersionOffer]:
    return [VersionOffer(version=version, branch=branch, author="ana") for version in versions]


async def look(triggers: Triggers, poll: Poll = POLL) -> str:
    return str(await ActivityEnvironment().run(triggers.look_for_versions, poll))


async def fire(triggers: Triggers, firing: Firing = FIRING) -> str:
    return str(await ActivityEnvironment().run(triggers.note_firing, firing))


def noted(store: Store) -> list[str]:
    return [event.new.version for event in store.events.values()]


async def test_the_first_look_only_notes_what_there_is(triggers: Triggers, store: Store, source: Source) -> None:
    """What was built before anybody asked makes no releases; what comes then does, oldest first, once."""
    source.versions = offers("2", "1")
    assert "first look" == await look(triggers)
    source.versions = offers("4", "3", "2", "1")
    assert ["2 new", "0 new"] == [await look(triggers) for _ in range(2)]
    assert ["3", "4"] == noted(store)
    assert {("poll", ("ana",))} == {(event.kind, event.new.people) for event in store.events.values()}


async def test_the_first_build_of_all_is_new(triggers: Triggers, store: Store, source: Source) -> None:
    """Where there was none when it was looked first."""
    await look(triggers)
    source.versions = offers("1")
    await look(triggers)
    assert ["1"] == noted(store)


async def test_other_branches_are_passed_over(triggers: Triggers, store: Store, source: Source) -> None:
    """Without a word: nobody told of them."""
    await look(triggers)
    source.versions = [*offers("3", branch="feature/x"), *offers("2", branch="release/1"), *offers("1")]
    await look(triggers)
    assert ["1", "2"] == noted(store)


async def test_another_source_is_looked_at_anew(triggers: Triggers, store: Store, source: Source) -> None:
    """A new revision with another job releases nothing of what that job had."""
    await look(triggers)
    store.definition["artifacts"] = {"web": POLLED | {"jenkins": {"server": "ci", "job": "other"}}}
    source.versions = offers("77")
    assert "first look" == await look(triggers)
    assert [] == noted(store)


async def test_another_choice_releases_no_old_builds(triggers: Triggers, store: Store, source: Source) -> None:
    """A new revision that takes another branch, or unstable builds too, brings up builds that are as old as ever."""
    rules: tuple[dict[str, object], ...] = ({"stable": True}, {"stable": False}, {"branch": "old", "stable": False})
    seen = (offers("9", "7"), offers("9", "8", "7", "6"), offers("5", "4", branch="old"))
    for rule, versions in zip(rules, seen, strict=True):
        trigger = {"jenkins": JENKINS["jenkins"], "version": rule, "trigger": {"poll": "5m"}}
        store.definition["artifacts"] = {"web": trigger}
        source.versions = versions
        assert "first look" == await look(triggers)
    assert [] == noted(store)


async def test_a_source_that_fails_is_told_and_asked_again(triggers: Triggers, store: Store, source: Source) -> None:
    """It keeps its place meanwhile, so that nothing is lost; the first failure's time stays until it answers."""
    source.versions = offers("1")
    await look(triggers)
    source.trouble = SourceUnreachable("connection refused")
    told = [await look(triggers) for _ in range(2)]
    failing = store.position_of
    assert failing is not None
    assert ["failed: Jenkins ci did not answer"] * 2 == told
    assert ("Jenkins ci did not answer", True) == (failing.error, failing.failing_since is not None)
    source.trouble, source.versions = None, offers("2", "1")
    await look(triggers)
    assert ["2"] == noted(store)
    assert PollPosition(source=failing.source, seen=("2", "1")) == store.position_of


async def test_what_was_there_before_a_source_was_first_reached_is_not_new(
    triggers: Triggers, store: Store, source: Source
) -> None:
    """A connection that is set up late starts no flood."""
    source.trouble = ArtifactNotFound("there is no job team/webshop")
    await look(triggers)
    source.trouble, source.versions = None, offers("2", "1")
    assert "first look" == await look(triggers)
    assert [] == noted(store)


async def test_what_is_not_to_be_polled_is_left_alone(triggers: Triggers, store: Store, source: Source) -> None:
    """A paused pipeline, one that is gone, and a trigger that waits for webhooks now."""
    store.is_paused = True
    told = [await look(triggers), await look(triggers, Poll(pipeline="gone", alias="web"))]
    store.is_paused = False
    store.definition["artifacts"] = {"web": JENKINS | {"trigger": True}}
    told += [await look(triggers), await look(triggers, Poll(pipeline="webshop", alias="gone"))]
    assert ["paused", *["not polled any more"] * 3] == told
    assert [] == source.asked


async def test_a_schedule_is_noted_with_what_a_release_would_take(
    triggers: Triggers, store: Store, source: Source
) -> None:
    """So that exactly that is released which was compared; fixed versions are not asked for."""
    fixed = JENKINS | {"version": "7"}
    file = {"url": {"href": "https://example.com/x"}}
    store.definition["artifacts"] = {"web": JENKINS | {"version": {"branch": "main"}}, "fixed": fixed, "file": file}
    source.versions = offers("3", "2")
    assert ["waiting", "waiting"] == [await fire(triggers) for _ in range(2)]
    [event] = store.events.values()
    assert ("schedule", CRON) == (event.kind, event.via)
    assert {"web": "3", "fixed": "7"}.items() <= event.request.versions.items()
    assert [LatestOf(branch="main")] * 2 == source.asked


@pytest.mark.parametrize(("last", "outcome"), [("3", "ignored"), ("2", "waiting"), (None, "waiting")])
async def test_only_what_changed_is_released(
    triggers: Triggers, store: Store, source: Source, last: str | None, outcome: str
) -> None:
    """Compared with the release before; without one, everything is new."""
    store.last = ("webshop-41", {"web": last}) if last else None
    source.versions = offers("3", "2")
    assert outcome == await fire(triggers)
    [event] = store.events.values()
    assert ("nothing has changed since webshop-41" if outcome == "ignored" else "") == event.reason


async def test_a_schedule_that_is_for_every_day_asks_nobody(triggers: Triggers, store: Store, source: Source) -> None:
    """The release resolves its versions itself."""
    store.definition["schedules"] = [{"cron": CRON}]
    assert "waiting" == await fire(triggers)
    assert [] == source.asked


async def test_a_comparison_that_fails_is_told(triggers: Triggers, store: Store, source: Source) -> None:
    """Rather than left out silently."""
    source.trouble = SourceUnreachable("connection refused")
    assert "failed" == await fire(triggers)
    [event] = store.events.values()
    assert "cannot tell whether anything changed: Jenkins ci did not answer" == event.reason


async def test_a_time_of_a_schedule_that_is_no_more_is_passed_over(triggers: Triggers, store: Store) -> None:
    """It was paused, removed or changed a moment before."""
    told = [await fire(triggers, FIRING.model_copy(update=update)) for update in ({"number": 1}, {"cron": "1 1 * * *"})]
    store.is_paused = True
    told.append(await fire(triggers))
    assert ["not scheduled any more", "not scheduled any more", "paused"] == told
    assert {} == store.events
