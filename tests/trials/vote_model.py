"""What votes come to, as a plain function over sets of people: no order, no time, no history.

Where the policy asks all at once, approvals alone come to the same in any order. A rejection ends the matter, so that
several verdicts are possible where approvals might have been enough before it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Asked:
    """Who may answer for whom: the people of each approver, how many approvers must approve, and who may not."""

    places: Mapping[str, frozenset[str]]
    needed: int
    barred: frozenset[str] = frozenset()

    def may_answer_for(self, person: str) -> frozenset[str]:
        """Only for themselves when asked by name, else for every approver they belong to."""
        if person in self.barred:
            return frozenset()
        if person in self.places:
            return frozenset({person})
        return frozenset(approver for approver, people in self.places.items() if person in people)

    def most_answered(self, people: Iterable[str]) -> int:
        """For how many approvers these people can answer at most, each for one."""
        options = [self.may_answer_for(person) for person in sorted(people)]

        @cache
        def most(at: int, free: frozenset[str]) -> int:
            if at == len(options):
                return 0
            without = most(at + 1, free)
            return max([without, *(1 + most(at + 1, free - {approver}) for approver in options[at] & free)])

        return most(0, frozenset(self.places))


def possible_verdicts(asked: Asked, approving: Iterable[str], rejecting: Iterable[str]) -> set[str]:
    """What it may come to, whatever the order in which everybody answers once."""
    approving = {person for person in approving if asked.may_answer_for(person)}
    rejecting = {person for person in rejecting if asked.may_answer_for(person)}
    answered = asked.most_answered(approving)
    is_enough = answered >= asked.needed
    if not rejecting:
        return {"approved"} if is_enough else {"pending"}
    if is_enough:
        return {"approved", "rejected"}
    if any(asked.most_answered({*approving, person}) > answered for person in rejecting):
        return {"rejected"}
    return {"rejected", "pending"}
