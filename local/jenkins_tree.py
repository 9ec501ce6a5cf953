"""What a request wants of a document: ``tree`` filters and ``depth``, as Stapler applies them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

Document = dict[str, object]
_TOKEN = re.compile(r"[^\[\],{}]+|\{[\d,]*\}|.")
_ONLY_IF_ASKED_FROM = 2  # the depth at which also those fields show
_RANGE = re.compile(r"\{(\d*)(,?)(\d*)\}")


@dataclass
class Linked:
    """Another object: a few of its fields are shown, but a tree, or depth, may ask for any of them."""

    document: Callable[[], Document]
    shown: tuple[str, ...]


@dataclass
class OnlyIfAsked:
    """A field that a document without a tree does not show, and that is not worked out then."""

    value: Callable[[], object]


@dataclass
class Tree:
    """Which fields are wanted, each with its own tree; ``only`` are the items wanted of a list."""

    fields: "dict[str, Tree]" = field(default_factory=dict)
    only: slice = field(default_factory=lambda: slice(None))

    @property
    def is_whole(self) -> bool:
        return not self.fields or "*" in self.fields


class BadTree(ValueError):  # noqa: N818  reads as what happened
    """The ``tree`` parameter cannot be read; the real one answers 500."""


def parse_tree(text: str) -> Tree:
    """Read ``number,artifacts[*],builds[number]{0,5}``; raises BadTree."""
    tokens = _TOKEN.findall(text)
    tree = Tree(_members(tokens))
    if tokens:
        raise BadTree(text)
    return tree


def _members(tokens: list[str]) -> dict[str, Tree]:
    found = dict[str, Tree]()
    while tokens and tokens[0] != "]":
        name = tokens.pop(0)
        if name[0] in "[,{}":
            raise BadTree(name)
        found[name] = Tree(_inner(tokens), _range(tokens))
        if tokens and tokens[0] == ",":
            tokens.pop(0)
    return found


def _inner(tokens: list[str]) -> dict[str, Tree]:
    if not tokens or tokens[0] != "[":
        return {}
    tokens.pop(0)
    inner = _members(tokens)
    if not tokens:
        raise BadTree("a bracket is not closed")
    tokens.pop(0)
    return inner


def _range(tokens: list[str]) -> slice:
    """``{2,5}`` without the last one, ``{2,}``, ``{,5}``, or ``{2}`` alone."""
    if not tokens or not tokens[0].startswith("{"):
        return slice(None)
    found = _RANGE.fullmatch(tokens.pop(0))
    if found is None:
        raise BadTree("a range")
    first, comma, end = found.groups()
    if not comma:
        return slice(int(first or 0), int(first or 0) + 1)
    return slice(int(first or 0), int(end) if end else None)


def rendered(value: object, tree: Tree | None, depth: int = 0) -> object:
    """The value as it goes over the wire: what the tree asks for, or what is shown without one at that depth."""
    if isinstance(value, Linked):
        return _linked(value, tree, depth - 1)
    if isinstance(value, list):
        return [rendered(item, tree, depth) for item in (value[tree.only] if tree else value)]
    if isinstance(value, dict):
        return {k: rendered(v, _below(tree, k), depth) for k, v in value.items() if _is_wanted(k, v, tree, depth)}
    return rendered(value.value(), tree, depth) if isinstance(value, OnlyIfAsked) else value


def _linked(link: Linked, tree: Tree | None, depth: int) -> object:
    document = link.document()
    if depth < 0 and (tree is None or tree.is_whole):
        document = {key: value for key, value in document.items() if key in link.shown}
    return rendered(document, tree, depth)


def _below(tree: Tree | None, key: str) -> Tree | None:
    return tree.fields.get(key) if tree else None


def _is_wanted(key: str, value: object, tree: Tree | None, depth: int) -> bool:
    if key == "_class" or (tree is not None and key in tree.fields):
        return True
    if isinstance(value, OnlyIfAsked):
        return tree is None and depth >= _ONLY_IF_ASKED_FROM
    return tree is None or tree.is_whole
