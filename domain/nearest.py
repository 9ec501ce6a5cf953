"""The name that a person probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: ``; did you mean webshop?``, empty when nothing is near."""
    by_folded = {name.lower(): name for name in known}
    near = get_close_matches(wrong.lower(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[near[0]]}?" if near else ""
