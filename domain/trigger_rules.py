"""What the triggers and schedules of a pipeline must fulfil, so that releases can come of them at all."""

from collections.abc import Iterator
from datetime import timedelta

from domain.cron import what_is_wrong
from domain.duration import render
from domain.pipeline import Artifact, AzurePipelinesSource, JenkinsSource, Pipeline, Trigger, UrlSource
from domain.pipeline_rules import BrokenRule
from domain.trigger import ASK, identity, is_fixed

LEAST_POLL = timedelta(seconds=10)


def broken_trigger_rules(pipeline: Pipeline) -> list[BrokenRule]:
    """Everything that would keep a trigger or schedule of a well-typed pipeline from ever making a release."""
    return [
        *(
            BrokenRule(path=("artifacts", alias, *path), message=text)
            for alias, artifact in pipeline.artifacts.items()
            if artifact.trigger is not None and len(artifact.sources) == 1
            for path, text in _trigger(artifact, artifact.trigger)
        ),
        *_asking(pipeline),
        *_schedules(pipeline),
    ]


def _trigger(artifact: Artifact, trigger: Trigger) -> Iterator[tuple[tuple[str, ...], str]]:
    if is_fixed(artifact):
        yield ("trigger",), f"would never come: the version is always {artifact.version}"
    if isinstance(artifact.source, UrlSource):
        yield ("trigger",), "a file at an address has no versions that could come; use schedules"
    elif trigger.poll is None and not isinstance(artifact.source, JenkinsSource | AzurePipelinesSource):
        yield ("trigger",), "no webhook tells of this source; write how often it is asked, such as poll: 10m"
    if trigger.poll is not None and trigger.poll < LEAST_POLL:
        yield ("trigger", "poll"), f"must be at least {render(LEAST_POLL)}"
    if trigger.tags and isinstance(artifact.source, JenkinsSource):
        yield ("trigger", "tags"), "builds of Jenkins have no tags; choose by branch"


def _asking(pipeline: Pipeline) -> Iterator[BrokenRule]:
    """A version that a person names is none that a trigger could know, but for builds of its own source."""
    named = {alias: artifact for alias, artifact in pipeline.artifacts.items() if len(artifact.sources) == 1}
    for alias, artifact in named.items():
        place = identity(artifact.source)
        by = next((o for o, other in named.items() if other.trigger and identity(other.source) != place), None)
        if artifact.version == ASK and (pipeline.schedules or by is not None):
            whose = "schedules" if pipeline.schedules else f"the trigger of {by}"
            text = f"{whose} could make no release: nobody would name this version"
            yield BrokenRule(path=("artifacts", alias, "version"), message=text)


def _schedules(pipeline: Pipeline) -> Iterator[BrokenRule]:
    for at, schedule in enumerate(pipeline.schedules):
        flaw = what_is_wrong(schedule.cron)
        if flaw:
            yield BrokenRule(path=("schedules", at, "cron"), message=flaw)
