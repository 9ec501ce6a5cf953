"""From pydantic's errors to complaints that a person can act on: one per mistake, in words, with a suggestion."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from authoring.expectations import Crossing, Way, choices, describe, keys, members, way_to
from authoring.problem import Path
from authoring.wording import is_about_kind, words_for
from domain.pipeline import Pipeline

MOST_ERRORS = 1_000


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong at a path; ``is_key``: with the key itself, not with what stands under it."""

    path: Path
    message: str
    suggestion: str | None = None
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class _Mistake:
    """One of pydantic's errors, and where it is."""

    error: ErrorDetails
    way: Way

    @property
    def kind(self) -> str:
        return self.error["type"]


def complaints(broken: ValidationError, written: object) -> list[Complaint]:
    """Everything pydantic found wrong with what was written."""
    errors = broken.errors(include_url=False)[:MOST_ERRORS]
    mistakes = [_Mistake(error, way_to(Pipeline, error["loc"])) for error in errors]
    in_unions = {crossing.path: crossing for mistake in mistakes for crossing in mistake.way.crossings}
    kept = [mistake for mistake in mistakes if _is_meant(mistake, written)]
    unexplained = [
        crossing
        for path, crossing in in_unions.items()
        if not any(crossing.path == other.path for mistake in kept for other in mistake.way.crossings)
    ]
    found = [_complaint(mistake) for mistake in kept if not _is_echo(mistake, mistakes)]
    return _without_renamed(found) + [_of_union(crossing, written) for crossing in unexplained]


def close_to(wrong: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    by_folded = {name.lower(): name for name in known}
    near = get_close_matches(wrong.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None


def at(written: object, path: Path) -> Any:
    """What stands at the path; None when nothing does."""
    for step in path:
        if isinstance(written, dict):
            written = written.get(step)
        elif isinstance(written, list) and isinstance(step, int) and step < len(written):
            written = written[step]
        else:
            return None
    return written


def _complaint(mistake: _Mistake) -> Complaint:
    way, key = mistake.way, str(mistake.way.path[-1]) if mistake.way.path else ""
    if mistake.kind == "extra_forbidden" and way.model is not None:
        known = keys(way.model)
        suggestion = close_to(key, known)
        message = "unknown key" if suggestion else f"unknown key; known here: {', '.join(known)}"
        return Complaint(way.path, message, suggestion, is_key=True)
    suggestion = close_to(str(mistake.error["input"]), choices(way.expected)) if way.expected else None
    return Complaint(way.path, words_for(mistake.error, way), suggestion, is_key=way.is_key)


def _is_meant(mistake: _Mistake, written: object) -> bool:
    """Whether the error is of the form that was probably meant, wherever there were several."""
    return all(_fits(crossing, at(written, crossing.path), mistake) for crossing in mistake.way.crossings)


def _fits(crossing: Crossing, value: object, mistake: _Mistake) -> bool:
    member = crossing.member
    if isinstance(value, dict):
        models = [other for other in members(crossing.union) if _is_model(other)]
        return _is_model(member) and member == max(models, key=lambda model: _likeness(model, value))
    if isinstance(value, list):
        return get_origin(member) is tuple
    return not _is_model(member) and get_origin(member) is not tuple and not is_about_kind(mistake.kind)


def _likeness(model: type[BaseModel], value: dict[str, object]) -> float:
    """How much the keys that were written look like those of the model."""
    return sum(max(SequenceMatcher(None, key, known).ratio() for known in keys(model)) ** 4 for key in value)


def _is_echo(mistake: _Mistake, others: list[_Mistake]) -> bool:
    """Whether the error only follows from another: a list is short because its items are wrong."""
    if mistake.kind != "too_short":
        return False
    path = mistake.way.path
    return any(other.way.path[: len(path)] == path and len(other.way.path) > len(path) for other in others)


def _without_renamed(found: list[Complaint]) -> list[Complaint]:
    """A key that is missing because it is misspelt is one mistake."""
    renamed = {(*one.path[:-1], one.suggestion) for one in found if one.is_key and one.suggestion}
    return [one for one in found if one.is_key or one.path not in renamed]


def _of_union(crossing: Crossing, written: object) -> Complaint:
    value = at(written, crossing.path)
    suggestion = close_to(value, choices(crossing.union)) if isinstance(value, str) else None
    return Complaint(crossing.path, f"must be {describe(crossing.union)}", suggestion)


def _is_model(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, BaseModel)
