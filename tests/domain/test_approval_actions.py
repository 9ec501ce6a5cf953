"""Taking back, reassigning, overriding, escalating and asking anew: by table, and all of it against a plain model."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from fakes.made_pipelines import NOON
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError

from domain.answering import answer, carry_over
from domain.approval import (
    Approval,
    Asked,
    Channel,
    Choice,
    ReceiptKind,
    Verdict,
    Vote,
    asked_now,
    cancel,
    describe,
    settle,
)
from domain.approval_actions import (
    MOST_CHANGES,
    MOST_REFUSALS,
    Override,
    Reassignment,
    Withdrawal,
    ask_anew,
    escalate,
    mail_came_back,
    override,
    reassign,
    refused_again,
    withdraw,
)
from domain.approval_policy import ApprovalPolicy, NobodyAsked, Proof
from domain.ids import ReleaseId
from domain.person import Requester
from domain.pipeline import Pipeline
from domain.release import ReleasePlan, with_change

ANA, BOB, CY, DEE, EVE, MAX = (f"{name}@example.com" for name in ("ana", "bob", "cy", "dee", "eve", "max"))
OPS = "group:ops"
STEP = {"job": "deploy", "steps": [{"run": "true"}]}
PLAN = ReleasePlan(
    id=ReleaseId(pipeline="webshop", number=1),
    name="webshop-1",
    revision=1,
    pipeline=Pipeline.model_validate({"pipeline": "webshop", "stages": [{"stage": "prod", "jobs": [STEP]}]}),
    requested_by=EVE,
    requester_addresses=(EVE, "eve@old.example"),
    requested_at=NOON,
)


def approval(*approvers: str, **policy: Any) -> Approval:
    """An approval that eve requested; the group ops is Ana and Bob."""
    return Approval(
        policy=ApprovalPolicy.model_validate({"approvers": approvers, **policy}),
        asked=tuple(Asked(approver=one, members=(ANA, BOB) if one == OPS else (one,)) for one in approvers),
        digest=PLAN.digest,
        requesters=(EVE,),
        requester_addresses=(EVE, "eve@old.example"),
        opened_at=NOON,
    )


def vote(by: str, choice: Choice = Choice.APPROVE, **others: Any) -> Vote:
    return Vote.model_validate(
        {"action_id": f"{by}-{choice}", "by": by, "choice": choice, "digest": PLAN.digest, **others}
    )


def take_back(by: str, **others: Any) -> Withdrawal:
    return Withdrawal.model_validate({"action_id": f"{by}-back", "by": by, "vote_id": f"{by}-approve", **others})


def give(by: str, approver: str, to: str, **others: Any) -> Reassignment:
    members = others.pop("members", (to,))
    return Reassignment(
        **{"action_id": f"{by}-{to}", "by": by, "approver": approver, "to": to, "members": members, **others}
    )


def decide(by: str, choice: Choice = Choice.APPROVE, **others: Any) -> Override:
    given = {"action_id": f"{by}-over", "by": by, "choice": choice, "digest": PLAN.digest, "comment": "site is down"}
    return Override.model_validate({**given, **others})


def after(start: Approval, *votes: Vote) -> Approval:
    for one in votes:
        start, _ = answer(start, one, NOON)
    return start


def texts(approval: Approval) -> list[str]:
    return [f"{line.by}: {line.text}" for line in approval.history]


# Answers: how they are given


@pytest.mark.parametrize(
    ("policy", "proof", "expected"),
    [
        ({}, Proof.LINK, ReceiptKind.COUNTED),
        ({"link": "code"}, Proof.LINK, ReceiptKind.PROOF_TOO_WEAK),
        ({"link": "code"}, Proof.CODE, ReceiptKind.COUNTED),
        ({"link": "code"}, Proof.LOGIN, ReceiptKind.COUNTED),
        ({"link": "login"}, Proof.CODE, ReceiptKind.PROOF_TOO_WEAK),
        ({"link": "login"}, Proof.LOGIN, ReceiptKind.COUNTED),
        ({"reauthenticate": True}, Proof.LINK, ReceiptKind.PROOF_TOO_WEAK),
        ({"reauthenticate": True}, Proof.LOGIN, ReceiptKind.PROOF_TOO_WEAK),
        ({"reauthenticate": True}, Proof.FRESH_LOGIN, ReceiptKind.COUNTED),
    ],
)
def test_an_answer_needs_the_proof_that_the_policy_wants(
    policy: dict[str, Any], proof: Proof, expected: ReceiptKind
) -> None:
    """A link, six digits, a login, or a fresh one."""
    assert expected == answer(approval(ANA, **policy), vote(ANA, proof=proof), NOON)[1].kind


def test_a_policy_may_want_a_comment() -> None:
    """Blanks are none."""
    start = approval(ANA, comment_required=True)
    assert ReceiptKind.COMMENT_MISSING == answer(start, vote(ANA, comment="  "), NOON)[1].kind
    assert ReceiptKind.COUNTED == answer(start, vote(ANA, comment="tested"), NOON)[1].kind


def test_the_history_tells_who_answered_for_whom_when_and_how() -> None:
    """In words, for the page and the release's history."""
    start = approval(ANA, OPS, CY, need={"at_least": 3})
    ended = after(start, vote(ANA, channel=Channel.LINK), vote(BOB, comment="fine"), vote(CY, not_before=NOON))
    assert [
        f"{ANA}: approved by link",
        f"{BOB}: approved for group:ops through the API: fine",
        f"{CY}: approved through the API, from 2026-11-23 12:00 UTC on",
    ] == texts(ended)
    assert {NOON} == {line.at for line in ended.history}


def test_a_deferred_approval_counts_from_its_moment_on() -> None:
    """Of several deferrals the latest; and it does not expire meanwhile."""
    friday, monday = NOON + timedelta(days=2), NOON + timedelta(days=5)
    start = approval(ANA, BOB, timeout="3d")
    waiting = after(start, vote(ANA, not_before=monday), vote(BOB, not_before=friday))
    assert Verdict.PENDING == settle(waiting, monday - timedelta(seconds=1)).verdict
    assert () == asked_now(waiting)
    assert "2 of 2 approvals given; counts as approved from 2026-11-28 12:00 UTC on." == describe(waiting)
    decided = settle(waiting, monday + timedelta(days=9))
    assert (Verdict.APPROVED, monday, BOB) == (decided.verdict, decided.decided_at, decided.decided_by)


def test_a_deferral_that_makes_no_sense_is_refused() -> None:
    """More than a year, or a rejection."""
    far = NOON + timedelta(days=366)
    assert ReceiptKind.DEFERRED_TOO_LONG == answer(approval(ANA), vote(ANA, not_before=far), NOON)[1].kind
    no = vote(ANA, Choice.REJECT, not_before=NOON)
    assert ReceiptKind.DEFERRED_TOO_LONG == answer(approval(ANA), no, NOON)[1].kind


def test_a_deferral_is_told_in_utc_whatever_its_zone() -> None:
    """And one without a zone is no message at all: it could not be compared with the workflow's clock."""
    waiting = after(approval(ANA), vote(ANA, not_before="2026-11-28T01:00:00+02:00"))
    assert "1 of 1 approvals given; counts as approved from 2026-11-27 23:00 UTC on." == describe(waiting)
    with pytest.raises(ValidationError, match="timezone"):
        vote(ANA, not_before="2026-11-28T01:00:00")


def test_somebody_else_may_still_reject_while_an_approval_is_deferred() -> None:
    """Two of three have approved for Monday; the third sees the graph on Sunday."""
    later = NOON + timedelta(days=5)
    waiting = after(approval(ANA, BOB, CY, need={"at_least": 2}), vote(ANA, not_before=later), vote(BOB))
    assert Verdict.REJECTED == after(waiting, vote(CY, Choice.REJECT)).verdict


def test_nobody_answers_twice_under_two_addresses() -> None:
    """Neither an alias nor a plus-tag makes a second person."""
    start = approval(ANA, "ana.b@example.com", "ana+x@example.com", CY)
    first = after(start, vote(ANA, also=("ana.b@example.com",)))
    for second in (vote("ana.b@example.com", also=(ANA,)), vote("ana+x@example.com")):
        assert ReceiptKind.ALREADY_ANSWERED == answer(first, second, NOON)[1].kind


@pytest.mark.parametrize(
    "disguise",
    [
        vote(EVE),
        vote("EVE@Example.com"),
        vote("eve+me@example.com"),
        vote("\uff45ve@example.com"),
        vote("eve@old.example"),
        vote("robert@example.com", also=("eve@old.example",)),
        vote(BOB, also=(EVE,)),
    ],
)
def test_the_requester_is_known_in_every_disguise(disguise: Vote) -> None:
    """Case, tag, width, an old address, an alias."""
    asked = ("\uff45ve@example.com", EVE, "eve+me@example.com", "eve@old.example", "robert@example.com", BOB)
    told = answer(approval(*asked, need="any"), disguise, NOON)[1]
    assert ReceiptKind.REQUESTER_MAY_NOT_APPROVE == told.kind
    assert "its requester may not approve it" in told.message


# Carrying over


def test_who_approved_the_stage_before_is_not_asked_again() -> None:
    """Where the policy says so; their earlier answer counts, and says that it did."""
    ended = carry_over(approval(ANA, skip_if_approved_before=True), [vote(ANA, comment="ok")], NOON)
    assert Verdict.APPROVED == ended.verdict
    assert [f"{ANA}: approved as for the stage before: ok"] == texts(ended)
    assert Verdict.PENDING == carry_over(approval(ANA), [vote(ANA)], NOON).verdict


@pytest.mark.parametrize(
    "earlier",
    [vote(ANA, digest="0" * 64), vote(ANA, Choice.REJECT), vote(CY), vote(ANA, proof=Proof.LINK)],
)
def test_only_an_approval_that_would_do_here_is_carried_over(earlier: Vote) -> None:
    """Another plan, a rejection, somebody else, too weak a proof: asked as ever."""
    start = approval(ANA, skip_if_approved_before=True, link="login")
    assert start == carry_over(start, [earlier], NOON)


def test_a_policy_that_wants_a_fresh_login_wants_it_again() -> None:
    """One that was fresh for the stage before is not fresh now."""
    start = approval(ANA, skip_if_approved_before=True, reauthenticate=True)
    assert start == carry_over(start, [vote(ANA, proof=Proof.FRESH_LOGIN)], NOON)


def test_nobody_changes_their_mind_for_ever() -> None:
    """A history that grows without end would stop the deployment."""
    start = approval(ANA, BOB)
    for number in range(MOST_CHANGES + 1):
        start, _ = answer(start, vote(ANA, action_id=str(number)), NOON)
        start, told = withdraw(start, take_back(ANA, action_id=f"b{number}", vote_id=str(number)), NOON)
    assert ReceiptKind.NOT_ALLOWED == told.kind
    holders = [ANA, CY]
    start = approval(ANA)
    for number in range(MOST_CHANGES + 1):
        start, told = reassign(start, give(holders[0], holders[0], holders[1], action_id=str(number)), NOON)
        holders.reverse()
    assert ReceiptKind.NOT_ALLOWED == told.kind


def test_who_was_refused_too_often_is_refused_for_good_until_it_would_count() -> None:
    """A history that grows without end would stop the deployment; under no address of theirs, and nobody else's."""
    start = approval(ANA, BOB, CY, order="in_sequence")
    early = vote(BOB, also=("bob@old.example",))
    assert start == refused_again(start, early, MOST_REFUSALS - 1, NOON)
    often = refused_again(start, early, MOST_REFUSALS, NOON)
    assert often == refused_again(often, early, MOST_REFUSALS + 1, NOON)
    assert f"was refused {MOST_REFUSALS} times; from now on only what counts is passed on" == often.history[-1].text
    for tried in (early, vote("bob@new.example", also=(BOB,))):
        told = answer(often, tried, NOON)[1]
        assert (ReceiptKind.NOT_ALLOWED, False) == (told.kind, told.stands)
        assert told.message.startswith("You were refused too often here; only what counts is passed on. Others are")
    assert ReceiptKind.NOT_ALLOWED == withdraw(often, take_back(BOB), NOON)[1].kind
    assert ReceiptKind.NOT_ASKED_YET == answer(often, vote(CY), NOON)[1].kind
    assert ReceiptKind.COUNTED == answer(answer(often, vote(ANA), NOON)[0], early, NOON)[1].kind
    ended = cancel(start, NOON)
    assert ended == refused_again(ended, early, MOST_REFUSALS, NOON)


def test_in_sequence_what_is_carried_over_goes_as_far_as_it_goes() -> None:
    """Whatever the order in which they answered then."""
    start = approval(ANA, BOB, CY, DEE, order="in_sequence", skip_if_approved_before=True)
    ended = carry_over(start, [vote(BOB), vote(DEE), vote(ANA)], NOON)
    assert [CY] == [asked.approver for asked in asked_now(ended)]


# Taking back


def test_who_was_renamed_since_takes_back_what_they_answered() -> None:
    """The address they had then is an alias of theirs now; and the old answer sent again is the same one."""
    voted, _ = answer(approval(ANA, BOB), vote(ANA), NOON)
    new = "ana@new.example"
    repeated = vote(new, also=(ANA,), action_id=f"{ANA}-approve")
    again, told = answer(voted, repeated, NOON)
    assert (ReceiptKind.ALREADY_COUNTED, voted) == (told.kind, again)
    back = take_back(new, also=(ANA,), vote_id=f"{ANA}-approve")
    left, told = withdraw(voted, back, NOON)
    assert (ReceiptKind.DONE, ()) == (told.kind, left.votes)
    assert ReceiptKind.ALREADY_DONE == withdraw(left, back, NOON)[1].kind
    assert ReceiptKind.WITHDRAWN == answer(left, repeated, NOON)[1].kind


def test_an_answer_is_taken_back_by_its_name_only() -> None:
    """Not by an id that the taking back happens to share with it."""
    voted, _ = answer(approval(ANA, BOB), vote(ANA), NOON)
    assert ReceiptKind.NOTHING_TO_WITHDRAW == withdraw(voted, take_back(ANA, action_id="v", vote_id=""), NOON)[1].kind


def test_an_answer_may_be_taken_back_and_given_anew() -> None:
    """Until the decision; the old one sent again does not count again."""
    start = after(approval(ANA, BOB), vote(ANA))
    back, told = withdraw(start, take_back(ANA), NOON)
    assert (ReceiptKind.DONE, ()) == (told.kind, back.votes)
    assert ReceiptKind.ALREADY_DONE == withdraw(back, take_back(ANA), NOON)[1].kind
    assert ReceiptKind.WITHDRAWN == answer(back, vote(ANA), NOON)[1].kind
    anew, counted = answer(back, vote(ANA, action_id="anew"), NOON)
    assert ReceiptKind.COUNTED == counted.kind
    assert ReceiptKind.ALREADY_DONE == withdraw(anew, take_back(ANA), NOON)[1].kind
    assert 1 == len(anew.votes)


@pytest.mark.parametrize(
    ("start", "action", "expected"),
    [
        (approval(ANA, BOB), take_back(ANA), ReceiptKind.NOTHING_TO_WITHDRAW),
        (
            after(approval(ANA, BOB), vote(ANA)),
            take_back(BOB, vote_id=f"{ANA}-approve"),
            ReceiptKind.NOTHING_TO_WITHDRAW,
        ),
        (after(approval(ANA), vote(ANA)), take_back(ANA), ReceiptKind.ALREADY_DECIDED),
        (
            after(approval(ANA, BOB, link="login"), vote(ANA)),
            take_back(ANA, proof=Proof.LINK),
            ReceiptKind.PROOF_TOO_WEAK,
        ),
    ],
)
def test_what_cannot_be_taken_back_stays(start: Approval, action: Withdrawal, expected: ReceiptKind) -> None:
    """Another's answer, none at all, or one that has decided."""
    same, told = withdraw(start, action, NOON)
    assert (expected, start) == (told.kind, same)


def test_taking_back_a_deferred_answer_after_the_time_is_over_lets_it_expire() -> None:
    """At the moment it was taken back, not before."""
    start = after(approval(ANA, timeout="1d"), vote(ANA, not_before=NOON + timedelta(days=9)))
    at = NOON + timedelta(days=2)
    ended, told = withdraw(start, take_back(ANA), at)
    assert (Verdict.EXPIRED, at, ReceiptKind.DONE) == (ended.verdict, ended.decided_at, told.kind)


# Reassigning


def test_an_approver_may_let_somebody_else_be_asked() -> None:
    """The new one answers in that place, the old one no longer does."""
    moved, told = reassign(approval(ANA, BOB), give(ANA, ANA, CY, comment="on holiday"), NOON)
    assert (ReceiptKind.DONE, f"{CY} is asked instead of {ANA}.") == (told.kind, told.message.split(" 0 of")[0])
    assert Asked(approver=CY, members=(CY,), instead_of=ANA, round=1) == moved.asked[0]
    assert ReceiptKind.NOT_AN_APPROVER == answer(moved, vote(ANA), NOON)[1].kind
    assert Verdict.APPROVED == after(moved, vote(CY), vote(BOB)).verdict
    assert [f"{ANA}: reassigned from {ANA} to {CY} through the API: on holiday"] == texts(moved)


def test_a_place_that_comes_back_is_asked_in_a_new_round() -> None:
    """So that the old link is not the new one, and a new mail is sent."""
    moved, _ = reassign(approval(ANA), give(ANA, ANA, CY), NOON)
    back, _ = reassign(moved, give(CY, CY, ANA), NOON)
    assert Asked(approver=ANA, members=(ANA,), instead_of=ANA, round=2) == back.asked[0]


@pytest.mark.parametrize(
    ("start", "change", "expected"),
    [
        (approval(ANA, BOB), give(CY, ANA, CY), ReceiptKind.NOT_ALLOWED),
        (approval(ANA, BOB), give(ANA, BOB, CY), ReceiptKind.NOT_ALLOWED),
        (approval(ANA, BOB), give(MAX, ANA, CY, is_by_manager=True), ReceiptKind.DONE),
        (approval(ANA, BOB), give(MAX, DEE, CY, is_by_manager=True), ReceiptKind.NOT_AN_APPROVER),
        (approval(OPS, CY), give(BOB, OPS, DEE), ReceiptKind.DONE),
        (approval(ANA, BOB), give(ANA, ANA, BOB), ReceiptKind.ALREADY_ASKED),
        (approval(ANA, BOB), give(ANA, ANA, ANA), ReceiptKind.ALREADY_ASKED),
        (after(approval(OPS, CY), vote(BOB)), give(CY, CY, BOB), ReceiptKind.ALREADY_ASKED),
        (after(approval(ANA, BOB), vote(ANA)), give(ANA, ANA, CY), ReceiptKind.ALREADY_ANSWERED),
        (after(approval(ANA), vote(ANA)), give(ANA, ANA, CY), ReceiptKind.ALREADY_DECIDED),
        (approval(ANA), give(ANA, ANA, "group:qa", members=()), ReceiptKind.NOBODY_THERE),
        (approval(ANA), give(ANA, ANA, EVE), ReceiptKind.REQUESTER_MAY_NOT_APPROVE),
        (approval(ANA), give(ANA, ANA, "eve+x@example.com"), ReceiptKind.REQUESTER_MAY_NOT_APPROVE),
        (approval(ANA, EVE), give(EVE, EVE, CY), ReceiptKind.REQUESTER_MAY_NOT_APPROVE),
        (approval(ANA), give(EVE, ANA, CY, is_by_manager=True), ReceiptKind.REQUESTER_MAY_NOT_APPROVE),
        (approval(ANA), give(ANA, ANA, OPS, members=(EVE, BOB)), ReceiptKind.DONE),
        (approval(ANA, link="login"), give(ANA, ANA, CY, proof=Proof.LINK), ReceiptKind.PROOF_TOO_WEAK),
    ],
)
def test_who_may_reassign_what_to_whom(start: Approval, change: Reassignment, expected: ReceiptKind) -> None:
    """Those who are asked their own place, managers any; never by or to a requester, nor to somebody asked already."""
    changed, told = reassign(start, change, NOON)
    assert expected == told.kind
    assert (changed != start) == (expected == ReceiptKind.DONE)


def test_the_same_reassignment_again_changes_nothing() -> None:
    """Also when it would make sense a second time."""
    moved, _ = reassign(approval(ANA), give(ANA, ANA, CY), NOON)
    back, _ = reassign(moved, give(CY, CY, ANA), NOON)
    same, told = reassign(back, give(ANA, ANA, CY), NOON)
    assert (ReceiptKind.ALREADY_DONE, back) == (told.kind, same)


# Overriding


def test_a_release_manager_may_decide_instead_with_a_reason() -> None:
    """Visibly: the verdict, the sentence and the history say so."""
    ended, told = override(approval(ANA, BOB), decide(MAX), NOON)
    assert (Verdict.APPROVED, MAX, True) == (ended.verdict, ended.decided_by, ended.is_overridden)
    assert "approved by max@example.com at 2026-11-23 12:00 UTC (overriding the approvers)" in told.message
    assert [f"{MAX}: approved overriding the approvers through the API: site is down"] == texts(ended)
    assert ReceiptKind.ALREADY_DONE == override(ended, decide(MAX), NOON)[1].kind
    assert Verdict.REJECTED == override(approval(ANA), decide(MAX, Choice.REJECT), NOON)[0].verdict


@pytest.mark.parametrize(
    ("start", "action", "expected"),
    [
        (approval(ANA), decide(EVE), ReceiptKind.REQUESTER_MAY_NOT_APPROVE),
        (approval(ANA), decide(MAX, also=("eve@old.example",)), ReceiptKind.REQUESTER_MAY_NOT_APPROVE),
        (approval(ANA), decide(MAX, comment=" "), ReceiptKind.COMMENT_MISSING),
        (approval(ANA), decide(MAX, digest="0" * 64), ReceiptKind.PLAN_CHANGED),
        (approval(ANA, reauthenticate=True), decide(MAX), ReceiptKind.PROOF_TOO_WEAK),
        (after(approval(ANA), vote(ANA)), decide(MAX), ReceiptKind.ALREADY_DECIDED),
    ],
)
def test_even_an_override_keeps_the_rules(start: Approval, action: Override, expected: ReceiptKind) -> None:
    """No requester, no silence, no other plan, no weak proof, no second decision."""
    same, told = override(start, action, NOON)
    assert (expected, start) == (told.kind, same)


# Time, mail and changed plans


def test_a_deputy_may_answer_for_one_who_is_silent() -> None:
    """For one of them: who stands in for two still counts once."""
    start = escalate(approval(ANA, BOB), ANA, (DEE,), "no answer for 24h", NOON)
    both = escalate(start, BOB, (DEE,), "no answer for 24h", NOON)
    assert [f": no answer for 24h: {DEE} may answer for {ANA} too"] == texts(start)
    assert f"0 of 2 approvals given; asked: {ANA} or {DEE}, {BOB} or {DEE}." == describe(both)
    assert Verdict.PENDING == after(both, vote(DEE), vote(DEE, action_id="2")).verdict
    assert Verdict.APPROVED == after(both, vote(DEE), vote(ANA)).verdict
    assert Verdict.APPROVED == after(both, vote(DEE), vote(BOB)).verdict


def test_a_deputy_who_requested_it_still_may_not_answer() -> None:
    """Nor one who is asked by name anyway do so for another."""
    start = escalate(escalate(approval(ANA, BOB), ANA, (EVE, BOB), "silent", NOON), ANA, (EVE,), "silent", NOON)
    assert ReceiptKind.REQUESTER_MAY_NOT_APPROVE == answer(start, vote(EVE), NOON)[1].kind
    assert [BOB] == [counted.approver for counted in after(start, vote(BOB)).votes]


def test_nothing_is_escalated_twice_or_too_late() -> None:
    """Known deputies, unknown places and decided approvals change nothing."""
    once = escalate(approval(ANA), ANA, (DEE,), "silent", NOON)
    assert once == escalate(once, ANA, (DEE,), "silent", NOON) == escalate(once, BOB, (CY,), "silent", NOON)
    decided = after(once, vote(ANA))
    assert decided == escalate(decided, ANA, (CY,), "silent", NOON) == mail_came_back(decided, ANA, "gone", NOON)


def test_a_changed_plan_voids_the_votes_and_bars_who_changed_it() -> None:
    """They are asked anew, and the old digest no longer does."""
    changed = with_change(PLAN, {"LEVEL": "debug"}, Requester(name=BOB, addresses=(BOB,)))
    anew = ask_anew(after(approval(ANA, BOB, CY), vote(ANA)), changed, BOB, NOON)
    assert ((), changed.digest) == (anew.votes, anew.digest)
    assert [1, 1, 1] == [asked.round for asked in anew.asked]
    assert f"{BOB}: changed what is deployed; 1 earlier answer no longer counts" == texts(anew)[-1]
    assert ReceiptKind.PLAN_CHANGED == answer(anew, vote(CY), NOON)[1].kind
    assert ReceiptKind.REQUESTER_MAY_NOT_APPROVE == answer(anew, vote(BOB, digest=changed.digest), NOON)[1].kind
    assert ReceiptKind.COUNTED == answer(anew, vote(ANA, action_id="2", digest=changed.digest), NOON)[1].kind
    assert anew == ask_anew(anew, changed, BOB, NOON)


def test_what_nobody_is_asked_for_is_approved_at_once() -> None:
    """And the record says that it was automatic, also after a journey as JSON."""
    start = approval(ANA).model_copy(update={"policy": NobodyAsked(), "asked": ()})
    ended = Approval.model_validate_json(settle(start, NOON).model_dump_json())
    assert (Verdict.APPROVED, True, None) == (ended.verdict, ended.is_automatic, ended.decided_by)
    assert "Nobody is asked; approved automatically at 2026-11-23 12:00 UTC." == describe(ended)


def test_a_stopped_deployment_needs_no_answer() -> None:
    """What was decided before stays."""
    assert Verdict.CANCELED == cancel(approval(ANA), NOON).verdict
    decided = after(approval(ANA), vote(ANA))
    assert decided == cancel(decided, NOON)


PEOPLE = [ANA, BOB, CY, DEE, EVE, MAX]


class ActingInSomeOrder(RuleBasedStateMachine):
    """Everything people, time and changes can do, against a model: who holds which place, and who approves in it.

    The model knows people only, each asked by name, so that a place is a person.
    """

    @initialize(count=st.integers(1, 4), needed=st.integers(1, 4), sequence=st.booleans())
    def open(self, count: int, needed: int, sequence: bool) -> None:  # noqa: FBT001  drawn by name
        self.needed = min(needed, count)
        self.approval = approval(
            *PEOPLE[:count],
            need={"at_least": self.needed},
            order="in_sequence" if sequence else "any",
            timeout="30d",
        )
        self.plan = PLAN
        self.now = NOON
        self.holders: list[str] = PEOPLE[:count]
        self.yes: dict[str, str] = {}
        self.deferred: datetime | None = None
        self.ended: str | None = None
        self.count = 0
        self.sent: list[tuple[Any, Any]] = []
        self.is_sequence = sequence

    def _id(self) -> str:
        self.count += 1
        return str(self.count)

    def _time(self) -> None:
        """What the clock alone decides."""
        if self.ended is None and len(self.yes) >= self.needed and (self.deferred is None or self.now >= self.deferred):
            self.ended = "approved"
        if self.ended is None and len(self.yes) < self.needed and self.now >= NOON + timedelta(days=30):
            self.ended = "expired"

    def _act(self, decide_it: Any, action: Any) -> ReceiptKind:
        self._time()
        self.approval, told = decide_it(self.approval, action, self.now)
        self.sent.append((decide_it, action))
        assert told.verdict == self.approval.verdict
        return ReceiptKind(told.kind)

    def _is_next(self, person: str) -> bool:
        waiting = [holder for holder in self.holders if holder not in self.yes]
        return person in (waiting[:1] if self.is_sequence else waiting)

    @rule(by=st.sampled_from(PEOPLE), choice=st.sampled_from(Choice), days=st.integers(-1, 40) | st.none())
    def cast(self, by: str, choice: Choice, days: int | None) -> None:
        not_before = None if days is None or choice == Choice.REJECT else self.now + timedelta(days=days)
        ballot = vote(by, choice, action_id=self._id(), digest=self.plan.digest, not_before=not_before)
        self._time()
        expected = self.ended is None and by != EVE and by in self.holders and by not in self.yes and self._is_next(by)
        assert expected == (self._act(answer, ballot) == ReceiptKind.COUNTED)
        if expected and choice == Choice.REJECT:
            self.ended = "rejected"
        elif expected:
            self.yes[by] = ballot.action_id
            self._note_deferral()

    def _note_deferral(self) -> None:
        moments = [c.vote.not_before for c in self.approval.votes if c.vote.not_before is not None]
        self.deferred = max(moments, default=None)
        self._time()

    @rule(by=st.sampled_from(PEOPLE))
    def back(self, by: str) -> None:
        self._time()
        expected = self.ended is None and by in self.yes
        given = take_back(by, action_id=self._id(), vote_id=self.yes.get(by, "none"))
        assert expected == (self._act(withdraw, given) == ReceiptKind.DONE)
        if expected:
            del self.yes[by]
            self._note_deferral()

    @rule(by=st.sampled_from(PEOPLE), to=st.sampled_from(PEOPLE), manager=st.booleans(), place=st.sampled_from(PEOPLE))
    def move(self, by: str, to: str, place: str, manager: bool) -> None:  # noqa: FBT001  drawn by name
        self._time()
        expected = (
            self.ended is None
            and EVE not in {by, to}
            and place in self.holders
            and place not in self.yes
            and to not in self.holders
            and (manager or by == place)
        )
        change = give(by, place, to, action_id=self._id(), is_by_manager=manager)
        assert expected == (self._act(reassign, change) == ReceiptKind.DONE)
        if expected:
            self.holders[self.holders.index(place)] = to

    @rule(by=st.sampled_from([MAX, EVE]), choice=st.sampled_from(Choice))
    def overrule(self, by: str, choice: Choice) -> None:
        if self.count % 7:
            return  # rarely, for it ends everything
        self._time()
        expected = self.ended is None and by != EVE
        action = decide(by, choice, action_id=self._id(), digest=self.plan.digest)
        assert expected == (self._act(override, action) == ReceiptKind.DONE)
        if expected:
            self.ended = str(choice.done)

    @rule(level=st.sampled_from(["info", "debug", "trace"]))
    def change(self, level: str) -> None:
        self._time()
        before = self.plan.digest
        plan = with_change(self.plan, {"LEVEL": level}, Requester(name=EVE, addresses=(EVE,)))
        self.approval = ask_anew(self.approval, plan, EVE, self.now)
        if self.ended is None:
            self.plan = plan
            if plan.digest != before:
                self.yes.clear()
                self.deferred = None

    @rule(hours=st.integers(0, 200))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self._time()
        self.approval = settle(self.approval, self.now)

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """What was sent once may come again: nothing changes, whatever is told."""
        if self.sent:
            decide_it, action = data.draw(st.sampled_from(self.sent))
            self._time()
            before = settle(self.approval, self.now)
            after_it, told = decide_it(before, action, self.now)
            if told.kind not in {ReceiptKind.COUNTED, ReceiptKind.DONE}:
                assert before == after_it
            else:
                # It had been refused, and what it wanted has become possible: then it is as if sent now. Undo.
                after_it = before
            self.approval = after_it

    @invariant()
    def agrees_with_the_model(self) -> None:
        if not hasattr(self, "ended"):
            return
        self._time()
        settled = settle(self.approval, self.now)
        assert (self.ended or "pending") == settled.verdict
        assert sorted(self.yes.values()) == sorted(c.vote.action_id for c in settled.approvals)
        assert self.holders == [asked.approver for asked in settled.asked]


ActingInSomeOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=35)
TestActingInSomeOrder = ActingInSomeOrder.TestCase
