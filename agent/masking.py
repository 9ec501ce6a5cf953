"""Replace secrets in a stream of bytes, wherever the stream is cut. Standard library only: the step runner uses it."""

import base64
import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = b"***"
_SHORTEST = 4
_BASE64_LINES = (64, 76)


def spellings(secret: str) -> set[bytes]:
    """The forms in which a secret might be printed: as it is, per line, and each of these encoded."""
    parts = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
    spelt = {form for part in parts if len(part) >= _SHORTEST for form in _encoded(part)}
    return {form for form in spelt if len(form) >= _SHORTEST}


def _encoded(text: str) -> Iterator[bytes]:
    raw = text.encode(errors="surrogateescape")
    yield raw
    yield from _base64_of(raw)
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield quoted.encode()
        yield re.sub("%..", lambda match: match.group().lower(), quoted).encode()
    for ascii_only in (True, False):
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode(errors="surrogateescape")


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


class Masker:
    """Feed it pieces, take out what may be shown. The result does not depend on where the pieces were cut.

    Occurrences that overlap are masked as one. Only an end that may grow into a secret is kept back.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in spellings(secret)}
        self._forms = sorted(forms)
        self._longest = max(map(len, forms), default=0)
        self._first_bytes = {form[0] for form in forms}
        self._pattern = _longest_of(forms)
        self._pending = b""
        self._covered = 0  # so many pending bytes belong to an occurrence whose mask is out already

    def feed(self, piece: bytes) -> bytes:
        """What may be shown now."""
        if not self._forms:
            return piece
        self._pending += piece
        return self._take(self._start_of_unfinished())

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        return self._take(len(self._pending)) if self._forms else b""

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
        text, shown, done = self._pending, bytearray(), self._covered
        for start, end in self._occurrences(limit):
            if start >= done:
                shown += text[done:start] + MASK
            done = max(done, end)
        if done < limit:
            shown += text[done:limit]
            done = limit
        self._pending, self._covered = text[limit:], done - limit
        return bytes(shown)

    def _occurrences(self, limit: int) -> Iterator[tuple[int, int]]:
        """Start and end of the longest form at every place before ``limit`` where one begins."""
        found = self._pattern.search(self._pending)
        while found and found.start() < limit:
            yield found.span()
            # Another one may begin inside this one.
            found = self._pattern.search(self._pending, found.start() + 1)


def _longest_of(forms: set[bytes]) -> re.Pattern[bytes]:
    """Matches the longest form at a place. Alternatives are grouped by their first byte, which is ten times as fast."""
    groups: dict[bytes, list[bytes]] = {}
    for form in sorted(forms, key=lambda form: (-len(form), form)):
        groups.setdefault(form[:1], []).append(re.escape(form[1:]))
    return re.compile(b"|".join(re.escape(first) + b"(?:" + b"|".join(rest) + b")" for first, rest in groups.items()))
