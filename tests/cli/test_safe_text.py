"""Text that others wrote must not command the terminal."""

import re

import pytest
from fakes.hostile_output import HIDDEN, SEQUENCE_NAMES, SEQUENCES
from hypothesis import given
from hypothesis import strategies as st

from cli.safe_text import one_line, plain, safe


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("good\rbad", "goodbad"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]52;c;ZXZpbA==\x1b\\x", "x"),
        ("\x1b[2J\x1b[1;1Hx", "x"),
        ("\x1b[8mhidden", "\x1b[8mhidden"),
        ("\x9b2Jx", "2Jx"),
        ("\x1bcx", "x"),
        ("\x1b]0;never ended", ""),
        ("bell\x07 null\x00", "bell null"),
        ("\u202eevil\u2066", "evil"),
        ("Grüße 日本", "Grüße 日本"),
    ],
)
def test_only_colours_are_left(written: str, shown: str) -> None:
    """Colours, line feeds and tabs stay; every other control goes."""
    assert shown == safe(written)


@pytest.mark.parametrize("hostile", SEQUENCES, ids=SEQUENCE_NAMES)
def test_nothing_that_a_step_prints_commands_the_terminal(hostile: str) -> None:
    """Neither what it would do nor what it would carry is left; the text around it is."""
    shown = safe(f"a{hostile}\nb")
    assert ("a", "b") == (shown[0], shown[-1])
    assert HIDDEN not in shown
    assert not re.search(r"[^\n -~]", shown)


def test_plain_has_no_colours() -> None:
    """For a pipe, colours go as well."""
    assert "red" == plain("\x1b[31mred\x1b[0m")


def test_one_line_folds_line_breaks() -> None:
    """A name with line breaks cannot fake a row of a table."""
    assert "a b" == one_line(" a\r\n  b\n")


@given(st.text(alphabet=st.characters() | st.sampled_from("\x1b[]\\;mJ0\x07\x9b")))
def test_no_text_leaves_a_control_behind(written: str) -> None:
    """Whatever is written: what is left of it has no control but line feed and tab."""
    assert not [c for c in plain(written) if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) <= 0x9F]
