"""Read a YAML 1.2 (or JSON) text into a tree.

The tree is built from the parser's events, so limits hold while reading: on size, on depth, and on what aliases
expand to. Problems that leave a usable tree are collected; others end the reading.
"""

import re
from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import Event

from authoring.problem import BrokenPipeline, Problem, shown
from authoring.syntax import in_plain_words, position
from authoring.tree import START, Mark, Node
from authoring.tree_builder import TreeBuilder

LARGEST_FILE = 256 * 1024
# Unicode's own line breaks are left out, too: the parser drops blanks around them, even between quotes.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def read(text: str, file: str) -> tuple[Node, list[Problem]]:
    """The tree and what is wrong with it so far; raises BrokenPipeline when there is no tree to speak of."""
    text = text.removeprefix("\ufeff")
    _check_characters(text, file)
    builder = TreeBuilder(file)
    try:
        for event in _events(text):
            builder.take(event)
    except MarkedYAMLError as error:
        raise BrokenPipeline((*builder.problems, _at(file, Mark(*position(error)), in_plain_words(error)))) from None
    except (YAMLError, ValueError) as error:
        raise BrokenPipeline((*builder.problems, _at(file, START, f"this is no YAML: {shown(error)}"))) from None
    if builder.root is None:
        raise BrokenPipeline((_at(file, START, "the file is empty; it must hold a pipeline"),))
    return builder.root, builder.problems


def _check_characters(text: str, file: str) -> None:
    if len(text.encode(errors="replace")) > LARGEST_FILE:
        message = f"the file is larger than {LARGEST_FILE // 1024} KiB, the most a pipeline file may be"
        raise BrokenPipeline((_at(file, START, message),))
    found = _UNPRINTABLE.search(text)
    if found:
        start = found.start()
        mark = Mark(text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))
        raise BrokenPipeline((_at(file, mark, f"the character U+{ord(found[0]):04X} must not stand in the file"),))


def _events(text: str) -> Iterator[Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


def _at(file: str, mark: Mark, message: str) -> Problem:
    return Problem(file=file, line=mark.line, column=mark.column, path="", message=message)
