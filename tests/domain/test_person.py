"""Whose address an address is."""

import pytest

from domain.person import is_same_person, spelled


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (" Ana@Example.COM ", "ana@example.com"),
        ("ana@example.com", "ana@example.com"),
        ("ANA@MÜNCHEN.example", "ana@xn--mnchen-3ya.example"),
        ("ana@xn--mnchen-3ya.example", "ana@xn--mnchen-3ya.example"),
        ("straße@example.com", "strasse@example.com"),
        ("ana@example.com.", "ana@example.com"),
        ("ana+ci@example.com", "ana+ci@example.com"),
        ("service:ci", "service:ci"),
        ("a@" + "ü" * 80 + ".example", "a@" + "ü" * 80 + ".example"),
    ],
)
def test_an_address_has_one_spelling(written: str, expected: str) -> None:
    """Case, width, form of accents, and the two ways to write an international domain."""
    assert expected == spelled(written)
    assert spelled(written) == spelled(spelled(written))


@pytest.mark.parametrize(
    "other",
    [
        "ANA@example.com",
        "ana+ci@example.com",
        "ana+a+b@EXAMPLE.com",
        " ana@example.com.",
        "ana@example.com",
        '"ana"@example.com',
        '"ana+ci"@example.com',
        "a\u200bna@example.com",
        "an\u00ada@exam\u2060ple.com",
    ],
)
def test_case_width_and_plus_tags_make_nobody_somebody_else(other: str) -> None:
    """Who may not decide could otherwise choose another spelling."""
    assert is_same_person(["bob@example.com", other], ["ana@example.com"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ana@straße.example", "ana@xn--strae-oqa.example"),
        ("ana@STRASSE.example", "ana@xn--strae-oqa.example"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("ana@bu\u0308cher.example", "ana@XN--BCHER-KVA.example"),
        ("ana@xn--bcher-kva.example", "ana@\uff42ücher。example"),
    ],
)
def test_the_old_and_the_new_spelling_of_a_domain_are_one(one: str, other: str) -> None:
    """What a sharp s becomes has changed; whoever may not decide may use neither."""
    assert is_same_person([one], [other])


@pytest.mark.parametrize(
    "other", ["anna@example.com", "ana@example.org", "ana", "+ana@example.com", "ana@xn--", "ana@xn--a", ""]
)
def test_other_addresses_are_other_people(other: str) -> None:
    """Unless the directory says otherwise."""
    assert not is_same_person([other], ["ana@example.com"])
