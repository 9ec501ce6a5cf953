"""Unquoted words mean what YAML 1.2 says, and numbers remember their spelling."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authoring.scalars import plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("on", "on"),
        ("12", 12),
        ("-7", -7),
        ("010", 10),
        ("0o17", 15),
        ("0x1f", 31),
        ("1_000", "1_000"),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("12:30", "12:30"),
        ("2026-11-23", "2026-11-23"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        (".", "."),
    ],
)
def test_a_plain_word_means_what_the_core_schema_says(text: str, expected: object) -> None:
    """No year-1.1 surprises: ``yes`` and ``on`` are text."""
    assert expected == plain(text)
    assert type(expected) in type(plain(text)).__mro__


def test_the_numbers_that_are_none_are_read_too() -> None:
    """Infinity and not-a-number have their own words."""
    assert math.inf == plain(".inf")
    assert -math.inf == plain("-.INF")
    assert math.isnan(float(str(plain(".NaN")).strip(".")))


@given(st.from_regex(r"[-+]?[0-9]{1,20}(\.[0-9]{0,10})?([eE][-+]?[0-9]{1,3})?", fullmatch=True))
def test_a_number_remembers_how_it_was_written(text: str) -> None:
    """``1.10`` is not ``1.1`` where text is meant."""
    assert text == str(plain(text))


@given(st.text())
def test_any_word_means_something(text: str) -> None:
    """Nothing a person can write makes the reading fail."""
    assert plain(text) is None or str(plain(text)) in {text, text.capitalize()}
