"""Builds the tree from the parser's events, and holds the limits on the way."""

import re
from dataclasses import dataclass

from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from authoring.problem import BrokenPipeline, Path, Problem, shown, spell
from authoring.scalars import Value, plain
from authoring.tree import Mark, Node

MOST_NODES = 20_000
MOST_CHARACTERS = 1024 * 1024
DEEPEST = 40
MOST_PROBLEMS = 100
_FORBIDDEN_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff]")


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read; for a mapping, the key whose value comes next."""

    node: Node
    anchor: str | None
    key: str | None = None
    key_mark: Mark | None = None


class TreeBuilder:
    """Takes events one by one; afterwards ``root`` is the tree, ``problems`` what was wrong without ending it."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[_Open] = []
        self._anchored: dict[str, Node] = {}
        self._documents = 0
        self._nodes = 0
        self._characters = 0

    def take(self, event: Event) -> None:
        """Take the next event; raises BrokenPipeline when there is no going on."""
        if isinstance(event, DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, ScalarEvent):
            self._take_scalar(event)
        elif isinstance(event, AliasEvent):
            self._take_alias(event)
        elif isinstance(event, SequenceStartEvent | MappingStartEvent):
            self._start(event)
        elif isinstance(event, SequenceEndEvent | MappingEndEvent):
            ended = self._open.pop()
            self._place(ended.node, ended.anchor)

    def _start_document(self, event: Event) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._end(event, 'a second document starts here ("---"); write one pipeline per file')

    def _take_scalar(self, event: ScalarEvent) -> None:
        self._count(event, nodes=1, characters=len(event.value))
        self._check_tag(event)
        if self._expects_key():
            self._take_key(event)
            return
        # Where nothing is written the parser points behind it; people look for the key.
        key_mark = self._open[-1].key_mark if self._open and not event.value else None
        mark = key_mark or _mark(event)
        self._place(Node(mark, self._value(event), characters=len(event.value)), event.anchor)

    def _value(self, event: ScalarEvent) -> Value:
        written: str = event.value
        if event.style is None:
            return plain(written)
        return self._text(event)

    def _text(self, event: ScalarEvent) -> str:
        # JSON writes characters beyond U+FFFF as two escapes; together they are one character.
        text: str = event.value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        found = _FORBIDDEN_IN_TEXT.search(text)
        if found:
            self._complain(event, f"the character U+{ord(found[0]):04X} must not stand in text")
            return ""
        return text

    def _take_key(self, event: ScalarEvent) -> None:
        if event.value == "<<" and event.style is None:
            raise self._end(event, "merge keys (<<) are not part of YAML 1.2; write the keys out")
        self._open[-1].key = self._text(event)
        self._open[-1].key_mark = _mark(event)

    def _take_alias(self, event: AliasEvent) -> None:
        if self._expects_key():
            raise self._end(event, "a key must be plain text")
        name = str(event.anchor)
        target = self._anchored.get(name)
        if target is None:
            is_inside = any(one.anchor == name for one in self._open)
            why = "stands inside what it refers to" if is_inside else "refers to no anchor above it"
            raise self._end(event, f"the alias *{name} {why}")
        self._count(event, target.nodes, target.characters)
        self._place(target, None)

    def _start(self, event: SequenceStartEvent | MappingStartEvent) -> None:
        self._count(event, nodes=1, characters=0)
        self._check_tag(event)
        if self._expects_key():
            raise self._end(event, "a key must be plain text; text that starts with { or [ needs quotes")
        if len(self._open) >= DEEPEST:
            raise self._end(event, f"this is nested more than {DEEPEST} levels deep")
        content: list[Node] | dict[str, Node] = [] if isinstance(event, SequenceStartEvent) else {}
        self._open.append(_Open(Node(_mark(event), content), event.anchor))

    def _place(self, node: Node, anchor: str | None) -> None:
        """Put a finished value where it belongs."""
        if anchor is not None:
            self._anchored[anchor] = node
        if not self._open:
            self.root = node
            return
        into = self._open[-1]
        into.node.nodes += node.nodes
        into.node.characters += node.characters
        if isinstance(into.node.content, list):
            into.node.content.append(node)
        elif isinstance(into.node.content, dict):
            self._place_under_key(into, into.node.content, node)

    def _place_under_key(self, into: _Open, content: dict[str, Node], node: Node) -> None:
        key, mark = into.key, into.key_mark
        assert key is not None, "the parser gives a key before each value"
        assert mark is not None, "a key has a place"
        if key in content:
            first = into.node.keys[key].line
            self._add(mark, f"the key {shown(key)} stands here a second time; the first is in line {first}")
        else:
            content[key] = node
            into.node.keys[key] = mark
        into.key = None

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].node.content, dict) and self._open[-1].key is None

    def _check_tag(self, event: NodeEvent) -> None:
        tag = getattr(event, "ctag", None)
        if tag is not None:
            self._complain(event, f"tags such as {shown(tag)} are not used here; use quotes for text")

    def _count(self, event: Event, nodes: int, characters: int) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > MOST_NODES:
            raise self._end(event, f"the file holds more than {MOST_NODES:,} values, aliases expanded")
        if self._characters > MOST_CHARACTERS:
            raise self._end(event, f"the file holds more than {MOST_CHARACTERS:,} characters, aliases expanded")

    def _path(self) -> Path:
        steps: list[str | int] = []
        for one in self._open:
            if isinstance(one.node.content, list):
                steps.append(len(one.node.content))
            elif one.key is not None:
                steps.append(one.key)
        return tuple(steps)

    def _complain(self, event: Event, message: str) -> None:
        self._add(_mark(event), message)

    def _add(self, mark: Mark, message: str) -> None:
        self.problems.append(self._problem(mark, message))
        if len(self.problems) >= MOST_PROBLEMS:
            raise BrokenPipeline(tuple(self.problems))

    def _end(self, event: Event, message: str) -> BrokenPipeline:
        return BrokenPipeline((*self.problems, self._problem(_mark(event), message)))

    def _problem(self, mark: Mark, message: str) -> Problem:
        return Problem(file=self._file, line=mark.line, column=mark.column, path=spell(self._path()), message=message)


def _mark(event: Event) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)
