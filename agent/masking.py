"""Replace secrets in a stream of bytes, wherever the stream is cut. Standard library only: the step runner uses it."""

import base64
import json
import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import NamedTuple
from urllib.parse import quote, quote_plus

MASK = b"***"
SHORTEST = 4  # shorter values hide nothing, and masking them would make logs unreadable
_BASE64_LINES = (64, 76)
# What the encoders of a URL leave as it is: everything may be quoted; paths; a component and a whole URL in JavaScript.
_UNQUOTED = ("", "/", "!'()*", ";,/?:@&=+$!'()*#")
_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_NOT_IN_HTML = (str.maketrans(_HTML), str.maketrans(_HTML | {"'": "\\u0027", "+": "\\u002b"}))


def spellings(secret: str) -> set[bytes]:
    """The forms in which a secret might be printed: as it is, per line, and each of these encoded."""
    parts = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
    spelt = {form for part in parts if len(part) >= SHORTEST for form in _encoded(part)}
    return {form for form in spelt if len(form) >= SHORTEST}


def _encoded(text: str) -> Iterator[bytes]:
    raw = text.encode(errors="surrogateescape")
    yield raw
    yield from _base64_of(raw)
    for quoted in (*(quote(raw, safe=kept) for kept in _UNQUOTED), quote_plus(raw)):
        yield quoted.encode()
        yield re.sub("%..", lambda match: match.group().lower(), quoted).encode()
    for written in (*_json_of(text), *_shell_of(text)):
        yield written.encode(errors="surrogateescape")


def _json_of(text: str) -> Iterator[str]:
    """Inside of a JSON string, as different libraries escape it."""
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        html_safe = (escaped.translate(table) for table in _NOT_IN_HTML)
        no_quotes = escaped.replace('\\"', "\\u0022").translate(_NOT_IN_HTML[-1])
        yield escaped.replace("/", "\\/")
        for form in (escaped, *html_safe, no_quotes):
            yield form
            yield re.sub(r"\\u[0-9a-f]{4}", _capital_digits, form)


def _capital_digits(escape: re.Match[str]) -> str:
    return "\\u" + escape.group()[2:].upper()


def _shell_of(text: str) -> Iterator[str]:
    """Inside of quotes, as ``set -x`` shows it and as it is typed."""
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")
    yield re.sub(r'([\\"$`])', r"\\\1", text)


def _base64_of(raw: bytes) -> Iterator[bytes]:
    """Base64 of the bytes alone and inside a longer text, which may begin at any of three places in a group."""
    yield base64.b64encode(raw)
    yield base64.urlsafe_b64encode(raw)
    for before in range(3):
        # Characters that also hold bits of the neighbours differ from text to text and are left out.
        stable = slice(-(-before * 8 // 6), (before + len(raw)) * 8 // 6)
        text = base64.b64encode(b"\0" * before + raw)[stable]
        yield text
        yield text.translate(bytes.maketrans(b"+/", b"-_"))
        for width in _BASE64_LINES:
            if before == 0 and len(text) > width:
                yield from (text[start : start + width] for start in range(0, len(text), width))


class _Layer(NamedTuple):
    """Some of the forms, and what finds them."""

    forms: frozenset[bytes]
    pattern: re.Pattern[bytes]


class Masker:
    """Feed it pieces, take out what may be shown. The result does not depend on where the pieces were cut.

    Occurrences that overlap are masked as one. Only an end that may grow into a secret is kept back. Secrets may be
    added at any time: they are masked in all that was not taken out yet.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms: list[bytes] = []  # sorted
        self._layers: list[_Layer] = []
        self._longest = 0
        self._first_bytes: set[int] = set()
        self._pending = b""
        self._covered = 0  # so many pending bytes belong to an occurrence whose mask is out already
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these, too, from now on."""
        known = frozenset[bytes]().union(*(layer.forms for layer in self._layers))
        fresh = frozenset(form for secret in secrets for form in spellings(secret)) - known
        for form in fresh:
            insort(self._forms, form)
            self._first_bytes.add(form[0])
            self._longest = max(self._longest, len(form))
        # A layer is merged with those that are not larger, so that of many single secrets each is compiled seldom.
        while fresh and self._layers and len(self._layers[-1].forms) <= len(fresh):
            fresh |= self._layers.pop().forms
        if fresh:
            self._layers.append(_Layer(fresh, _longest_of(fresh)))

    def feed(self, piece: bytes) -> bytes:
        """What may be shown now."""
        if not self._forms:
            return piece
        self._pending += piece
        return self._take(self._start_of_unfinished())

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        return self._take(len(self._pending)) if self._forms else b""

    def masked(self, text: str) -> str:
        """A text that stands for itself, beside the stream."""
        return self.masked_bytes(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")

    def masked_bytes(self, content: bytes) -> bytes:
        """Bytes that stand for themselves, beside the stream."""
        return self._shown(content, len(content), 0)[0]

    def _start_of_unfinished(self) -> int:
        text = self._pending
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start] in self._first_bytes and self._may_grow(text[start:]):
                return start
        return len(text)

    def _may_grow(self, end: bytes) -> bool:
        """Whether a form begins with these bytes and is longer."""
        place = bisect_left(self._forms, end)
        place += place < len(self._forms) and self._forms[place] == end
        return place < len(self._forms) and self._forms[place].startswith(end)

    def _take(self, limit: int) -> bytes:
        """Mask what begins before ``limit``; later bytes stay pending, even those a mask already covers."""
        shown, done = self._shown(self._pending, limit, self._covered)
        self._pending, self._covered = self._pending[limit:], done - limit
        return shown

    def _shown(self, text: bytes, limit: int, covered: int) -> tuple[bytes, int]:
        """What may be shown of the text, and up to where it is done with; the first bytes may be covered already."""
        shown, done = bytearray(), covered
        for start, end in merge(*(_occurrences(layer.pattern, text, limit) for layer in self._layers)):
            if start >= done:
                shown += text[done:start] + MASK
            done = max(done, end)
        if done < limit:
            shown += text[done:limit]
            done = limit
        return bytes(shown), done


def _occurrences(pattern: re.Pattern[bytes], text: bytes, limit: int) -> Iterator[tuple[int, int]]:
    """Start and end of the longest form at every place before ``limit`` where one begins."""
    found = pattern.search(text)
    while found and found.start() < limit:
        yield found.span()
        # Another one may begin inside this one.
        found = pattern.search(text, found.start() + 1)


def _longest_of(forms: Iterable[bytes]) -> re.Pattern[bytes]:
    """Matches the longest form at a place. Alternatives are grouped by their first byte, which is ten times as fast."""
    groups: dict[bytes, list[bytes]] = {}
    for form in sorted(forms, key=lambda form: (-len(form), form)):
        groups.setdefault(form[:1], []).append(re.escape(form[1:]))
    return re.compile(b"|".join(re.escape(first) + b"(?:" + b"|".join(rest) + b")" for first, rest in groups.items()))
