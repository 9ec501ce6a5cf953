"""Who must approve, and how many."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from domain.approval_policy import ApprovalPolicy


@pytest.mark.parametrize(("need", "expected"), [("all", 3), ("any", 1), ({"at_least": 2}, 2)])
def test_the_quorum_says_how_many(need: object, expected: int) -> None:
    """All of those asked, one, or so many."""
    asked = ["ana@example.com", "bob@example.com", "group:ops"]
    assert expected == ApprovalPolicy.model_validate({"approvers": asked, "need": need}).needed


def test_approvers_are_kept_in_lower_case_without_blanks() -> None:
    """So that they compare as mail addresses do."""
    policy = ApprovalPolicy.model_validate({"approvers": [" Ana@Example.com ", "group:Ops"]})
    assert ("ana@example.com", "group:ops") == policy.approvers


def test_an_approval_waits_a_month_by_default_and_not_for_its_requester() -> None:
    """Nobody approves their own work unless the pipeline says so."""
    policy = ApprovalPolicy.model_validate({"approvers": ["ana@example.com"]})
    assert (timedelta(days=30), False) == (policy.timeout, policy.requester_may_approve)


@pytest.mark.parametrize(
    "wrong",
    [
        {"approvers": []},
        {"approvers": ["ana"]},
        {"approvers": ["group:"]},
        {"approvers": ["a b@example.com"]},
        {"approvers": ["ana@example.com", " ANA@example.com"]},
        {"approvers": ["ana@example.com"], "timeout": "0s"},
        {"approvers": ["ana@example.com"], "timeout": "366d"},
        {"approvers": ["ana@example.com"], "need": {"at_least": 0}},
        {"approvers": ["ana@example.com"], "requester_may_approve": "yes"},
        {"approvers": [f"a{n}@example.com" for n in range(51)]},
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    """Nobody, a repeated person, no time, or more than a year."""
    with pytest.raises(ValidationError):
        ApprovalPolicy.model_validate(wrong)


def test_an_approver_fits_into_the_tables() -> None:
    """An address that no column holds would be found out only when the deployment waits for it."""
    longest = "a" * 308 + "@example.com"
    assert (longest,) == ApprovalPolicy(approvers=(longest,)).approvers
    with pytest.raises(ValidationError, match="at most 320"):
        ApprovalPolicy(approvers=("a" + longest,))
