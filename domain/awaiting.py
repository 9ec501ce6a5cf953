"""Whose answer an approval waits for: those in whose inbox it belongs; and whose could count in a place at all."""

from collections.abc import Iterable

from domain.approval import Approval, Asked, asked_now, is_requester, open_places
from domain.approval_policy import Order
from domain.person import is_same_person, spelled


def awaited(approval: Approval) -> frozenset[str]:
    """The people whose approval would count at this moment, as addresses are spelt. Nobody once there are enough."""
    if not asked_now(approval):
        return frozenset()
    voters = [address for counted in approval.votes for address in counted.vote.addresses]
    named = _named(approval)
    people = {person for place in _places_to_fill(approval, named) for person in _able(place, named)}
    return frozenset(
        person for person in people if not is_same_person((person,), voters) and not is_requester(approval, (person,))
    )


def able(approval: Approval, place: Asked, people: Iterable[str]) -> tuple[str, ...]:
    """Those of its people who could answer in this place: not requesters, nor, in a group's, who is asked by name."""
    everybody = _able(place, _named(approval))
    return tuple(person for person in people if spelled(person) in everybody and not is_requester(approval, (person,)))


def _named(approval: Approval) -> set[str]:
    """People who are asked by name; they answer for themselves, never for a group as well."""
    return {spelled(member) for place in approval.asked if not place.is_group for member in place.members}


def _able(place: Asked, named: set[str]) -> set[str]:
    """Whose answer may count in this place."""
    by_name = set() if place.is_group else {spelled(member) for member in place.members}
    return by_name | ({spelled(person) for person in place.people} - named)


def _places_to_fill(approval: Approval, named: set[str]) -> list[Asked]:
    """The open places, and those whose voter would move on to such a place and leave theirs to another."""
    found = list(open_places(approval))
    if approval.policy.order == Order.IN_SEQUENCE:
        return found
    voter_of = {counted.approver: counted.vote.addresses for counted in approval.votes}
    left = [place for place in approval.asked if place not in found]
    movable = found
    while movable:
        able = {person for place in found for person in _able(place, named)}
        movable = [place for place in left if not able.isdisjoint(map(spelled, voter_of[place.approver]))]
        left = [place for place in left if place not in movable]
        found += movable
    return found
