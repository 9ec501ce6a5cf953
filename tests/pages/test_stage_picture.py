"""The picture of the stages: layers from left to right, nothing on top of anything else."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from api.pages.stage_picture import HEIGHT, WIDTH, draw
from domain.pipeline import Stage


def _stages(**after: list[str]) -> tuple[Stage, ...]:
    jobs = [{"job": "j", "steps": [{"run": "true"}]}]
    return tuple(
        Stage.model_validate({"stage": name.replace("_", "-"), "after": needs, "jobs": jobs})
        for name, needs in after.items()
    )


@st.composite
def _graphs(draw_value):
    """Stages that wait for any of those written before them, so that there is no cycle."""
    count = draw_value(st.integers(1, 12))
    after = {}
    for index in range(count):
        needed = draw_value(st.lists(st.integers(0, index - 1), unique=True, max_size=4)) if index else []
        after[f"s{index}"] = [f"s{number}" for number in needed]
    return _stages(**after)


def test_stages_stand_to_the_right_of_what_they_wait_for():
    """One reads the picture from left to right."""
    picture = draw(_stages(test=[], staging=["test"], prod=["staging", "test"]))
    left = {box.stage: box.x for box in picture.boxes}
    assert left["test"] < left["staging"] < left["prod"]


def test_a_line_that_skips_a_layer_passes_beside_its_stages():
    """It runs level through a gap of its own, never behind a box."""
    picture = draw(_stages(test=[], staging=["test"], prod=["staging", "test"]))
    skipping = next(line for line in picture.lines if (line.start, line.end) == ("test", "prod"))
    staging = next(box for box in picture.boxes if box.stage == "staging")
    level = int(skipping.path.split("H")[0].split()[-1])
    assert not staging.y <= level <= staging.y + HEIGHT


def test_two_parallel_strands_do_not_cross():
    """The second strand is written crosswise, and drawn straight."""
    picture = draw(_stages(a=[], b=[], after_b=["b"], after_a=["a"]))
    top = {box.stage: box.y for box in picture.boxes}
    assert (top["a"] < top["b"]) == (top["after-a"] < top["after-b"])


@given(_graphs())
def test_no_two_stages_overlap_and_all_lie_inside(stages):
    """Whatever the graph, every stage can be read."""
    picture = draw(stages)
    assert [stage.stage for stage in stages] == [box.stage for box in picture.boxes]
    for one, other in combinations(picture.boxes, 2):
        assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    for box in picture.boxes:
        assert 0 <= box.x <= picture.width - WIDTH
        assert 0 <= box.y <= picture.height - HEIGHT
    assert sum(len(stage.after) for stage in stages) == len(picture.lines)
