"""Where things are printed: data on stdout, talk on stderr, colours only where a person reads."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, TextIO

import typer

from cli.safe_text import one_line, plain


class OutputFormat(StrEnum):
    """How data is printed."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="text for people, json for the API's own answer.")]

_COLOURS = {
    "succeeded": "green",
    "approved": "green",
    "approve": "green",
    "online": "green",
    "ok": "green",
    "partially succeeded": "yellow",
    "waiting": "yellow",
    "pending": "yellow",
    "in progress": "cyan",
    "running": "cyan",
    "active": "cyan",
    "requested": "cyan",
    "failed": "red",
    "rejected": "red",
    "reject": "red",
    "expired": "red",
    "unknown": "red",
    "timed out": "red",
    "offline": "red",
}


def examples(*lines: str) -> str:
    """The end of a command's help: how it is used."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def has_colours(stream: TextIO) -> bool:
    """By NO_COLOR, FORCE_COLOR, TERM and whether a person reads the stream."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def is_live(stream: TextIO) -> bool:
    """Whether lines may be redrawn in place."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """Talk: for the person, not for the pipe. The text is trusted or was made safe."""
    print(text, file=sys.stderr, flush=True)


def print_json(answer: object) -> None:
    """Print an answer of the API as it came. Not-ASCII is escaped, so no name in it can command a terminal."""
    print(json.dumps(answer, indent=2), flush=True)


def coloured(status: str) -> str:
    """The status in its colour, where there are colours; the word alone says it all."""
    word = one_line(status)
    colour = _COLOURS.get(word)
    return typer.style(word, fg=colour) if colour and has_colours(sys.stdout) else word


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]], *, none: str) -> None:
    """Print aligned columns; the words of ``none`` go to stderr when there are no rows."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    if not cells:
        say(none)
        return
    widths = [max(len(line[at]) for line in [list(header), *cells]) for at in range(len(header))]
    print(_row([title.upper() for title in header], widths))
    for line in cells:
        print(_row(line, widths))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [coloured(cell) + " " * (width - len(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()


def print_fields(fields: Iterable[tuple[str, str | None]]) -> None:
    """Print ``name: value`` lines, aligned; empty values are left out."""
    shown = [(name, value) for name, value in fields if value]
    width = max((len(name) for name, _ in shown), default=0) + 1
    for name, value in shown:
        lines = [coloured(value)] if "\n" not in value.strip() else plain(value).strip().splitlines()
        print(f"{name + ':':<{width}} {lines[0]}")
        for line in lines[1:]:
            print(f"{'':<{width}} {line}")
