"""Whether so many different people can answer an approval as it needs: one person counts once, whatever their names."""

from collections.abc import Iterable, Mapping

from domain.approval_policy import ApprovalPolicy
from domain.person import is_same_person, spelled


def one_person_too_often(policy: ApprovalPolicy, people: Mapping[str, str]) -> tuple[str, ...]:
    """The names of one person whom the policy would need more than once; none when it can be fulfilled without that.

    ``people`` gives the person of every address that is not the one they are kept under. Of groups nothing is said.
    """
    everybody = _by_person(_people(policy.approvers), people)
    doubles = sum(len(names) - 1 for names in everybody)
    filled = min(doubles, _deputies(policy, everybody, people))
    if len(policy.approvers) - doubles + filled >= policy.needed:
        return ()
    return next(names for names in everybody if len(names) > 1)


def _deputies(policy: ApprovalPolicy, everybody: list[tuple[str, ...]], people: Mapping[str, str]) -> int:
    """How many others may stand in for somebody who is named twice; a group may be many."""
    deputies = policy.escalate.to if policy.escalate else ()
    if any(deputy.startswith("group:") for deputy in deputies):
        return len(policy.approvers)
    named = tuple(name for names in everybody for name in names)
    return len(_by_person((*named, *deputies), people)) - len(everybody)


def _by_person(names: Iterable[str], people: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The names of each person."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        address = people.get(spelled(name), name)
        known = next((other for other in found if is_same_person((address,), (other,))), address)
        found[known] = (*found.get(known, ()), name)
    return list(found.values())


def _people(approvers: Iterable[str]) -> tuple[str, ...]:
    return tuple(approver for approver in approvers if not approver.startswith("group:"))
