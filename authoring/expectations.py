"""What a field of the pipeline takes, said in words; and the way through its types that an error took.

Pydantic names the member of a union in an error's location (``('version', 'LatestOf', 'tags')``). Walking the types
beside the location tells such names from the keys of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic_core import PydanticUndefined

from authoring.problem import Path

Model = type[BaseModel]
_KEY = "[key]"
_PLAIN_VALUE = frozenset({str, int, float, bool})
_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    timedelta: "a duration such as 90s, 10m, 3h or 30d",
}


@dataclass(frozen=True, slots=True)
class Crossing:
    """A union on the way: where, what it is made of, and the member that was tried."""

    path: Path
    union: Any
    member: Any


@dataclass(frozen=True, slots=True)
class Way:
    """Where an error is: its path in the file, what is expected there, and in which model."""

    path: Path
    expected: Any
    model: Model | None
    crossings: tuple[Crossing, ...]
    is_key: bool = False


def way_to(model: Model, location: tuple[str | int, ...]) -> Way:
    """Follow an error's location through the types, beginning at the model."""
    path: Path = ()
    expected: Any = model
    owner: Model | None = None
    crossings: tuple[Crossing, ...] = ()
    for step in location:
        if step == _KEY and get_origin(_bare(expected)) is not dict:
            return Way(path, expected, owner, crossings, is_key=True)
        member = _member(expected, step)
        if member is not None:
            crossings = (*crossings, Crossing(path, expected, member))
            expected = member
            continue
        path = (*path, step)
        inner = _bare(expected)
        owner = inner if _is_model(inner) else owner
        expected = _inside(inner, step)
    return Way(path, expected, owner, crossings)


def describe(expected: Any) -> str:
    """What may be written, as the end of "must be ..."."""
    written = list(_written(expected))
    words: list[str] = []
    if {str, int} <= set(written):
        words.append("a plain value")
        written = [member for member in written if member not in _PLAIN_VALUE]
    for member in sorted(written, key=_is_model):
        words += _words(member)
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} or {last}" if first else last


def choices(expected: Any) -> list[str]:
    """The words that may be written, where there is a choice of words."""
    return [word for member in _written(expected) for word in _choice(member)]


def keys(model: Model) -> list[str]:
    """The keys of a mapping, as they are spelt in the file, in the order of the reference."""
    return [field.alias or name for name, field in model.model_fields.items()]


def members(union: Any) -> list[Any]:
    """What a union is made of, null aside; the type itself when it is none."""
    bare = _bare(union)
    if get_origin(bare) in {Union, UnionType}:
        return [member for member in get_args(bare) if member is not NoneType]
    return [bare]


def _written(expected: Any) -> Iterator[Any]:
    """The types in which something may be written, short forms included."""
    if get_origin(expected) is Annotated:
        for note in get_args(expected)[1:]:
            short = note.json_schema_input_type if isinstance(note, BeforeValidator) else PydanticUndefined
            if short is not PydanticUndefined and short is not Any:
                yield from _written(short)
                return
    inner = members(expected)
    if len(inner) == 1:
        yield inner[0]
    else:
        for member in inner:
            yield from _written(member)


def _words(member: Any) -> list[str]:
    if _is_model(member):
        return ["{" + ", ".join(keys(member)) + "}"]
    found = _choice(member)
    if found:
        return found
    if get_origin(member) is tuple:
        return ["a list"]
    return ["a mapping"] if get_origin(member) is dict else [_WORDS.get(member, "something else")]


def _choice(member: Any) -> list[str]:
    if get_origin(member) is Literal:
        return [str(word) for word in get_args(member)]
    return [str(word.value) for word in member] if isinstance(member, type) and issubclass(member, Enum) else []


def _bare(expected: Any) -> Any:
    """Without notes, and without the null that an optional field allows."""
    while True:
        if get_origin(expected) is Annotated:
            expected = get_args(expected)[0]
        elif get_origin(expected) in {Union, UnionType}:
            inner = [member for member in get_args(expected) if member is not NoneType]
            if len(inner) > 1:
                return expected
            expected = inner[0]
        else:
            return expected


def _member(expected: Any, step: str | int) -> Any:
    """The member of a union that the step names; None when the type is no union, or the step is a key."""
    inner = members(expected)
    if len(inner) == 1 or not isinstance(step, str):
        return None
    return next((member for member in inner if step.startswith(_tag(_bare(member)))), None)


def _tag(member: Any) -> str | tuple[str, ...]:
    """How pydantic begins the name of a union member."""
    if _is_model(member):
        return str(member.__name__)
    if get_origin(member) is tuple:
        return "tuple["
    if get_origin(member) is Literal:
        return "literal["
    if isinstance(member, type) and issubclass(member, Enum):
        return f"str-enum[{member.__name__}]"
    return ("str", "constrained-str", "function-before[", "function-after[")


def _inside(container: Any, step: str | int) -> Any:
    """The type of what is under a key or index."""
    if _is_model(container):
        return _field(container, str(step))
    arguments = get_args(container)
    if get_origin(container) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _field(model: Model, key: str) -> Any:
    for name, field in model.model_fields.items():
        if key == (field.alias or name):
            annotation: Any = field.annotation
            for note in field.metadata:
                annotation = Annotated[annotation, note]
            return annotation
    return None


def _is_model(expected: Any) -> bool:
    return isinstance(expected, type) and issubclass(expected, BaseModel)
