"""What a Jenkins build is given: what the step finds, filled in as data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.jenkins_parameters import UnknownVariable, filled_in

FOUND = {"ARTIFACT_WEB_VERSION": "142", "REGION": "eu", "SHOP_REGION": "us", "odd": "$(REGION)"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(ARTIFACT_WEB_VERSION)", "142"),
        ("web-$(ARTIFACT_WEB_VERSION)-$(REGION)", "web-142-eu"),
        ("$(Shop.Region)", "us"),
        ("$(region)", "eu"),
        ("$(odd)", "$(REGION)"),
        ("$REGION ${REGION} $() $(1) $(a b) {REGION}", "$REGION ${REGION} $() $(1) $(a b) {REGION}"),
        ("", ""),
    ],
)
def test_places_are_filled_in_once(text: str, expected: str) -> None:
    """With what the environment calls so; what looks like a place in a value stays, and so does what is none."""
    assert {"P": expected} == filled_in({"P": text}, FOUND)


def test_an_unknown_name_is_told() -> None:
    """A secret that the step does not name is unknown, too."""
    with pytest.raises(UnknownVariable, match=r"the parameter VERSION names \$\(NOPE\), which this step does not find"):
        filled_in({"VERSION": "$(NOPE)"}, FOUND)


@given(st.text())
def test_values_arrive_as_they_are(value: str) -> None:
    """Whatever they hold."""
    assert {"P": f"<{value}>"} == filled_in({"P": "<$(V)>"}, {"V": value})
