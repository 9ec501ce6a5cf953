"""The pipeline file as a tree that knows the line and column of everything in it."""

from dataclasses import dataclass, field

from authoring.problem import Path
from authoring.scalars import Value


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text, both counted from 1."""

    line: int
    column: int


START = Mark(1, 1)


@dataclass(slots=True)
class Node:
    """A value with its place, and for a mapping the places of its keys.

    ``nodes`` and ``characters`` are its size with aliases expanded.
    """

    mark: Mark
    content: "Value | list[Node] | dict[str, Node]"
    keys: dict[str, Mark] = field(default_factory=dict)
    nodes: int = 1
    characters: int = 0


def data(node: Node) -> object:
    """The tree as plain values."""
    if isinstance(node.content, list):
        return [data(item) for item in node.content]
    if isinstance(node.content, dict):
        return {key: data(item) for key, item in node.content.items()}
    return node.content


def child(node: Node, step: str | int) -> Node | None:
    """What is under the key, or at the index."""
    if isinstance(node.content, dict) and isinstance(step, str):
        return node.content.get(step)
    if isinstance(node.content, list) and isinstance(step, int) and step < len(node.content):
        return node.content[step]
    return None


def find(root: Node, path: Path) -> Node | None:
    """What is at the path."""
    node: Node | None = root
    for step in path:
        node = child(node, step) if node else None
    return node


def place(root: Node, path: Path) -> Mark:
    """Where the path is in the text, or as near as there is something.

    A short value is where it stands, a list or mapping where its key stands.
    """
    mark, node = root.mark, root
    for step in path:
        inner = child(node, step)
        if inner is None:
            break
        is_short = isinstance(step, int) or not isinstance(inner.content, list | dict)
        mark = inner.mark if is_short else node.keys[str(step)]
        node = inner
    return mark


def place_of_key(root: Node, path: Path) -> Mark:
    """Where the key at the end of the path stands."""
    parent = find(root, path[:-1])
    return (parent.keys.get(str(path[-1])) if parent else None) or place(root, path)
