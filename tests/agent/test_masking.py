"""Secrets in streams of bytes."""

import base64
import json
from collections.abc import Sequence
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.masking import MASK, Masker

SECRET = 'p/ss+w0rd&"\\=é tail'  # every spelling of it differs


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
    raw, pieces, start = text.encode(), [], 0
    for size in [*cuts, len(raw)]:
        pieces.append(raw[start : start + size])
        start += size
    shown = masked(pieces, *secrets)
    assert masked([raw], *secrets) == shown
    assert not [secret for secret in secrets if secret.encode() in shown.replace(MASK, b"\0")]


@given(raw=st.binary(max_size=200), cut=st.integers(0, 200))
def test_what_holds_no_secret_passes_unchanged(raw: bytes, cut: int) -> None:
    """Bytes are bytes: no decoding, no line ends, nothing lost at the end."""
    assert raw == masked([raw[:cut], raw[cut:]], "a secret that does not occur in random bytes")
