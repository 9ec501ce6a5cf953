"""Whose turn it is in front of an environment. Turns are handed out in the order they were asked for."""

from domain.frozen import Frozen
from domain.pipeline import EnvironmentQueue


class Ticket(Frozen):
    """One deployment that wants an environment; ``at_once`` is how many it accepts there, itself included."""

    deployment: str
    workflow_id: str
    line: str
    at_once: int
    queue: EnvironmentQueue


class Turns(Frozen):
    """Who goes now, who never will, and who goes on waiting."""

    granted: tuple[Ticket, ...] = ()
    superseded: tuple[Ticket, ...] = ()
    waiting: tuple[Ticket, ...] = ()


def next_turns(waiting: tuple[Ticket, ...], holders: tuple[Ticket, ...]) -> Turns:
    """Decide for those who wait, oldest first, beside those who hold the environment.

    A waiting ticket whose line takes only the latest is superseded by a later one of the same line (pipeline and
    stage). Nobody joins where one of those inside, or they themselves, accept no more. Nobody overtakes: when the
    first cannot go, nobody behind goes either.
    """
    superseded = tuple(ticket for at, ticket in enumerate(waiting) if _has_later(ticket, waiting[at + 1 :]))
    left = [ticket for ticket in waiting if ticket not in superseded]
    inside = list(holders)
    while left and len(inside) < min(ticket.at_once for ticket in [*inside, left[0]]):
        inside.append(left.pop(0))
    return Turns(granted=tuple(inside[len(holders) :]), superseded=superseded, waiting=tuple(left))


def _has_later(ticket: Ticket, later: tuple[Ticket, ...]) -> bool:
    return ticket.queue == EnvironmentQueue.LATEST_ONLY and any(other.line == ticket.line for other in later)
