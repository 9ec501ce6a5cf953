"""What votes do and what they add up to, by table and by property."""

from datetime import datetime, timedelta
from itertools import permutations

import pytest
from fakes.made_pipelines import NOON, policies
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.answering import answer, may_answer
from domain.approval import (
    Approval,
    Asked,
    Choice,
    Receipt,
    ReceiptKind,
    Verdict,
    Vote,
    asked_now,
    describe,
    done_at,
    settle,
)
from domain.approval_policy import ApprovalPolicy, AtLeast, Order, Quorum

ANA, BOB, CY, DEE, EVE = (f"{name}@example.com" for name in ("ana", "bob", "cy", "dee", "eve"))
OPS, DEV = "group:ops", "group:dev"
DIGEST = "d" * 64
GROUPS = {OPS: (ANA, BOB), DEV: (ANA, CY)}


def approval(*approvers: str, groups: dict[str, tuple[str, ...]] | None = None, **policy: object) -> Approval:
    """An approval by eve, opened at noon; approvers are people, or groups with these members."""
    known = GROUPS if groups is None else groups
    return Approval(
        policy=ApprovalPolicy.model_validate({"approvers": approvers, **policy}),
        asked=tuple(
            Asked(approver=one, members=known.get(one, ()) if one.startswith("group:") else (one,)) for one in approvers
        ),
        digest=DIGEST,
        requesters=("robot@example.com", EVE),
        opened_at=NOON,
    )


def vote(voter: str, choice: Choice = Choice.APPROVE, *, action_id: str | None = None, digest: str = DIGEST) -> Vote:
    """One answer, with an id of its own."""
    return Vote(action_id=action_id or f"{voter}-{choice}", by=voter, choice=choice, digest=digest)


def reject(voter: str) -> Vote:
    """One rejection."""
    return vote(voter, Choice.REJECT)


def after(start: Approval, *votes: Vote, now: datetime = NOON) -> Approval:
    """The approval after these votes."""
    for one in votes:
        start, _ = answer(start, one, now)
    return start


def receipt(start: Approval, one: Vote, now: datetime = NOON) -> Receipt:
    """What the author of this vote is told."""
    return answer(start, one, now)[1]


@pytest.mark.parametrize(
    ("start", "votes", "expected"),
    [
        (approval(ANA, BOB), [], Verdict.PENDING),
        (approval(ANA, BOB), [vote(ANA)], Verdict.PENDING),
        (approval(ANA, BOB), [vote(ANA), vote(BOB)], Verdict.APPROVED),
        (approval(ANA, BOB), [vote(ANA), reject(BOB)], Verdict.REJECTED),
        (approval(ANA, BOB), [reject(BOB)], Verdict.REJECTED),
        (approval(ANA, BOB, need="any"), [vote(BOB)], Verdict.APPROVED),
        (approval(ANA, BOB, need="any"), [reject(BOB)], Verdict.REJECTED),
        (approval(ANA, BOB, need="any"), [vote(ANA), reject(BOB)], Verdict.APPROVED),
        (approval(ANA, BOB, CY, need={"at_least": 2}), [vote(CY)], Verdict.PENDING),
        (approval(ANA, BOB, CY, need={"at_least": 2}), [vote(CY), vote(ANA)], Verdict.APPROVED),
        (approval(ANA, BOB, CY, need={"at_least": 2}), [vote(CY), reject(ANA)], Verdict.REJECTED),
        (approval(OPS), [vote(BOB)], Verdict.APPROVED),
        (approval(OPS, CY), [vote(BOB)], Verdict.PENDING),
        (approval(OPS, CY), [vote(BOB), vote(CY)], Verdict.APPROVED),
        (approval(OPS, ANA), [vote(ANA)], Verdict.PENDING),
        (approval(OPS, ANA), [vote(ANA), vote(BOB)], Verdict.APPROVED),
        (approval(OPS, DEV), [vote(ANA)], Verdict.PENDING),
        (approval(OPS, DEV), [vote(ANA), vote(BOB)], Verdict.APPROVED),
        (approval(OPS, DEV), [vote(BOB), vote(ANA)], Verdict.APPROVED),
        (approval(OPS, DEV), [vote(ANA), vote(CY)], Verdict.APPROVED),
        (approval(ANA, "group:nobody"), [vote(ANA), vote(BOB), vote(CY)], Verdict.PENDING),
        (approval(ANA, BOB, order="in_sequence"), [vote(BOB)], Verdict.PENDING),
        (approval(ANA, BOB, order="in_sequence"), [vote(ANA), vote(BOB)], Verdict.APPROVED),
        (approval(ANA, BOB, order="in_sequence"), [reject(BOB)], Verdict.PENDING),
        (approval(ANA, BOB, order="in_sequence"), [vote(ANA), reject(BOB)], Verdict.REJECTED),
        (approval(OPS, ANA, order="in_sequence"), [vote(ANA), vote(BOB), vote(ANA)], Verdict.APPROVED),
        (approval("group:nobody", ANA, order="in_sequence"), [vote(ANA)], Verdict.PENDING),
    ],
)
def test_votes_add_up_to_a_verdict(start: Approval, votes: list[Vote], expected: Verdict) -> None:
    """All, any and at least so many; people and groups; at once and in sequence."""
    assert expected == after(start, *votes).verdict


@pytest.mark.parametrize(
    ("start", "earlier", "one", "expected"),
    [
        (approval(ANA), [], vote(ANA), ReceiptKind.COUNTED),
        (approval(ANA), [], vote(" ANA@Example.com "), ReceiptKind.COUNTED),
        (approval(ANA), [], vote(DEE), ReceiptKind.NOT_AN_APPROVER),
        (approval("group:nobody"), [], vote(ANA), ReceiptKind.NOT_AN_APPROVER),
        (approval(ANA, BOB), [vote(ANA)], vote(ANA), ReceiptKind.ALREADY_COUNTED),
        (approval(ANA), [vote(ANA)], vote(ANA), ReceiptKind.ALREADY_COUNTED),
        (approval(ANA, BOB), [vote(ANA)], vote(ANA, action_id="again"), ReceiptKind.ALREADY_ANSWERED),
        (approval(ANA, BOB), [vote(ANA)], reject(ANA), ReceiptKind.ALREADY_ANSWERED),
        (approval(ANA, BOB), [vote(ANA, action_id="1")], vote(BOB, action_id="1"), ReceiptKind.COUNTED),
        (
            approval(ANA, BOB),
            [vote(ANA, action_id="1")],
            vote(ANA, Choice.REJECT, action_id="1"),
            ReceiptKind.ALREADY_ANSWERED,
        ),
        (approval(OPS, CY), [vote(ANA)], vote(BOB), ReceiptKind.ALREADY_ANSWERED),
        (approval(OPS, CY, order="in_sequence"), [vote(ANA)], vote(BOB), ReceiptKind.ALREADY_ANSWERED),
        (approval(ANA), [vote(ANA)], vote(ANA, action_id="again"), ReceiptKind.ALREADY_DECIDED),
        (approval(ANA, BOB), [reject(ANA)], vote(BOB), ReceiptKind.ALREADY_DECIDED),
        (approval(ANA, BOB), [reject(ANA)], vote(DEE), ReceiptKind.NOT_AN_APPROVER),
        (approval(ANA), [], vote(ANA, digest="e" * 64), ReceiptKind.PLAN_CHANGED),
        (approval(ANA, BOB, order="in_sequence"), [], vote(BOB), ReceiptKind.NOT_ASKED_YET),
        (approval(OPS, ANA, order="in_sequence"), [], vote(ANA), ReceiptKind.NOT_ASKED_YET),
        (approval(OPS, ANA, order="in_sequence"), [vote(BOB)], vote(ANA), ReceiptKind.COUNTED),
        (approval(ANA, EVE), [], vote(EVE), ReceiptKind.REQUESTER_MAY_NOT_APPROVE),
        (approval(ANA, EVE), [], vote("Eve@EXAMPLE.com"), ReceiptKind.REQUESTER_MAY_NOT_APPROVE),
        (approval(ANA, EVE, requester_may_approve=True), [], vote(EVE), ReceiptKind.COUNTED),
        (
            approval(OPS, groups={OPS: (ANA, EVE)}),
            [],
            vote(EVE),
            ReceiptKind.REQUESTER_MAY_NOT_APPROVE,
        ),
    ],
)
def test_each_vote_has_a_receipt_that_says_what_became_of_it(
    start: Approval, earlier: list[Vote], one: Vote, expected: ReceiptKind
) -> None:
    """Counted, or why not."""
    before = after(start, *earlier)
    changed, told = answer(before, one, NOON)
    assert expected == told.kind
    assert one.action_id == told.action_id
    assert (changed != before) == (expected == ReceiptKind.COUNTED)


def test_a_receipt_tells_how_things_stand() -> None:
    """In words that make sense to somebody who only sees this sentence."""
    first = receipt(approval(ANA, OPS), vote(ANA))
    assert (
        "Your approval was counted at 2026-11-23 12:00 UTC. 1 of 2 approvals given; asked: group:ops." == first.message
    )
    late = receipt(after(approval(ANA, BOB), reject(ANA)), vote(BOB))
    assert (
        "Your answer is no longer needed. The deployment was rejected by ana@example.com at 2026-11-23 12:00 UTC."
        == late.message
    )
    assert Verdict.REJECTED == late.verdict


def test_an_approval_that_waits_for_an_unknown_group_says_so() -> None:
    """Nobody can answer for it, so somebody must notice."""
    assert "0 of 1 approvals given; asked: group:nobody (which has no members)." == describe(approval("group:nobody"))


def test_in_sequence_only_the_next_is_asked() -> None:
    """The others are asked when those before them have answered."""
    start = approval(ANA, BOB, CY, order="in_sequence")
    assert [ANA] == [asked.approver for asked in asked_now(start)]
    assert [BOB] == [asked.approver for asked in asked_now(after(start, vote(ANA)))]
    assert [ANA, BOB, CY] == [asked.approver for asked in asked_now(approval(ANA, BOB, CY))]
    assert () == asked_now(after(start, reject(ANA)))


def test_an_approval_expires_exactly_at_its_time() -> None:
    """Not a microsecond before; and a vote at that moment is too late."""
    start = approval(ANA, timeout="3d")
    end = NOON + timedelta(days=3)
    assert end == start.expires_at
    assert Verdict.PENDING == settle(start, end - timedelta(microseconds=1)).verdict
    assert ReceiptKind.COUNTED == receipt(start, vote(ANA), end - timedelta(microseconds=1)).kind
    expired = settle(start, end)
    assert (Verdict.EXPIRED, end) == (expired.verdict, expired.decided_at)
    assert ReceiptKind.ALREADY_DECIDED == receipt(start, vote(ANA), end).kind
    assert "The approval expired at 2026-11-26 12:00 UTC without enough answers." == describe(expired)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=900)))
def test_when_somebody_looks_makes_no_difference_to_when_it_expired(late: timedelta) -> None:
    """A worker that was down for a week dates the expiry all the same."""
    start = approval(ANA, timeout="3d")
    assert settle(start, start.expires_at) == settle(start, start.expires_at + late)


PEOPLE = [ANA, BOB, CY, DEE, EVE]
membership = st.dictionaries(
    st.sampled_from([OPS, DEV, "group:qa"]), st.lists(st.sampled_from(PEOPLE), unique=True).map(tuple)
)
votes_of_people = st.lists(
    st.builds(vote, st.sampled_from([*PEOPLE, "mallory@example.com"]), st.sampled_from(Choice)),
    max_size=8,
    unique_by=lambda one: one.action_id,
)


@st.composite
def approvals(draw: st.DrawFn, order: Order | None = None) -> Approval:
    """Any approval of people and overlapping groups, some of them unknown."""
    asked = draw(st.lists(st.sampled_from([*PEOPLE, OPS, DEV, "group:qa"]), min_size=1, max_size=5, unique=True))
    need = draw(st.sampled_from([Quorum.ALL, Quorum.ANY]) | st.integers(1, len(asked)))
    return approval(
        *asked,
        groups=draw(membership),
        need=AtLeast(at_least=need) if isinstance(need, int) else need,
        order=order or draw(st.sampled_from(Order)),
        requester_may_approve=draw(st.booleans()),
    )


@given(approvals(Order.ANY), st.lists(st.sampled_from(PEOPLE), unique=True, max_size=5), st.randoms())
def test_the_order_in_which_people_approve_makes_no_difference(start: Approval, voters: list[str], chance) -> None:
    """Also where groups share members and whoever comes first could take another's place."""
    shuffled = list(voters)
    chance.shuffle(shuffled)
    assert after(start, *map(vote, voters)).verdict == after(start, *map(vote, shuffled)).verdict


@given(st.lists(st.sampled_from(Choice), min_size=1, max_size=4))
def test_where_all_must_approve_the_order_of_rejections_makes_no_difference_either(choices: list[Choice]) -> None:
    """One rejection rejects, whenever it comes."""
    start = approval(*PEOPLE[: len(choices)])
    ballots = [vote(person, choice) for person, choice in zip(PEOPLE, choices, strict=False)]
    assert 1 == len({after(start, *order).verdict for order in permutations(ballots)})


@given(approvals(), votes_of_people)
def test_outsiders_change_nothing(start: Approval, ballots: list[Vote]) -> None:
    """With their votes or without them, everything is the same."""
    insiders = [one for one in ballots if may_answer(start, (one.by,))]
    assert after(start, *insiders) == after(start, *ballots)


@given(approvals(), votes_of_people, votes_of_people)
def test_final_stays_final(start: Approval, ballots: list[Vote], more: list[Vote]) -> None:
    """Neither votes nor time change what was decided."""
    decided = settle(after(start, *ballots), NOON + timedelta(days=400))
    assert decided.verdict.is_final
    assert decided == after(decided, *more)
    assert decided == settle(decided, NOON + timedelta(days=800))


@given(approvals(), votes_of_people)
def test_the_requester_never_counts_where_that_is_forbidden(start: Approval, ballots: list[Vote]) -> None:
    """By name or through a group, approving or rejecting."""
    voters = {counted.vote.by for counted in after(start, *ballots).votes}
    assert start.policy.requester_may_approve or EVE not in voters


@given(approvals(), votes_of_people)
def test_each_person_and_each_approver_counts_once(start: Approval, ballots: list[Vote]) -> None:
    """And each vote only for an approver whom its author may answer for."""
    counted = after(start, *ballots).votes
    members = {asked.approver: asked.members for asked in start.asked}
    assert len(counted) == len({one.vote.by for one in counted}) == len({one.approver for one in counted})
    assert all(one.vote.by in members[one.approver] for one in counted)


@given(approvals(), votes_of_people)
def test_an_approval_needs_as_many_different_people_as_its_policy_says(start: Approval, ballots: list[Vote]) -> None:
    """Approved means so many approvals and no rejection; rejected means a rejection."""
    ended = after(start, *ballots)
    choices = [one.vote.choice for one in ended.votes]
    if ended.verdict == Verdict.APPROVED:
        assert choices.count(Choice.APPROVE) == ended.policy.needed
        assert Choice.REJECT not in choices
    assert (ended.verdict == Verdict.REJECTED) == (Choice.REJECT in choices)


@given(approvals(), votes_of_people)
def test_a_vote_sent_five_times_counts_once(start: Approval, ballots: list[Vote]) -> None:
    """Signals may come more than once."""
    assert after(start, *ballots) == after(start, *(one for one in ballots for _ in range(5)))


@given(policies())
def test_an_approval_survives_its_journey_as_json(policy: ApprovalPolicy) -> None:
    """It lives in histories and tables for months."""
    start = approval(*policy.approvers).model_copy(update={"policy": policy})
    assert start == Approval.model_validate_json(start.model_dump_json())


class VotingInSomeOrder(RuleBasedStateMachine):
    """Votes, repetitions and time in any order, held against a plain model: the set of those who approved."""

    @initialize(start=approvals())
    def open(self, start: Approval) -> None:
        self.approval = start
        self.now = NOON
        self.seen: list[Vote] = []
        self.decided: Approval | None = None

    @rule(voter=st.sampled_from([*PEOPLE, "mallory@example.com"]), choice=st.sampled_from(Choice))
    def cast(self, voter: str, choice: Choice) -> None:
        ballot = vote(voter, choice, action_id=f"{len(self.seen)}")
        before = self.approval
        self.approval, told = answer(before, ballot, self.now)
        assert told.stands == (len(self.approval.votes) > len(before.votes))
        assert told.verdict == self.approval.verdict
        if told.stands:
            self.seen.append(ballot)

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        if self.seen:
            ballot = data.draw(st.sampled_from(self.seen))
            self.approval, told = answer(self.approval, ballot, self.now)
            assert ReceiptKind.ALREADY_COUNTED == told.kind

    @rule(voter=st.sampled_from(PEOPLE))
    def show_something_else(self, voter: str) -> None:
        before = settle(self.approval, self.now)
        self.approval, told = answer(self.approval, vote(voter, action_id="other", digest="x"), self.now)
        assert not told.stands
        assert before == self.approval

    @rule(days=st.integers(0, 20))
    def wait(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.approval = settle(self.approval, self.now)

    @invariant()
    def counts_what_it_said_it_counted(self) -> None:
        assert self.seen == [counted.vote for counted in self.approval.votes]

    @invariant()
    def never_changes_its_verdict(self) -> None:
        if self.decided is not None:
            assert self.decided == self.approval
        if self.approval.verdict.is_final:
            self.decided = self.approval

    @invariant()
    def is_pending_only_while_it_may_be(self) -> None:
        settled = settle(self.approval, self.now)
        if settled.verdict == Verdict.PENDING:
            assert self.now < settled.expires_at
            assert len(settled.votes) < settled.policy.needed


TestVotingInSomeOrder = VotingInSomeOrder.TestCase
TestVotingInSomeOrder.settings = settings(stateful_step_count=15)


def test_an_action_was_done_when_it_was_sent() -> None:
    """However late it is heard of; never in the future, nor before anybody was asked. Sent again, it is the same."""
    start, now, hour = approval(ANA), NOON + timedelta(hours=2), timedelta(hours=1)
    moments = {None: now, NOON + hour: NOON + hour, now + hour: now, NOON - hour: NOON}
    for sent_at, moment in moments.items():
        assert moment == done_at(start, vote(ANA).model_copy(update={"sent_at": sent_at}), now)
    counted = after(start, vote(ANA).model_copy(update={"sent_at": NOON}), now=now)
    _, told = answer(counted, vote(ANA).model_copy(update={"sent_at": now}), now)
    assert ReceiptKind.ALREADY_COUNTED == told.kind
