"""What remains of a pipeline when all that is mistyped is cut out, so that its rules can be checked all the same.

Without this an author would mend a typing mistake only to be told of a cycle afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from authoring.complaint import at, complaints
from authoring.problem import Path
from domain.pipeline import Pipeline
from domain.pipeline_rules import BrokenRule, broken_rules

_ROUNDS = 5
_PLACES_OF_NAMES = frozenset({"artifacts", "variables"})


@dataclass(frozen=True, slots=True)
class _Rest:
    """A sound pipeline, and what was cut out to have it."""

    pipeline: Pipeline
    cuts: tuple[Path, ...]


def rules_broken_by_the_rest(written: dict[str, object], mistyped: Iterable[Path]) -> list[BrokenRule]:
    """The broken rules that do not come of the cutting. ``written`` is used up."""
    rest = _rest(written, list(mistyped))
    if rest is None:
        return []
    return [rule for rule in broken_rules(rest.pipeline) if not any(_may_come_of(rule, cut) for cut in rest.cuts)]


def _rest(written: dict[str, object], mistyped: list[Path]) -> _Rest | None:
    cuts: list[Path] = []
    for _ in range(_ROUNDS):
        cuts += [cut for path in mistyped if (cut := _cut(written, path))]
        try:
            return _Rest(validate(written), tuple(cuts))
        except ValidationError as broken:
            mistyped = [complaint.path for complaint in complaints(broken, written)]
    return None


def validate(written: object) -> Pipeline:
    """Check the types of a whole file, with no key that is not known and no second spelling of one."""
    return Pipeline.model_validate(written, extra="forbid", by_alias=True, by_name=False)


def _cut(written: dict[str, object], path: Path) -> Path:
    """Remove the innermost key on the path that is still there, and return its path; empty when there is none."""
    while path:
        parent = at(written, path[:-1])
        if isinstance(parent, dict) and path[-1] in parent:
            del parent[path[-1]]
            return path
        path = path[:-1]
    return ()


def _may_come_of(rule: BrokenRule, cut: Path) -> bool:
    """Whether the rule might hold in the whole file: it is about the place of the cut, or misses a name cut out."""
    shared = min(len(rule.path), len(cut))
    if rule.path[:shared] == cut[:shared]:
        return True
    return rule.wrong is not None and (cut[-1] == rule.wrong or cut[-1] in _PLACES_OF_NAMES)
