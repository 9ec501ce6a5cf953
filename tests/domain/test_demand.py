"""What one demand asks."""

import re

import pytest
from fakes.made_pipelines import demands, version_numbers
from hypothesis import given

from domain.demand import is_at_least, is_met
from domain.pipeline import DEMAND_PATTERN


@pytest.mark.parametrize(
    ("have", "wanted", "expected"),
    [
        ("1.10", "1.9", True),
        ("1.9", "1.10", False),
        ("1.10", "1.10.0", True),
        ("1.10.0", "1.10", True),
        ("27.3.1-rc1", "27.3.1", True),
        ("v1.31.0", "1.31", True),
        ("1.1.1w", "1.1.1", True),
        ("24", "24", True),
        ("24 (stable)", "24", True),
        ("24abc", "24", False),
        ("linux", "0", False),
        ("", "0", False),
        ("0", "0", True),
        ("99999999999999999999", "2", True),
    ],
)
def test_versions_are_compared_number_by_number(have: str, wanted: str, *, expected: bool) -> None:
    """And what has none never is late enough."""
    assert expected == is_at_least(have, wanted)


@given(version_numbers, version_numbers)
def test_of_two_versions_one_is_at_least_the_other(one: str, other: str) -> None:
    """Both are when they are the same."""
    assert is_at_least(one, other) or is_at_least(other, one)


@given(demands)
def test_every_form_can_be_written_in_a_pipeline(demand: str) -> None:
    """The pattern of the file knows the forms that matching knows."""
    assert re.search(DEMAND_PATTERN, demand)


@pytest.mark.parametrize(
    "demand",
    ["", "!", "docker=", "!docker=", "=1", "docker>=", "docker>=x", "!docker>=1", "a b", "a>1", "!!a", "a>=1."],
)
def test_what_is_no_demand_cannot_be_written(demand: str) -> None:
    """A typing error is told, and finds no agent by chance."""
    assert not re.search(DEMAND_PATTERN, demand)


def test_a_value_must_be_named_to_be_demanded() -> None:
    """Many capabilities have an empty value."""
    assert [True, False, False] == [is_met(demand, {"docker": ""}) for demand in ("docker", "docker=", "!docker=")]
