"""Where the stages of a pipeline stand in its picture: layers from left to right, few crossings, smooth lines.

Layers come from ``domain.stage_graph``; within a layer, stages stand near the middle of their neighbours (the
barycentre rule). A line that skips a layer passes it through a gap of its own, so it runs behind no stage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from domain.pipeline import Stage
from domain.stage_graph import layers

WIDTH, HEIGHT = 208, 68
_ACROSS, _DOWN, _MARGIN, _PASSAGE = 52, 22, 3, 6
_SWEEPS = 4

Place = str | tuple[str, str, int]
"""A stage, or the gap through which the line between two stages passes a layer."""


@dataclass(frozen=True)
class Box:
    """One stage; ``x`` and ``y`` are its upper left corner."""

    stage: str
    x: int
    y: int


@dataclass(frozen=True)
class Line:
    """From one stage to the next; ``path`` is SVG path data."""

    start: str
    end: str
    path: str


@dataclass(frozen=True)
class Picture:
    """Everything in pixels, the origin at the upper left."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def draw(stages: tuple[Stage, ...]) -> Picture:
    """Lay the stages out. The graph has no cycle and names no unknown stage."""
    rows: list[list[Place]] = [list(row) for row in layers(stages)]
    routes = _routes(stages, rows)
    _untangle(rows, routes)
    tallest = max(_height(row) for row in rows)
    centres = {place: centre for row in rows for place, centre in _centres(row, tallest)}
    left = {place: _MARGIN + column * (WIDTH + _ACROSS) for column, row in enumerate(rows) for place in row}
    boxes = tuple(Box(s.stage, left[s.stage], centres[s.stage] - HEIGHT // 2) for s in stages)
    lines = tuple(Line(str(route[0]), str(route[-1]), _path(route, left, centres)) for route in routes)
    width = 2 * _MARGIN + len(rows) * WIDTH + (len(rows) - 1) * _ACROSS
    return Picture(width=width, height=2 * _MARGIN + tallest, boxes=boxes, lines=lines)


def _routes(stages: tuple[Stage, ...], rows: list[list[Place]]) -> list[list[Place]]:
    """Every line as the places it visits; adds the gaps it needs to the rows it skips."""
    layer = {place: index for index, row in enumerate(rows) for place in row}
    routes: list[list[Place]] = []
    for stage in stages:
        for after in stage.after:
            gaps: list[Place] = [
                (after.stage, stage.stage, index) for index in range(layer[after.stage] + 1, layer[stage.stage])
            ]
            for index, gap in enumerate(gaps, start=layer[after.stage] + 1):
                rows[index].append(gap)
            routes.append([after.stage, *gaps, stage.stage])
    return routes


def _untangle(rows: list[list[Place]], routes: list[list[Place]]) -> None:
    """Order each row by where its neighbours stand, to and fro; ties keep the author's order."""
    before: dict[Place, list[Place]] = {}
    after: dict[Place, list[Place]] = {}
    for route in routes:
        for one, other in pairwise(route):
            before.setdefault(other, []).append(one)
            after.setdefault(one, []).append(other)
    for sweep in range(_SWEEPS):
        neighbours, order = (before, rows) if sweep % 2 == 0 else (after, rows[::-1])
        for fixed, row in pairwise(order):
            place_of = {place: _share(index, fixed) for index, place in enumerate(fixed)}
            own = {place: _share(index, row) for index, place in enumerate(row)}
            middles = {place: _middle(neighbours.get(place, []), place_of, own[place]) for place in row}
            row.sort(key=middles.__getitem__)


def _share(index: int, row: list[Place]) -> float:
    return (index + 0.5) / len(row)


def _middle(neighbours: list[Place], place_of: Mapping[Place, float], own: float) -> float:
    return sum(place_of[n] for n in neighbours) / len(neighbours) if neighbours else own


def _size(place: Place) -> int:
    return HEIGHT if isinstance(place, str) else _PASSAGE


def _height(row: list[Place]) -> int:
    return sum(_size(place) for place in row) + (len(row) - 1) * _DOWN


def _centres(row: list[Place], tallest: int) -> list[tuple[Place, int]]:
    top = _MARGIN + (tallest - _height(row)) // 2
    centres: list[tuple[Place, int]] = []
    for place in row:
        centres.append((place, top + _size(place) // 2))
        top += _size(place) + _DOWN
    return centres


def _path(route: list[Place], left: Mapping[Place, int], centres: Mapping[Place, int]) -> str:
    """Out of the right side of the first stage, level through each gap, into the left side of the last."""
    path = f"M{left[route[0]] + WIDTH} {centres[route[0]]}"
    for one, other in pairwise(route):
        start, end = left[one] + WIDTH, left[other]
        bend = (start + end) // 2
        path += f"C{bend} {centres[one]} {bend} {centres[other]} {end} {centres[other]}"
        if not isinstance(other, str):
            path += f"H{end + WIDTH}"
    return path
