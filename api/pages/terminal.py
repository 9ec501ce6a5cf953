"""Output of a step as safe lines: colours and weight are kept as class names, every other control is dropped.

``static/log.js`` does the same in the browser for what arrives live; a test holds the two together.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|(?P<newline>\r?\n)"
    r"|(?P<cr>\r)"
    r"|(?P<control>\x1b\[[0-?]*[ -/]*[@-~]"  # other CSI
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"  # other escapes
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # controls but tab
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff])"  # what turns the direction of text
    r"|(?P<separator>[\u2028\u2029])"
    r"|(?P<text>[^\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]+)"
)
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_MARKED = re.compile(r"^##\[(error|warning|section|command|group|endgroup|debug)\]")
_WEIGHTS = {1: "bold", 2: "dim", 3: "italic", 4: "underline"}
_WEIGHTS_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",)}
_EXTENDED = {38, 48}
_INDEXED, _RGB = 5, 2
_BASIC = 16


@dataclass
class Span:
    """Text of one look; ``classes`` are names for the stylesheet, parted by spaces."""

    text: str
    classes: str


@dataclass
class Line:
    """One line; ``mark`` is what an Azure-style ``##[error]`` at its start says, else empty."""

    spans: list[Span] = field(default_factory=list)

    @property
    def mark(self) -> str:
        found = _MARKED.match(self.text)
        return found[1] if found else ""

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)

    @property
    def unmarked(self) -> list[Span]:
        """The line without its mark."""
        left = len(f"##[{self.mark}]") if self.mark else 0
        spans: list[Span] = []
        for span in self.spans:
            if len(span.text) > left:
                spans.append(Span(span.text[left:], span.classes))
            left = max(0, left - len(span.text))
        return spans


def lines(text: str) -> list[Line]:
    """Read the whole text. A carriage return starts its line anew, as on a terminal, so progress bars stay one line."""
    screen = _Screen()
    for token in _TOKEN.finditer(text):
        screen.take(token)
    return screen.done()


class _Screen:
    """The lines so far, and how the next text looks."""

    def __init__(self) -> None:
        self._lines: list[Line] = [Line()]
        self._weights: list[str] = []
        self._foreground = self._background = ""
        self._starts_anew = False

    def take(self, token: re.Match[str]) -> None:
        kind = token.lastgroup
        if kind == "text":
            self._write(token[0])
        elif kind == "separator":
            self._write(" ")
        elif kind == "newline":
            self._lines.append(Line())
            self._starts_anew = False
        elif kind == "cr":
            self._starts_anew = True
        elif kind == "sgr":
            self._restyle([int(code or 0) for code in re.split("[;:]", token["sgr"][:64])])

    def done(self) -> list[Line]:
        return self._lines if self._lines[-1].spans else self._lines[:-1]

    def _write(self, text: str) -> None:
        line = self._lines[-1]
        if self._starts_anew:
            line.spans.clear()
            self._starts_anew = False
        classes = " ".join(filter(None, (*self._weights, self._foreground, self._background)))
        if line.spans and line.spans[-1].classes == classes:
            line.spans[-1].text += text
        else:
            line.spans.append(Span(text, classes))

    def _restyle(self, codes: list[int]) -> None:
        codes.reverse()
        while codes:
            code = codes.pop()
            if code in _EXTENDED:
                self._colour(code - 38, _extended(codes))
            else:
                self._set(code)

    def _set(self, code: int) -> None:
        if code == 0:
            self._weights, self._foreground, self._background = [], "", ""
        elif code in _WEIGHTS:
            self._weights = [*(w for w in self._weights if w != _WEIGHTS[code]), _WEIGHTS[code]]
        elif code in _WEIGHTS_OFF:
            self._weights = [w for w in self._weights if w not in _WEIGHTS_OFF[code]]
        elif code in {39, 49}:
            self._colour(code - 39, "")
        elif code // 10 in {3, 4, 9, 10} and code % 10 < len(_COLOURS):
            name = ("bright-" if code >= 90 else "") + _COLOURS[code % 10]  # noqa: PLR2004  SGR 90 to 107 are bright
            self._colour(0 if code // 10 in {3, 9} else 10, name)

    def _colour(self, offset: int, name: str) -> None:
        if offset == 0:
            self._foreground = f"fg-{name}" if name else ""
        else:
            self._background = f"bg-{name}" if name else ""


def _extended(codes: list[int]) -> str:
    """The colour after 38 or 48: one of the sixteen by index, none for richer ones (styles are closed to them)."""
    kind = codes.pop() if codes else 0
    taken = [codes.pop() for _ in range(min(len(codes), 1 if kind == _INDEXED else 3 if kind == _RGB else 0))]
    if kind != _INDEXED or not taken or taken[0] >= _BASIC:
        return ""
    return ("bright-" if taken[0] >= len(_COLOURS) else "") + _COLOURS[taken[0] % len(_COLOURS)]
