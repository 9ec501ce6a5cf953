"""Looking for what is to start releases: new versions of polled artifacts, and the times of schedules.

What is found is written down; the API makes the releases. Sources that fail are told, and asked again next time.
"""

from datetime import datetime
from typing import Protocol

from temporalio import activity

from activities.artifact_source import ArtifactNotFound
from activities.heartbeat import heartbeating
from activities.source_desk import SourceDesk
from domain.frozen import Frozen
from domain.pipeline import Artifact, DirectorySource, LatestOf, Pipeline, UrlSource
from domain.refusal import Refusal
from domain.release import ReleaseRequest
from domain.trigger import (
    TriggerEvent,
    TriggerKind,
    TriggerOutcome,
    hit_of_poll,
    is_fixed,
    newer,
    place_of,
    schedule_key,
    wanted_of,
)

_LOOKED_AT = 50
_REMEMBERED = 200


class TriggeredPipeline(Frozen):
    """A pipeline as its newest revision has it."""

    pipeline: Pipeline
    is_paused: bool


class PollPosition(Frozen):
    """How far the versions of an artifact were seen, and what its source said when it was asked last."""

    source: str
    seen: tuple[str, ...] = ()
    error: str = ""
    failing_since: datetime | None = None


class TriggerStore(Protocol):
    """Where all of this is kept."""

    async def pipeline(self, name: str) -> TriggeredPipeline | None: ...

    async def note(self, event: TriggerEvent) -> TriggerOutcome:
        """Once for each pipeline and key; what became of it so far."""
        ...

    async def position(self, pipeline: str, alias: str) -> PollPosition | None: ...

    async def stand(self, pipeline: str, alias: str, position: PollPosition) -> None: ...

    async def last_versions(self, pipeline: str) -> tuple[str, dict[str, str]] | None:
        """The name of the latest release, and the versions of its artifacts; None when there is none."""
        ...


class Poll(Frozen):
    """One look at the source of one artifact."""

    pipeline: str
    alias: str


class Firing(Frozen):
    """One time of one schedule, counted from 0; ``cron`` is what it was when Temporal was told of it."""

    pipeline: str
    number: int
    cron: str
    at: datetime


class Triggers:
    """Runs on the release worker. Safe to run twice: all that is written has a key."""

    def __init__(self, desk: SourceDesk, store: TriggerStore) -> None:
        self._desk = desk
        self._store = store

    @activity.defn
    async def look_for_versions(self, poll: Poll) -> str:
        """Write down what is new since the last look; the first look only notes what there is. Says what it did."""
        found = await self._store.pipeline(poll.pipeline)
        artifact = found.pipeline.artifacts.get(poll.alias) if found else None
        if found is None or artifact is None or artifact.trigger is None or artifact.trigger.poll is None:
            return "not polled any more"
        if found.is_paused:
            return "paused"
        async with heartbeating():
            return await self._look(found.pipeline, poll.alias, artifact)

    @activity.defn
    async def note_firing(self, firing: Firing) -> str:
        """Write down that a schedule's time has come, and whether anything changed. Says what came of it."""
        found = await self._store.pipeline(firing.pipeline)
        schedules = found.pipeline.schedules if found else ()
        if found is None or len(schedules) <= firing.number or schedules[firing.number].cron != firing.cron:
            return "not scheduled any more"
        if found.is_paused:
            return "paused"
        async with heartbeating():
            event = TriggerEvent(
                pipeline=firing.pipeline,
                key=schedule_key(firing.number, firing.at),
                kind=TriggerKind.SCHEDULE,
                via=firing.cron,
            )
            if schedules[firing.number].only_if_changed:
                event = await self._compared(found.pipeline, event)
            return await self._store.note(event)

    async def _look(self, pipeline: Pipeline, alias: str, artifact: Artifact) -> str:
        place = place_of(artifact)
        before = await self._store.position(pipeline.pipeline, alias)
        before = before if before is not None and before.source == place else None
        try:
            offers = await self._desk.ask(
                artifact.source, lambda opened: opened.recent(wanted_of(artifact), _LOOKED_AT)
            )
        except Refusal as error:
            return await self._failed(pipeline.pipeline, alias, before or PollPosition(source=place), error)
        # What a source could not tell before it was first reached is not new.
        is_first = before is None or (before.failing_since is not None and not before.seen)
        new = () if before is None or is_first else newer(offers, before.seen)
        for offer in new:
            hit = hit_of_poll(pipeline, alias, offer)
            if not hit.why_not:
                await self._store.note(hit.event(pipeline.pipeline, TriggerKind.POLL, alias))
        versions = dict.fromkeys((*(offer.version for offer in offers), *(before.seen if before else ())))
        position = PollPosition(source=place, seen=tuple(versions)[:_REMEMBERED])
        await self._store.stand(pipeline.pipeline, alias, position)
        return "first look" if is_first else f"{len(new)} new"

    async def _failed(self, pipeline: str, alias: str, before: PollPosition, refusal: Refusal) -> str:
        text = str(refusal)
        since = before.failing_since or activity.info().current_attempt_scheduled_time
        position = before.model_copy(update={"error": text, "failing_since": since})
        await self._store.stand(pipeline, alias, position)
        if before.failing_since is None:
            activity.logger.warning("source cannot be polled: %s, %s of %s", text, alias, pipeline)
        return f"failed: {text}"

    async def _compared(self, pipeline: Pipeline, event: TriggerEvent) -> TriggerEvent:
        """With the versions that a release would have now, unless the latest has them already."""
        try:
            now = {alias: await self._version(artifact) for alias, artifact in pipeline.artifacts.items()}
        except Refusal as error:
            text = f"cannot tell whether anything changed: {error}"
            return event.model_copy(update={"outcome": TriggerOutcome.FAILED, "reason": text})
        last = await self._store.last_versions(event.pipeline)
        if last is not None and last[1] == now:
            text = f"nothing has changed since {last[0]}"
            return event.model_copy(update={"outcome": TriggerOutcome.IGNORED, "reason": text})
        return event.model_copy(update={"request": ReleaseRequest(versions=now)})

    async def _version(self, artifact: Artifact) -> str:
        """The one that a release would take now. Its files, which some sources are slow to list, are of no interest."""
        rule = artifact.version
        if is_fixed(artifact) and isinstance(rule, str):
            return rule
        wanted = rule if isinstance(rule, LatestOf) else LatestOf()
        if isinstance(artifact.source, UrlSource | DirectorySource):
            return (await self._desk.ask(artifact.source, lambda opened: opened.resolve(wanted))).version
        offers = await self._desk.ask(artifact.source, lambda opened: opened.recent(wanted, 1))
        if not offers:
            raise ArtifactNotFound("there is no good version yet")
        return offers[0].version
