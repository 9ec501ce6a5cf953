"""Whose turn it is in front of an environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.pipeline import EnvironmentQueue
from domain.queueing import Ticket, next_turns

ALL, LATEST = EnvironmentQueue.ALL_IN_ORDER, EnvironmentQueue.LATEST_ONLY


def ticket(name: str, *, line: str = "webshop/prod", at_once: int = 1, queue: EnvironmentQueue = ALL) -> Ticket:
    """A deployment that wants the environment."""
    return Ticket(deployment=name, workflow_id=f"deployment/{name}", line=line, at_once=at_once, queue=queue)


def held(count: int, *, by: tuple[Ticket, ...] = ()) -> tuple[Ticket, ...]:
    """So many deployments inside; they accept as many as those who wait, or none beside them."""
    return tuple(ticket(f"h{n}", at_once=by[0].at_once if by else 1) for n in range(count))


@st.composite
def lines(draw: st.DrawFn) -> tuple[Ticket, ...]:
    """Deployments of some pipelines that wait for one environment."""
    at_once = draw(st.integers(1, 3))
    count = draw(st.integers(0, 7))
    return tuple(
        ticket(
            f"d{n}",
            line=draw(st.sampled_from("ab")),
            at_once=at_once,
            queue=draw(st.sampled_from(EnvironmentQueue)),
        )
        for n in range(count)
    )


@pytest.mark.parametrize(
    ("waiting", "holders", "granted", "superseded", "left"),
    [
        ((), 0, "", "", ""),
        ((ticket("1"), ticket("2")), 0, "1", "", "2"),
        ((ticket("1"), ticket("2")), 1, "", "", "12"),
        ((ticket("1", at_once=2), ticket("2", at_once=2), ticket("3", at_once=2)), 0, "12", "", "3"),
        ((ticket("1", queue=LATEST), ticket("2", queue=LATEST), ticket("3", queue=LATEST)), 1, "", "12", "3"),
        ((ticket("1", queue=LATEST), ticket("2", queue=LATEST)), 0, "2", "1", ""),
        ((ticket("1", queue=LATEST), ticket("2", line="other", queue=LATEST)), 1, "", "", "12"),
        ((ticket("1"), ticket("2", at_once=9)), 1, "", "", "12"),
        ((ticket("1", at_once=9),), 1, "", "", "1"),
        ((ticket("1", at_once=9), ticket("2")), 0, "1", "", "2"),
    ],
)
def test_turns_are_given_in_order(
    waiting: tuple[Ticket, ...], holders: int, granted: str, superseded: str, left: str
) -> None:
    """Nobody overtakes; where only the latest counts, older ones of the same line give way."""
    turns = next_turns(waiting, held(holders))
    assert [list(granted), list(superseded), list(left)] == [
        [one.deployment for one in some] for some in (turns.granted, turns.superseded, turns.waiting)
    ]


@given(lines(), st.integers(0, 4))
def test_the_limit_is_never_exceeded_and_room_is_never_wasted(waiting: tuple[Ticket, ...], holders: int) -> None:
    """Whoever waits on waits because there is no room."""
    turns = next_turns(waiting, held(holders, by=waiting))
    if turns.granted:
        assert holders + len(turns.granted) <= turns.granted[0].at_once
    if turns.waiting:
        assert holders + len(turns.granted) >= turns.waiting[0].at_once


@given(lines(), st.integers(0, 4))
def test_everybody_is_granted_superseded_or_waits_and_only_one_of_these(
    waiting: tuple[Ticket, ...], holders: int
) -> None:
    """Nobody is forgotten, and nobody both starts and is superseded."""
    turns = next_turns(waiting, held(holders, by=waiting))
    assert sorted(t.deployment for t in waiting) == sorted(
        t.deployment for some in (turns.granted, turns.superseded, turns.waiting) for t in some
    )
    assert all(t.queue == LATEST for t in turns.superseded)


@given(lines(), st.integers(0, 4))
def test_the_latest_of_a_line_is_never_superseded(waiting: tuple[Ticket, ...], holders: int) -> None:
    """Somebody always gets there."""
    latest = {one.line: one for one in waiting}
    assert set(next_turns(waiting, held(holders, by=waiting)).superseded).isdisjoint(latest.values())
