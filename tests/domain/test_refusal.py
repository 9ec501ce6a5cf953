"""Refusals are classes whose names are sentences."""

import pytest

from domain.refusal import Kind, NotAllowed, NotFound, Refusal


@pytest.mark.parametrize(
    ("refusal", "expected"), [(Refusal, Kind.INVALID), (NotFound, Kind.NOT_FOUND), (NotAllowed, Kind.FORBIDDEN)]
)
def test_a_refusal_says_of_what_kind_it_is(refusal: type[Refusal], expected: Kind) -> None:
    """So that the API knows its status without reading its text."""
    assert expected == refusal("no").kind
    assert "no" == str(refusal("no"))
