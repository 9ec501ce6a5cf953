"""What a plain word of the file means (YAML 1.2, core schema), and numbers that remember how they were written.

``version: 1.10`` is a number to YAML; where only text makes sense, it is the text ``1.10`` and not ``1.1``.
"""

import re

Value = str | int | float | bool | None

_NAMED: tuple[tuple[str, Value], ...] = (("null", None), ("true", True), ("false", False))
_WORDS: dict[str, Value] = {"": None, "~": None}
_WORDS |= {spelling: value for word, value in _NAMED for spelling in (word, word.capitalize(), word.upper())}
_INTEGER = re.compile(r"[-+]?[0-9]{1,100}|0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BASES = {"0o": 8, "0x": 16}


class WrittenInt(int):
    """A whole number whose text is what the author wrote."""

    written: str

    def __str__(self) -> str:
        return self.written


class WrittenFloat(float):
    """A number whose text is what the author wrote."""

    written: str

    def __str__(self) -> str:
        return self.written


def plain(text: str) -> Value:
    """The meaning of an unquoted word."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        base = _BASES.get(text[:2], 10)
        integer = WrittenInt(text[2:] if base != 10 else text, base)  # noqa: PLR2004  ten fingers
        integer.written = text
        return integer
    if _FLOAT.fullmatch(text):
        number = WrittenFloat(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        number.written = text
        return number
    return text
