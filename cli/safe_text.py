"""Text that others wrote (names, comments, logs) made fit for a terminal: nothing in it may command the terminal.

Colours stay; cursor movement, window titles, clipboard writes, carriage returns and text direction marks go.
"""

import re

_COLOUR = r"\x1b\[[0-9;:]*m"
# A complete escape sequence other than a colour: OSC/DCS strings to their end, CSI, then two-byte ones.
_COMMAND = r"\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
_UNSAFE = re.compile(f"({_COLOUR})|{_COMMAND}|{_CONTROL}")
_COLOURS = re.compile(_COLOUR)
_LINE_BREAKS = re.compile(r"\s*[\r\n]+\s*")


def safe(text: str) -> str:
    """Without control characters, but with line feeds, tabs and colours."""
    return _UNSAFE.sub(lambda found: found[1] or "", text.replace("\r\n", "\n"))


def plain(text: str) -> str:
    """Safe, and without colours."""
    return _COLOURS.sub("", safe(text))


def one_line(text: str) -> str:
    """Plain, on one line: for a cell of a table or a sentence."""
    return plain(_LINE_BREAKS.sub(" ", text)).strip()
