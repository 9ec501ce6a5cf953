"""Secrets in streams of bytes."""

import base64
import json
import re
import shlex
from collections.abc import Callable, Sequence
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.masking import MASK, Masker

SECRET = 'p/ss+w0rd&"\\=é tail'  # every spelling of it differs


GO = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
ENCODERS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "URL": lambda text: quote(text, safe=""),
    "URL path": quote,
    "form": quote_plus,
    "encodeURIComponent": lambda text: quote(text, safe="!'()*"),
    "encodeURI": lambda text: quote(text, safe=";,/?:@&=+$!'()*#"),
    "small hex digits": lambda text: re.sub("%..", lambda escape: escape.group().lower(), quote(text, safe="")),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON of Go": lambda text: json.dumps(text, ensure_ascii=False)[1:-1].translate(GO),
    "shell": lambda text: shlex.quote(text)[1:-1] if shlex.quote(text) != text else text,
}


def cut(raw: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The bytes in pieces of these sizes, and what is left."""
    pieces, start = [], 0
    for size in [*sizes, len(raw)]:
        pieces.append(raw[start : start + size])
        start += size
    return pieces


def masked(pieces: Sequence[bytes], *secrets: str) -> bytes:
    masker = Masker(secrets)
    return b"".join([*map(masker.feed, pieces), masker.flush()])


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET.encode(),
        base64.b64encode(SECRET.encode()),
        base64.urlsafe_b64encode(SECRET.encode()),
        quote_plus(SECRET).encode(),
        quote_plus(SECRET).lower().encode().replace(b"tail", b"tail"),
        json.dumps(SECRET)[1:-1].encode(),
        json.dumps(SECRET, ensure_ascii=False)[1:-1].encode(),
    ],
)
def test_every_usual_spelling_is_masked(spelling: bytes) -> None:
    """Plain, base64, URL-quoted and JSON-escaped, a secret never shows."""
    assert b"<" + MASK + b">\n" == masked([b"<", spelling, b">\n"], SECRET)


@pytest.mark.parametrize("before", ["", "a", "ab", "user:"])
def test_base64_of_a_text_that_contains_the_secret_gives_nothing_away(before: str) -> None:
    """A basic-auth header, say: only characters that also hold bits of the neighbours stay."""
    secret = "correct-horse-battery"
    text = base64.b64encode(f"{before}{secret}:z".encode())
    shown = masked([text], secret)
    assert MASK in shown
    assert len(shown) - len(MASK) <= len(base64.b64encode(before.encode())) + 8


def test_each_line_of_a_secret_is_masked() -> None:
    """A key that is printed with a prefix before every line is still hidden."""
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\r\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
    printed = b"".join(b"  > " + line.encode() + b"\n" for line in key.splitlines())
    assert b"  > ***\n" * 4 == masked([printed], key)


def test_wrapped_base64_is_masked() -> None:
    """What the base64 command prints of a long secret, line by line."""
    secret = "".join(f"{number:03d}" for number in range(60))
    wrapped = base64.encodebytes(secret.encode())
    assert masked([wrapped], secret).replace(MASK, b"").strip(b"\n=\n") == b""


@pytest.mark.parametrize("width", [64, 76])
def test_the_last_line_of_wrapped_base64_is_masked(width: int) -> None:
    """Though it is partial; what stays is its end, which holds less than a byte of the secret."""
    secret = "".join(f"{number:03d}" for number in range(80))[:100]
    text = base64.b64encode(secret.encode())
    wrapped = b"".join(text[start : start + width] + b"\n" for start in range(0, len(text), width))
    lines = masked([wrapped], secret).splitlines()
    assert [MASK] * (len(lines) - 1) + [MASK + text[-3:]] == lines
    assert text.endswith(b"==")


def test_short_values_are_left_alone() -> None:
    """Masking ``yes`` would make logs unreadable and hide nothing."""
    assert b"yes 123\n" == masked([b"yes 123\n"], "yes", "123", "")


def test_a_line_appears_at_once_unless_its_end_may_begin_a_secret() -> None:
    """Output is kept back only while it can still become a secret."""
    masker = Masker(["hunter22"])
    assert b"ready\n" == masker.feed(b"ready\n")
    assert b"user " == masker.feed(b"user hunt")
    assert b"hunting\n" == masker.feed(b"ing\n")
    assert b"pass ***" == masker.feed(b"pass hunter22")


def test_overlapping_secrets_are_masked_as_one() -> None:
    """No part of the second secret shows behind the first."""
    assert b"[***]" == masked([b"[abcdefgh]"], "abcdef", "defgh")


def test_the_longest_of_secrets_that_begin_alike_is_masked() -> None:
    """A secret that begins with another one is hidden whole."""
    assert b"***!" == masked([b"secret", b"-and-more!"], "secret", "secret-and-more")


@given(
    secrets=st.lists(st.text("ab", min_size=4, max_size=7), min_size=1, max_size=3),
    text=st.text("abc", max_size=60),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=60),
)
def test_cuts_change_nothing(secrets: list[str], text: str, cuts: list[int]) -> None:
    """However a stream is cut, what is shown is the same, and holds no secret."""
    raw = text.encode()
    shown = masked(cut(raw, cuts), *secrets)
    assert masked([raw], *secrets) == shown
    assert not [secret for secret in secrets if secret.encode() in shown.replace(MASK, b"\0")]


@given(raw=st.binary(max_size=200), cut=st.integers(0, 200))
def test_what_holds_no_secret_passes_unchanged(raw: bytes, cut: int) -> None:
    """Bytes are bytes: no decoding, no line ends, nothing lost at the end."""
    assert raw == masked([raw[:cut], raw[cut:]], "a secret that does not occur in random bytes")


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@given(
    secret=st.text("abcXYZ019 +/=&<>'\"\\$é€-_", min_size=4, max_size=24).filter(lambda text: len(text.strip()) > 3),
    before=st.sampled_from(["", "a", "ab", "user:", '{"k": "']),
    cuts=st.lists(st.integers(1, 7), max_size=30),
)
@settings(max_examples=40)
def test_no_encoding_shows_a_secret_wherever_the_output_is_cut(
    encoder: str, secret: str, before: str, cuts: list[int]
) -> None:
    """Plain, base64, URL, JSON and shell, whatever stands before it."""
    printed = f"{before}{ENCODERS[encoder](secret)}|".encode()
    shown = masked(cut(printed, cuts), secret)
    assert shown.startswith(before.encode() + MASK)
    assert secret.encode() not in shown.replace(MASK, b"\0")


@given(
    lines=st.lists(st.text("abcdefgh0123+/=", min_size=4, max_size=20), min_size=2, max_size=5, unique=True),
    end=st.sampled_from(["\n", "\r\n"]),
    cuts=st.lists(st.integers(1, 9), max_size=40),
)
@settings(max_examples=60)
def test_no_line_of_a_secret_shows(lines: list[str], end: str, cuts: list[int]) -> None:
    """Of keys and certificates, also when they are printed line by line with something before each."""
    printed = "".join(f"# {line}{end}" for line in reversed(lines)).encode()
    shown = masked(cut(printed, cuts), end.join(lines)).replace(MASK, b"\0")
    assert [] == [line for line in lines if line.encode() in shown]


@given(
    old=st.lists(st.text("ab", min_size=4, max_size=7), max_size=2),
    new=st.lists(st.text("abc", min_size=4, max_size=7), min_size=1, max_size=6),
    before=st.text("abc", max_size=20),
    after=st.text("abc", max_size=40),
    cuts=st.lists(st.integers(1, 9), max_size=40),
)
def test_secrets_that_are_added_are_masked_from_then_on(
    old: list[str], new: list[str], before: str, after: str, cuts: list[int]
) -> None:
    """One by one or all at once, the same is shown, and none of them."""
    masker, together = Masker(old), Masker(old)
    shown = masker.feed(before.encode())
    assert shown == together.feed(before.encode())
    for secret in new:
        masker.add([secret])
    together.add(new)
    later = b"".join([*map(masker.feed, cut(after.encode(), cuts)), masker.flush()])
    assert together.feed(after.encode()) + together.flush() == later
    hidden = later.replace(MASK, b"\0")
    assert [] == [secret for secret in [*old, *new] if secret.encode() in hidden]


def test_a_text_beside_the_stream_is_masked_without_touching_it() -> None:
    """Such as the message of an issue, while the output waits for the rest of a secret."""
    masker = Masker(["hunter22"])
    assert b"pass " == masker.feed(b"pass hunt")
    assert "no ***, é" == masker.masked("no hunter22, é")
    assert b"***" == masker.feed(b"er22")


def test_hundreds_of_secrets_can_be_added_one_by_one() -> None:
    """Each is compiled a few times, not hundreds of times."""
    masker = Masker([])
    for number in range(300):
        masker.add([f"secret-{number:04}-x"])
    assert 10 > len(masker._layers)
    assert b"***\n" == masker.feed(b"secret-0000-x\n")
