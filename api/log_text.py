"""Cutting a log into pieces of text at the borders of characters, whatever bytes it holds."""

_LONGEST_CHARACTER = 4
_CONTINUATION = range(0x80, 0xC0)
_LENGTH_OF_FIRST_BYTE = {range(0xC0, 0xE0): 2, range(0xE0, 0xF0): 3, range(0xF0, 0xF8): 4}


def whole_characters(data: bytes) -> int:
    """How many bytes end with a whole UTF-8 character. Bytes that are no UTF-8 count as whole."""
    for back in range(1, min(_LONGEST_CHARACTER, len(data)) + 1):
        byte = data[-back]
        if byte not in _CONTINUATION:
            return len(data) - back if back < _length_of(byte) else len(data)
    return len(data)


def _length_of(first: int) -> int:
    """How long the character is that begins with this byte."""
    return next((length for bytes_, length in _LENGTH_OF_FIRST_BYTE.items() if first in bytes_), 1)
