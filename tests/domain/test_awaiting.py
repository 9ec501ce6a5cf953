"""An approval is in the inbox of exactly those whose answer would count."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.answering import answer
from domain.approval import Approval, Asked, Choice, ReceiptKind, Verdict, Vote
from domain.approval_policy import ApprovalPolicy, AtLeast, LinkLevel, Order, Proof
from domain.awaiting import awaited
from domain.person import spelled

_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_PEOPLE = ("ann@example.com", "Bob@Example.com", "cem@example.com", "cem+x@example.com", "dan@example.com")


def _vote(person: str, choice: Choice = Choice.APPROVE) -> Vote:
    return Vote(
        action_id=f"vote of {person}", by=person, choice=choice, digest="d", comment="yes", proof=Proof.FRESH_LOGIN
    )


def _approval(*asked: Asked, requesters: tuple[str, ...] = (), **policy: object) -> Approval:
    return Approval(
        policy=ApprovalPolicy.model_validate({"approvers": [one.approver for one in asked], **policy}),
        asked=asked,
        digest="d",
        requesters=requesters,
        opened_at=_NOW,
    )


_some = st.lists(st.sampled_from(_PEOPLE), unique=True, max_size=3).map(tuple)
_groups = st.builds(Asked, approver=st.sampled_from(("group:a", "group:b", "group:c")), members=_some, deputies=_some)
_named = st.builds(
    lambda person, deputies: Asked(approver=spelled(person), members=(person,), deputies=deputies),
    st.sampled_from(_PEOPLE),
    _some,
)
_asked = st.lists(st.one_of(_groups, _named), min_size=1, max_size=4, unique_by=lambda one: one.approver)


@st.composite
def _approvals(draw: st.DrawFn) -> Approval:
    """Any approval, with some answers given already."""
    asked = draw(_asked)
    approval = _approval(
        *asked,
        requesters=draw(_some),
        need=AtLeast(at_least=draw(st.integers(1, len(asked)))),
        order=draw(st.sampled_from(Order)),
        requester_may_approve=draw(st.booleans()),
        reauthenticate=draw(st.booleans()),
        comment_required=draw(st.booleans()),
    )
    for person in draw(_some):
        approval, _ = answer(approval, _vote(person), _NOW)
    return approval


@given(_approvals())
def test_those_are_awaited_whose_approval_would_count(approval: Approval) -> None:
    """Whatever is asked of whom, in whichever order, and whoever has answered."""
    counted = {
        spelled(person) for person in _PEOPLE if answer(approval, _vote(person), _NOW)[1].kind == ReceiptKind.COUNTED
    }
    assert counted == awaited(approval)


def test_who_can_make_room_for_another_lets_the_other_be_asked() -> None:
    """Ann answered for a; only Bob is left, and he may answer for a while Ann's answer moves to b."""
    a = Asked(approver="group:a", members=("ann@example.com", "bob@example.com"))
    b = Asked(approver="group:b", members=("ann@example.com",))
    approval, _ = answer(_approval(a, b), _vote("ann@example.com"), _NOW)
    assert {"bob@example.com"} == awaited(approval)


def test_nobody_is_awaited_once_there_are_enough() -> None:
    """Neither while an approval waits for its time, nor after it was decided."""
    asked = Asked(approver="ann@example.com", members=("ann@example.com",))
    other = Asked(approver="bob@example.com", members=("bob@example.com",))
    later = _vote("ann@example.com").model_copy(update={"not_before": datetime(2026, 12, 1, tzinfo=UTC)})
    deferred, _ = answer(_approval(asked, other, need="any"), later, _NOW)
    rejected, _ = answer(_approval(asked, other), _vote("ann@example.com", Choice.REJECT), _NOW)
    assert (Verdict.PENDING, Verdict.REJECTED) == (deferred.verdict, rejected.verdict)
    assert (frozenset(), frozenset()) == (awaited(deferred), awaited(rejected))


@pytest.mark.parametrize("level", LinkLevel)
def test_who_has_yet_to_prove_themselves_is_awaited(level: LinkLevel) -> None:
    """How an answer must come does not matter to whose it is."""
    asked = Asked(approver="ann@example.com", members=("Ann@example.com",))
    assert {"ann@example.com"} == awaited(_approval(asked, link=level, reauthenticate=True))
