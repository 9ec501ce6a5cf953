"""Guessing what a person meant."""

import pytest

from domain.nearest import did_you_mean


@pytest.mark.parametrize(
    ("wrong", "words"),
    [("webshp", "; did you mean webshop?"), ("WEBSHOP", "; did you mean webshop?"), ("billing", ""), ("", "")],
)
def test_only_a_name_that_is_near_is_guessed(wrong: str, words: str) -> None:
    """A slip of the finger or of the shift key; no guess is better than a wild one."""
    assert words == did_you_mean(wrong, ["webshop", "hotfix"])
