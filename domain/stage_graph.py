"""What may start, what never can, and whether the stages of a pipeline form a graph at all."""

from collections.abc import Mapping

from domain.pipeline import After, Stage
from domain.status import StageStatus

Statuses = Mapping[str, StageStatus]


def ready_stages(stages: tuple[Stage, ...], statuses: Statuses) -> list[str]:
    """Stages that start now by themselves, in the author's order: everything they wait for has gone well."""
    return [
        stage.stage
        for stage in stages
        if statuses[stage.stage] == StageStatus.NOT_STARTED
        and not stage.manual
        and all(_is_met(after, statuses) for after in stage.after)
    ]


def unreachable_stages(stages: tuple[Stage, ...], statuses: Statuses) -> dict[str, str]:
    """Stages that can never start by themselves any more, each with the reason.

    A manual stage that was not deployed is left alone: a person may still deploy it; but what comes after it is
    not waited for either (``is_left_for_later``).
    """
    unreachable: dict[str, str] = {}
    for stage in stages:
        if statuses[stage.stage] != StageStatus.NOT_STARTED or stage.manual:
            continue
        for after in stage.after:
            status = statuses[after.stage]
            if status.is_final and not _is_met(after, statuses):
                unreachable[stage.stage] = f"stage {after.stage} is {status}"
                break
    return unreachable


def _is_met(after: After, statuses: Statuses) -> bool:
    status = statuses[after.stage]
    return status == StageStatus.SUCCEEDED or (
        after.accept_partially_succeeded and status == StageStatus.PARTIALLY_SUCCEEDED
    )


def dependents(stages: tuple[Stage, ...], name: str) -> list[str]:
    """Every stage that waits for this one, directly or through others, in the author's order."""
    found = {name}
    while True:
        more = {s.stage for s in stages if s.stage not in found and any(after.stage in found for after in s.after)}
        if not more:
            return [s.stage for s in stages if s.stage in found and s.stage != name]
        found |= more


def dependency_cycle(stages: tuple[Stage, ...]) -> list[str]:
    """One cycle of the graph as ``[a, b, a]``; empty when there is none. Unknown names are ignored."""
    needs = {stage.stage: [after.stage for after in stage.after] for stage in stages}
    done: set[str] = set()
    for start in needs:
        cycle = _walk(start, needs, [], done)
        if cycle:
            return cycle
    return []


def _walk(name: str, needs: Mapping[str, list[str]], path: list[str], done: set[str]) -> list[str]:
    if name in path:
        return [*path[path.index(name) :], name]
    if name in done or name not in needs:
        return []
    for needed in needs[name]:
        cycle = _walk(needed, needs, [*path, name], done)
        if cycle:
            return cycle
    done.add(name)
    return []


def layers(stages: tuple[Stage, ...]) -> list[list[str]]:
    """The stages by their longest distance from the start, for drawing. The graph has no cycle."""
    depth: dict[str, int] = {}
    by_name = {stage.stage: stage for stage in stages}

    def depth_of(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((depth_of(after.stage) for after in by_name[name].after), default=-1)
        return depth[name]

    rows: list[list[str]] = [[] for _ in range(1 + max(depth_of(stage.stage) for stage in stages))]
    for stage in stages:
        rows[depth[stage.stage]].append(stage.stage)
    return rows
