"""What may start, what never can: tables, and every graph with every outcome."""

from itertools import pairwise

import pytest
from fakes.made_pipelines import stage_graphs
from hypothesis import given
from hypothesis import strategies as st

from domain.pipeline import After, Job, Stage, Step
from domain.stage_graph import dependency_cycle, dependents, layers, ready_stages, unreachable_stages
from domain.status import StageStatus

NOT_STARTED, SUCCEEDED, FAILED = StageStatus.NOT_STARTED, StageStatus.SUCCEEDED, StageStatus.FAILED
PARTIALLY, SKIPPED, RUNNING = StageStatus.PARTIALLY_SUCCEEDED, StageStatus.SKIPPED, StageStatus.IN_PROGRESS
FINAL = [status for status in StageStatus if status.is_final and status != SKIPPED]


def stage(name: str, *after: str | After, manual: bool = False) -> Stage:
    """A stage that waits for these."""
    waits = tuple(After(stage=one) if isinstance(one, str) else one for one in after)
    return Stage(stage=name, after=waits, manual=manual, jobs=(Job(job="deploy", steps=(Step(run="true"),)),))


DIAMOND = (stage("test"), stage("eu", "test"), stage("us", "test"), stage("done", "eu", "us"))


@pytest.mark.parametrize(
    ("stages", "statuses", "ready", "unreachable"),
    [
        (DIAMOND, {}, ["test"], {}),
        (DIAMOND, {"test": RUNNING}, [], {}),
        (DIAMOND, {"test": SUCCEEDED}, ["eu", "us"], {}),
        (DIAMOND, {"test": SUCCEEDED, "eu": SUCCEEDED, "us": RUNNING}, [], {}),
        (DIAMOND, {"test": SUCCEEDED, "eu": SUCCEEDED, "us": SUCCEEDED}, ["done"], {}),
        (DIAMOND, {"test": FAILED}, [], {"eu": "stage test is failed", "us": "stage test is failed"}),
        (DIAMOND, {"test": SUCCEEDED, "eu": FAILED, "us": RUNNING}, [], {"done": "stage eu is failed"}),
        (DIAMOND, {"test": FAILED, "eu": SKIPPED, "us": SKIPPED}, [], {"done": "stage eu is skipped"}),
        ((stage("a", manual=True), stage("b", "a")), {}, [], {}),
        ((stage("a", manual=True), stage("b", "a")), {"a": SUCCEEDED}, ["b"], {}),
        ((stage("a", manual=True), stage("b", "a")), {"a": FAILED}, [], {"b": "stage a is failed"}),
        ((stage("a"), stage("b", "a", manual=True)), {"a": FAILED}, [], {}),
        ((stage("a"), stage("b", "a")), {"a": PARTIALLY}, [], {"b": "stage a is partially succeeded"}),
        ((stage("a"), stage("b", After(stage="a", accept_partially_succeeded=True))), {"a": PARTIALLY}, ["b"], {}),
        ((stage("late", "a"), stage("a"), stage("b")), {}, ["a", "b"], {}),
    ],
)
def test_stages_start_when_all_they_wait_for_went_well(
    stages: tuple[Stage, ...], statuses: dict[str, StageStatus], ready: list[str], unreachable: dict[str, str]
) -> None:
    """In the author's order; those that never can are named with the reason."""
    known = {one.stage: statuses.get(one.stage, NOT_STARTED) for one in stages}
    assert ready == ready_stages(stages, known)
    assert unreachable == unreachable_stages(stages, known)


@given(stage_graphs(), st.data())
def test_ready_and_unreachable_never_overlap_and_nothing_starts_too_early(
    stages: tuple[Stage, ...], data: st.DataObject
) -> None:
    """Whatever the statuses, even those no release comes to."""
    statuses = {one.stage: data.draw(st.sampled_from(StageStatus)) for one in stages}
    ready, unreachable = ready_stages(stages, statuses), unreachable_stages(stages, statuses)
    assert set(ready).isdisjoint(unreachable)
    by_name = {one.stage: one for one in stages}
    for name in ready:
        assert not by_name[name].manual
        for after in by_name[name].after:
            allowed = {SUCCEEDED, PARTIALLY} if after.accept_partially_succeeded else {SUCCEEDED}
            assert statuses[after.stage] in allowed


@given(stage_graphs(), st.data())
def test_every_graph_drains_whatever_the_outcomes(stages: tuple[Stage, ...], data: st.DataObject) -> None:
    """In the end only what waits for a person has not been decided, and nothing ran twice."""
    statuses = dict.fromkeys((one.stage for one in stages), NOT_STARTED)
    started: list[str] = []
    for _ in range(2 * len(stages) + 1):
        for name in unreachable_stages(stages, statuses):
            statuses[name] = SKIPPED
        for name in ready_stages(stages, statuses):
            started.append(name)
            statuses[name] = RUNNING
        running = [name for name, status in statuses.items() if status == RUNNING]
        if running:
            statuses[data.draw(st.sampled_from(running))] = data.draw(st.sampled_from(FINAL))
    assert len(started) == len(set(started))
    assert [] == [name for name, status in statuses.items() if not status.is_final and not _is_left(stages, name)]


def _is_left(stages: tuple[Stage, ...], name: str) -> bool:
    """Whether the stage, or one it waits for, starts by hand only."""
    one = next(one for one in stages if one.stage == name)
    return one.manual or any(_is_left(stages, after.stage) for after in one.after)


@given(stage_graphs(manual=False))
def test_without_failures_and_manual_stages_everything_runs(stages: tuple[Stage, ...]) -> None:
    """Each layer after the one before it."""
    statuses = dict.fromkeys((one.stage for one in stages), NOT_STARTED)
    for layer in layers(stages):
        assert set(layer) <= set(ready_stages(stages, statuses))
        statuses |= dict.fromkeys(layer, SUCCEEDED)
    assert {SUCCEEDED} == set(statuses.values())


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (DIAMOND, []),
        ((stage("a", "a"),), ["a", "a"]),
        ((stage("a", "b"), stage("b", "a")), ["a", "b", "a"]),
        ((stage("x", "b"), stage("a", "c"), stage("b", "a"), stage("c", "b")), ["b", "a", "c", "b"]),
        ((stage("a", "gone"),), []),
    ],
)
def test_a_cycle_is_found_and_spelt_out(stages: tuple[Stage, ...], expected: list[str]) -> None:
    """From a stage on it back to itself; names that do not exist are another matter."""
    assert expected == dependency_cycle(stages)


@given(stage_graphs(), st.data())
def test_a_graph_has_a_cycle_only_once_one_is_closed(stages: tuple[Stage, ...], data: st.DataObject) -> None:
    """Let a stage wait for one that comes after it, directly or not, and there is one."""
    assert [] == dependency_cycle(stages)
    late = data.draw(st.sampled_from([one.stage for one in stages]))
    early = data.draw(st.sampled_from([late, *_all_before(stages, late)]))
    closed = tuple(
        one.model_copy(update={"after": (*one.after, After(stage=late))}) if one.stage == early else one
        for one in stages
    )
    cycle = dependency_cycle(closed)
    assert cycle[0] == cycle[-1]
    waits = {one.stage: {after.stage for after in one.after} for one in closed}
    assert all(needed in waits[name] for name, needed in pairwise(cycle))


def _all_before(stages: tuple[Stage, ...], name: str) -> list[str]:
    one = next(one for one in stages if one.stage == name)
    return [found for after in one.after for found in [after.stage, *_all_before(stages, after.stage)]]


@given(stage_graphs())
def test_layers_hold_every_stage_below_all_it_waits_for(stages: tuple[Stage, ...]) -> None:
    """For drawing: arrows go one way only."""
    rows = layers(stages)
    depth = {name: at for at, row in enumerate(rows) for name in row}
    assert sorted(depth) == sorted(one.stage for one in stages)
    assert all(depth[after.stage] < depth[one.stage] for one in stages for after in one.after)
    assert all(rows)


@given(stage_graphs(), st.data())
def test_dependents_are_all_that_wait_for_a_stage_in_the_end(stages: tuple[Stage, ...], data: st.DataObject) -> None:
    """Also through others."""
    name = data.draw(st.sampled_from([one.stage for one in stages]))
    assert {one.stage for one in stages if name in _all_before(stages, one.stage)} == set(dependents(stages, name))
