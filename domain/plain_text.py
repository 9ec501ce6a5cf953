"""Words of others, made fit for plain text: none of them commands a terminal, turns what follows, or makes a line."""

import re

_NOT_PRINTED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Without characters that a terminal obeys, or that make text read in another order than it is written."""
    return _NOT_PRINTED.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def one_line(text: str) -> str:
    """So that no name makes a line of its own, or a header."""
    return " ".join(printable(text).split())
