"""Approvals of a deployment: votes by signal, receipts by query, verdicts by the clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.release_world import World, act, deployment_handle, plan_of, stage, start, vote
from temporalio.testing import WorkflowEnvironment

from activities.notifications import LetterKind
from activities.records import ApprovalFact, Fact, PlanFact
from domain.approval import Choice, Moment, ReceiptKind, Verdict, Vote
from domain.approval_actions import MOST_REFUSALS, Override, Reassignment, Withdrawal
from domain.person import Requester
from domain.status import ReleaseStatus
from workflows.approval import CastVote, MailBounced, OverrideApproval, Reassign, Withdraw
from workflows.deployment import DeploymentWorkflow, PlanChange
from workflows.release import ReleaseWorkflow
from workflows.stopping import CancelRequest

DEPLOYMENT = "webshop/1/prod/1"


def guarded(*, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None) -> dict[str, Any]:
    checks: dict[str, Any] = {}
    if before:
        checks["before"] = {"approval": before}
    if after:
        checks["after_deployment"] = {"approval": after}
    return {"pipeline": "webshop", "stages": [stage("prod", **checks), stage("next", after=("prod",))]}


async def test_nothing_runs_until_everybody_asked_has_approved(world: World) -> None:
    """Two approvers, both needed: the first vote is counted and the job waits on."""
    async with world.running():
        plan = plan_of(guarded(before={"approvers": ["ana@example.com", "group:ops"]}))
        handle = await start(world, plan)
        first = await vote(world, DEPLOYMENT, "ana@example.com")
        assert first.kind == ReceiptKind.COUNTED
        assert first.verdict == Verdict.PENDING
        assert world.agent.runs == []
        second = await vote(world, DEPLOYMENT, "otto@example.com")
        assert second.verdict == Verdict.APPROVED
        end = await handle.result()
    assert end.status == ReleaseStatus.SUCCEEDED
    assert sorted(mail.approver for mail in world.surroundings.mails) == ["ana@example.com", "group:ops"]
    assert world.surroundings.mails[0].digest == plan.digest


async def test_a_rejection_rejects_the_deployment_and_skips_what_follows(world: World) -> None:
    """One no is enough; dependents do not start."""
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": ["ana@example.com"]})))
        await vote(world, DEPLOYMENT, "ana@example.com", Choice.REJECT)
        end = await handle.result()
    assert end.status == ReleaseStatus.FAILED
    assert world.tables.stages() == {"prod": "rejected", "next": "skipped"}
    assert world.agent.runs == []


async def test_an_unanswered_approval_expires_after_thirty_days(world: World, environment: WorkflowEnvironment) -> None:
    """The default timeout rejects the deployment; the history stays short."""
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": ["ana@example.com"]})))
        began = await environment.get_current_time()
        await world.open_approval(f"{DEPLOYMENT}/before")
        end = await handle.result()
        assert await environment.get_current_time() - began >= timedelta(days=30)
        child = world.client.get_workflow_handle(f"deployment/{DEPLOYMENT}")
        history = await child.fetch_history()
    assert end.status == ReleaseStatus.FAILED
    assert world.tables.stages()["prod"] == "expired"
    assert len(history.events) < 150  # seven reminders among them


async def test_the_next_stage_waits_for_the_approval_after(world: World) -> None:
    """Deployed but not confirmed: the dependents wait; a rejection afterwards rejects the stage."""
    async with world.running():
        handle = await start(world, plan_of(guarded(after={"approvers": ["ana@example.com"]})))
        await world.open_approval(f"{DEPLOYMENT}/after")
        assert world.agent.runs == ["webshop/1/prod/1/deploy/1/1"]
        receipt = await vote(world, DEPLOYMENT, "ana@example.com", moment=Moment.AFTER)
        assert receipt.verdict == Verdict.APPROVED
        await handle.result()
    assert world.agent.runs[-1] == "webshop/1/next/1/deploy/1/1"


async def test_the_requester_may_not_approve(world: World) -> None:
    """The creator of the release is asked by name and still refused, with the reason."""
    async with world.running():
        policy = {"approvers": ["rita@example.com", "ana@example.com"], "need": "any"}
        handle = await start(world, plan_of(guarded(before=policy)))
        refused = await vote(world, DEPLOYMENT, "Rita@Example.com")
        assert refused.kind == ReceiptKind.REQUESTER_MAY_NOT_APPROVE
        assert world.agent.runs == []
        await vote(world, DEPLOYMENT, "ana@example.com")
        await handle.result()


async def test_a_vote_sent_five_times_counts_once(world: World) -> None:
    """The same vote, at once and again, gets the same receipt and one row."""
    async with world.running():
        policy = {"approvers": ["ana@example.com", "ben@example.com"]}
        handle = await start(world, plan_of(guarded(before=policy)))
        receipts = await asyncio.gather(
            *(vote(world, DEPLOYMENT, "ana@example.com", action_id="the same") for _ in range(5))
        )
        assert {receipt.message for receipt in receipts} == {receipts[0].message}
        another = await vote(world, DEPLOYMENT, "ana@example.com", action_id="another")
        assert another.kind == ReceiptKind.ALREADY_ANSWERED
        assert len(world.tables.approvals()[f"{DEPLOYMENT}/before"].votes) == 1
        await vote(world, DEPLOYMENT, "ben@example.com")
        await handle.result()


async def test_a_vote_for_another_plan_does_not_count(world: World) -> None:
    """What was shown is what is approved."""
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": ["ana@example.com"]})))
        stale = await vote(world, DEPLOYMENT, "ana@example.com", digest="0" * 64)
        assert stale.kind == ReceiptKind.PLAN_CHANGED
        await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com"))
        await handle.result()
    assert world.tables.approvals()[f"{DEPLOYMENT}/before"].verdict == Verdict.CANCELED
    assert world.tables.stages()["prod"] == "canceled"


async def test_approvers_in_sequence_are_asked_one_after_the_other(world: World, eventually: Any) -> None:
    """The second gets a mail only when the first has answered."""
    async with world.running():
        policy = {"approvers": ["ana@example.com", "ben@example.com"], "order": "in_sequence"}
        handle = await start(world, plan_of(guarded(before=policy)))
        await eventually(lambda: world.surroundings.mails)
        early = await vote(world, DEPLOYMENT, "ben@example.com", action_id="early")
        assert early.kind == ReceiptKind.NOT_ASKED_YET
        assert [mail.approver for mail in world.surroundings.mails] == ["ana@example.com"]
        await vote(world, DEPLOYMENT, "ana@example.com")
        await eventually(lambda: len(world.surroundings.mails) == 2)
        await vote(world, DEPLOYMENT, "ben@example.com", action_id="in turn")
        await handle.result()


async def test_who_is_asked_twice_in_a_sequence_is_told_twice(world: World, eventually: Any) -> None:
    """A deputy of all places, and a member of two groups, get a mail of their own each time; who has answered none."""
    groups = {"dev": (ANA, BEN), "ops": (ANA, BEN, MAX)}
    policy = {"approvers": ["group:dev", "group:ops"], "order": "in_sequence", "escalate": {"to": [DORA]}}
    async with world.running():
        plan = plan_of(guarded(before=policy)).model_copy(update={"groups": groups})
        handle = await start(world, plan)
        await eventually(lambda: world.surroundings.mails)
        for person in groups["dev"]:
            bounced = MailBounced(moment=Moment.BEFORE, person=person, reason="550 no such user")
            await deployment_handle(world, DEPLOYMENT).signal(DeploymentWorkflow.mail_bounced, bounced)
        await eventually(lambda: len(world.surroundings.mails) == 2)
        await vote(world, DEPLOYMENT, BEN)
        await eventually(lambda: len(world.surroundings.mails) == 3)
        bounced = MailBounced(moment=Moment.BEFORE, person=MAX, reason="550 no such user")
        await deployment_handle(world, DEPLOYMENT).signal(DeploymentWorkflow.mail_bounced, bounced)
        await eventually(lambda: len(world.surroundings.mails) == 4)
        await vote(world, DEPLOYMENT, DORA)
        await handle.result()
    assert [
        ("approval wanted", (ANA, BEN)),
        ("deputy wanted", (DORA,)),
        ("approval wanted, place 2", (ANA, MAX)),
        ("deputy wanted, place 2", (DORA,)),
    ] == mails(world)


async def test_a_refused_vote_may_be_cast_again_when_its_time_has_come(world: World) -> None:
    """Answering too early does not use the answer up: pages send the same one again."""
    policy = {"approvers": ["ana@example.com", "bob@example.com"], "order": "in_sequence"}
    async with world.running():
        handle = await start(world, plan_of(guarded(before=policy)))
        early = await vote(world, DEPLOYMENT, "bob@example.com")
        await vote(world, DEPLOYMENT, "ana@example.com")
        again = await vote(world, DEPLOYMENT, "bob@example.com")
        end = await handle.result()
    assert (early.kind, again.kind) == (ReceiptKind.NOT_ASKED_YET, ReceiptKind.COUNTED)
    assert end.status == ReleaseStatus.SUCCEEDED


async def test_refusals_are_counted_for_each_person(world: World) -> None:
    """Who was refused too often is refused for good, which is recorded; who was not is not."""
    policy = {"approvers": [ANA, BEN, DORA], "order": "in_sequence"}
    async with world.running():
        handle = await start(world, plan_of(guarded(before=policy)))
        told = [await vote(world, DEPLOYMENT, BEN, action_id=str(number)) for number in range(MOST_REFUSALS + 1)]
        other = await vote(world, DEPLOYMENT, DORA)
        for person in (ANA, BEN, DORA):
            await vote(world, DEPLOYMENT, person)
        end = await handle.result()
    assert [ReceiptKind.NOT_ASKED_YET] * MOST_REFUSALS + [ReceiptKind.NOT_ALLOWED] == [one.kind for one in told]
    assert ReceiptKind.NOT_ASKED_YET == other.kind
    assert (BEN,) == world.tables.approvals()[f"{DEPLOYMENT}/before"].refused_often
    assert end.status == ReleaseStatus.SUCCEEDED


async def test_an_id_of_a_vote_belongs_to_nobody(world: World) -> None:
    """Callers choose the ids: two people with the same one both count."""
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": ["ana@example.com", "bob@example.com"]})))
        await vote(world, DEPLOYMENT, "ana@example.com", action_id="1")
        second = await vote(world, DEPLOYMENT, "bob@example.com", action_id="1")
        end = await handle.result()
    assert second.kind == ReceiptKind.COUNTED
    assert end.status == ReleaseStatus.SUCCEEDED


ANA, BEN, DORA, MAX = "ana@example.com", "ben@example.com", "dora@example.com", "max@example.com"


def mails(world: World) -> list[tuple[str, tuple[str, ...]]]:
    """Kind and recipients of each mail."""
    return [(mail.delivery_kind, mail.members) for mail in world.surroundings.mails]


async def test_a_vote_may_be_taken_back_and_given_anew(world: World) -> None:
    """Each with its receipt, and each in the history with who and how."""
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": [ANA, BEN]})))
        await vote(world, DEPLOYMENT, ANA, action_id="first")
        back = Withdrawal(action_id="back", by=ANA, vote_id="first")
        taken = await act(world, DEPLOYMENT, Withdraw(moment=Moment.BEFORE, withdrawal=back), back)
        repeated = await vote(world, DEPLOYMENT, ANA, action_id="first")
        again = back.model_copy(update={"action_id": "back again"})
        told_again = await act(world, DEPLOYMENT, Withdraw(moment=Moment.BEFORE, withdrawal=again), again)
        await vote(world, DEPLOYMENT, BEN)
        assert world.agent.runs == []
        await vote(world, DEPLOYMENT, ANA, action_id="second")
        end = await handle.result()
    assert (taken.kind, repeated.kind) == (ReceiptKind.DONE, ReceiptKind.WITHDRAWN)
    assert told_again.kind == ReceiptKind.ALREADY_DONE
    assert end.status == ReleaseStatus.SUCCEEDED
    assert "prod: approval before the deployment: took back that they approved through the API" in world.tables.events()


async def test_a_reassigned_approval_is_asked_of_the_new_approver(world: World, eventually: Any) -> None:
    """By a mail of its own; the old approver's answer counts no more, and the waiting sentence follows."""
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": [ANA]})))
        await world.open_approval(f"{DEPLOYMENT}/before")
        change = Reassignment(action_id="1", by=ANA, approver=ANA, to=BEN, members=(BEN,), comment="on holiday")
        told = await act(world, DEPLOYMENT, Reassign(moment=Moment.BEFORE, reassignment=change), change)
        await eventually(lambda: len(world.surroundings.mails) == 2)
        late = await vote(world, DEPLOYMENT, ANA)
        await vote(world, DEPLOYMENT, BEN)
        await handle.result()
    assert (told.kind, late.kind) == (ReceiptKind.DONE, ReceiptKind.NOT_AN_APPROVER)
    assert mails(world) == [("approval wanted", (ANA,)), ("approval wanted, round 1", (BEN,))]
    assert world.surroundings.mails[1].because == f"You are asked instead of {ANA}."
    assert f"approval before the deployment: 0 of 1 approvals given; asked: {BEN}" in world.tables.waited_for()


async def test_a_release_manager_may_override(world: World) -> None:
    """The deployment goes on at once, and its history tells why."""
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": [ANA, BEN]})))
        approval = await world.open_approval(f"{DEPLOYMENT}/before")
        action = Override(action_id="1", by=MAX, choice=Choice.APPROVE, digest=approval.digest, comment="site is down")
        told = await act(world, DEPLOYMENT, OverrideApproval(moment=Moment.BEFORE, override=action), action)
        end = await handle.result()
    assert told.verdict == Verdict.APPROVED
    assert end.status == ReleaseStatus.SUCCEEDED
    assert world.tables.approvals()[f"{DEPLOYMENT}/before"].is_overridden
    assert any("overriding the approvers through the API: site is down" in text for text in world.tables.events())


async def test_a_deferred_deployment_starts_when_its_time_has_come(
    world: World, environment: WorkflowEnvironment
) -> None:
    """Three days on, and beyond the timeout of the approval; it says meanwhile what it waits for."""
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": [ANA], "timeout": "1d"})))
        approval = await world.open_approval(f"{DEPLOYMENT}/before")
        begins = approval.opened_at + timedelta(days=3)
        told = await vote(world, DEPLOYMENT, ANA, not_before=begins)
        assert world.agent.runs == []
        end = await handle.result()
        assert await environment.get_current_time() >= begins
    assert told.verdict == Verdict.PENDING
    assert end.status == ReleaseStatus.SUCCEEDED
    assert world.tables.approvals()[f"{DEPLOYMENT}/before"].decided_at == begins
    assert any("counts as approved from" in sentence for sentence in world.tables.waited_for())


async def test_a_year_of_reminders_is_a_short_history(world: World, environment: WorkflowEnvironment) -> None:
    """The longest approval there is, of three people, with a deputy: reminded to the end, then expired."""
    policy = {"approvers": [ANA, BEN, "group:ops"], "timeout": "365d", "escalate": {"after": "24h", "to": [DORA]}}
    async with world.running():
        handle = await start(world, plan_of(guarded(before=policy)))
        began = await environment.get_current_time()
        await world.open_approval(f"{DEPLOYMENT}/before")
        end = await handle.result()
        assert await environment.get_current_time() - began >= timedelta(days=365)
        child = world.client.get_workflow_handle(f"deployment/{DEPLOYMENT}")
        history = await child.fetch_history()
    kinds = [mail.kind for mail in world.surroundings.mails]
    assert end.status == ReleaseStatus.FAILED
    assert (3, 3, 3 * 18) == tuple(kinds.count(k) for k in (LetterKind.WANTED, LetterKind.DEPUTY, LetterKind.REMINDER))
    assert len(history.events) < 500


async def test_a_deputy_answers_for_who_is_silent(world: World, environment: WorkflowEnvironment) -> None:
    """After the time the policy gives; the mail says for whom and why."""
    policy = {"approvers": [ANA], "remind": "never", "escalate": {"after": "24h", "to": [DORA]}}
    async with world.running():
        handle = await start(world, plan_of(guarded(before=policy)))
        await world.open_approval(f"{DEPLOYMENT}/before")
        early = await vote(world, DEPLOYMENT, DORA, action_id="early")
        await environment.sleep(timedelta(hours=25))
        told = await vote(world, DEPLOYMENT, DORA, action_id="in time")
        await handle.result()
    assert (early.kind, told.kind) == (ReceiptKind.NOT_AN_APPROVER, ReceiptKind.COUNTED)
    assert mails(world) == [("approval wanted", (ANA,)), ("deputy wanted", (DORA,))]
    assert world.surroundings.mails[1].because == f"{ANA} has not answered for 1d."


async def test_nobody_is_reminded_of_what_expired_while_no_worker_ran(real_world: World, eventually: Any) -> None:
    """The worker that comes back finds a reminder due, and the approval over."""
    world = real_world
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": [ANA], "remind": "3s", "timeout": "4s"})))
        approval = await world.open_approval(f"{DEPLOYMENT}/before")
        await vote(world, DEPLOYMENT, DORA)  # who is told no when the timer runs
    assert datetime.now(UTC) < approval.opened_at + timedelta(seconds=3)
    await eventually(lambda: datetime.now(UTC) > approval.expires_at)
    async with world.running():
        await handle.result()
    assert world.tables.approvals()[f"{DEPLOYMENT}/before"].verdict == Verdict.EXPIRED
    assert [("approval wanted", (ANA,))] == mails(world)


async def test_what_was_sent_in_time_counts_though_no_worker_ran(real_world: World, eventually: Any) -> None:
    """Two votes, both needed, that are read after the approval would have expired; decided when the last was sent."""
    world, policy = real_world, {"approvers": [ANA, BEN], "remind": "never", "timeout": "2s"}
    definition = {"pipeline": "webshop", "stages": [stage("prod", before={"approval": policy})]}
    async with world.running(max_cached_workflows=0):
        handle = await start(world, plan_of(definition))
        approval = await world.open_approval(f"{DEPLOYMENT}/before")
        await vote(world, DEPLOYMENT, DORA)  # who is told no when all is quiet
    sent_at = approval.opened_at + timedelta(seconds=1)
    for person in (ANA, BEN):
        cast = Vote(action_id="1", by=person, choice=Choice.APPROVE, digest=approval.digest, sent_at=sent_at)
        message = CastVote(moment=Moment.BEFORE, vote=cast)
        await deployment_handle(world, DEPLOYMENT).signal(DeploymentWorkflow.vote, message)
    assert datetime.now(UTC) < approval.expires_at, "the votes were sent in time"
    await eventually(lambda: datetime.now(UTC) > approval.expires_at + timedelta(seconds=0.1))
    async with world.running(max_cached_workflows=0):
        end = await handle.result()
    decided = world.tables.approvals()[f"{DEPLOYMENT}/before"]
    assert (Verdict.APPROVED, sent_at) == (decided.verdict, decided.decided_at)
    assert end.status == ReleaseStatus.SUCCEEDED


async def test_what_was_sent_too_late_does_not_count(real_world: World, eventually: Any) -> None:
    """Though the timer was not heard of yet."""
    world, policy = real_world, {"approvers": [ANA], "remind": "never", "timeout": "1s"}
    definition = {"pipeline": "webshop", "stages": [stage("prod", before={"approval": policy})]}
    async with world.running(max_cached_workflows=0):
        handle = await start(world, plan_of(definition))
        approval = await world.open_approval(f"{DEPLOYMENT}/before")
        await vote(world, DEPLOYMENT, DORA)  # who is told no when all is quiet
    await eventually(lambda: datetime.now(UTC) > approval.expires_at)
    late = Vote(action_id="1", by=ANA, choice=Choice.APPROVE, digest=approval.digest, sent_at=datetime.now(UTC))
    message = CastVote(moment=Moment.BEFORE, vote=late)
    await deployment_handle(world, DEPLOYMENT).signal(DeploymentWorkflow.vote, message)
    async with world.running(max_cached_workflows=0):
        await handle.result()
    assert Verdict.EXPIRED == world.tables.approvals()[f"{DEPLOYMENT}/before"].verdict


async def test_who_requested_it_is_no_deputy(world: World, eventually: Any) -> None:
    """Where all deputies requested it, the requester hears that nobody can answer."""
    policy = {"approvers": ["group:nobody"], "escalate": {"to": ["rita@example.com"]}}
    async with world.running():
        handle = await start(world, plan_of(guarded(before=policy)))
        await eventually(lambda: world.surroundings.unreachable)
        await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com"))
        await handle.result()
    assert () == world.tables.approvals()[f"{DEPLOYMENT}/before"].asked[0].deputies


async def test_reminders_keep_to_business_hours(world: World, environment: WorkflowEnvironment) -> None:
    """Each comes while business is open in the place that the policy names."""
    hours = {"timezone": "Europe/Berlin", "days": ["mon", "tue", "wed", "thu", "fri"], "opens": "09:00"}
    async with world.running():
        policy = {"approvers": [ANA], "remind": "20h", "business_hours": hours, "timeout": "14d"}
        handle = await start(world, plan_of(guarded(before=policy)))
        began = await environment.get_current_time()
        await world.open_approval(f"{DEPLOYMENT}/before")
        await environment.sleep(timedelta(hours=40))
        assert len(world.surroundings.mails) == 1, f"twenty business hours are more than two days, from {began}"
        await handle.result()
    assert [mail.kind for mail in world.surroundings.mails].count(LetterKind.REMINDER) in {1, 2}


@pytest.mark.parametrize("deputies", [[DORA], []])
async def test_a_bounced_mail_is_escalated_at_once(world: World, eventually: Any, deputies: list[str]) -> None:
    """To the deputies; where there are none the requester hears of it. However often it is told."""
    policy = {"approvers": [ANA], **({"escalate": {"to": deputies}} if deputies else {})}
    async with world.running():
        handle = await start(world, plan_of(guarded(before=policy)))
        await eventually(lambda: world.surroundings.mails)
        bounced = MailBounced(moment=Moment.BEFORE, person=ANA, reason="550 no such user")
        for _ in range(3):
            await deployment_handle(world, DEPLOYMENT).signal(DeploymentWorkflow.mail_bounced, bounced)
        await eventually(lambda: len(world.surroundings.mails) == 2 or world.surroundings.unreachable)
        await vote(world, DEPLOYMENT, deputies[0] if deputies else ANA)
        end = await handle.result()
    assert end.status == ReleaseStatus.SUCCEEDED
    assert mails(world)[1:] == [("deputy wanted", (DORA,))] * len(deputies)
    assert [told.people for told in world.surroundings.unreachable] == [("rita@example.com",)] * (not deputies)
    assert 1 == len([text for text in world.tables.events() if "550 no such user" in text])


async def test_one_reachable_member_is_enough_for_a_group(world: World, eventually: Any) -> None:
    """Only when nobody of it can be reached the deputies are asked, also for a mail the service refused."""
    world.surroundings.refused_people = ("olga@example.com",)
    policy = {"approvers": ["group:ops"], "escalate": {"to": [DORA]}}
    async with world.running():
        handle = await start(world, plan_of(guarded(before=policy)))
        await eventually(lambda: any("olga@example.com" in text for text in world.tables.events()))
        assert len(world.surroundings.mails) == 1
        bounced = MailBounced(moment=Moment.BEFORE, person="otto@example.com", reason="mailbox full")
        await deployment_handle(world, DEPLOYMENT).signal(DeploymentWorkflow.mail_bounced, bounced)
        await eventually(lambda: len(world.surroundings.mails) == 2)
        await vote(world, DEPLOYMENT, DORA)
        await handle.result()
    assert mails(world)[1] == ("deputy wanted", (DORA,))
    assert world.surroundings.mails[1].because == "No mail reaches group:ops."


@pytest.mark.parametrize(
    ("approvers", "why"),
    [
        (["rita@example.com"], "rita@example.com requested it"),
        (["group:nobody"], "group:nobody has no members"),
        (["group:all", ANA], "everybody in group:all who did not request it is asked by name"),
    ],
)
async def test_an_approval_that_nobody_can_give_is_told_at_once(
    world: World, eventually: Any, approvers: list[str], why: str
) -> None:
    """Nobody gets a mail in vain, and the requester hears."""
    async with world.running():
        plan = plan_of(guarded(before={"approvers": approvers, "order": "in_sequence"}))
        handle = await start(world, plan.model_copy(update={"groups": {"all": ("rita@example.com", ANA)}}))
        await eventually(lambda: world.surroundings.unreachable)
        await handle.signal(ReleaseWorkflow.cancel, CancelRequest(by="rita@example.com"))
        await handle.result()
    assert world.surroundings.mails == []
    assert f"Nobody can answer as {approvers[0]}: {why}" == world.surroundings.unreachable[0].reason


async def test_a_group_of_which_one_requested_it_is_out_of_reach_with_the_others(world: World, eventually: Any) -> None:
    """The requester may not answer, so that whether a mail reaches them says nothing."""
    policy = {"approvers": ["group:ops"], "escalate": {"to": [DORA]}}
    async with world.running():
        handle = await start(world, plan_of(guarded(before=policy), requested_by="olga@example.com"))
        await eventually(lambda: world.surroundings.mails)
        bounced = MailBounced(moment=Moment.BEFORE, person="otto@example.com", reason="mailbox full")
        await deployment_handle(world, DEPLOYMENT).signal(DeploymentWorkflow.mail_bounced, bounced)
        await eventually(lambda: len(world.surroundings.mails) == 2)
        await vote(world, DEPLOYMENT, DORA)
        await handle.result()
    assert [("approval wanted", ("otto@example.com",)), ("deputy wanted", (DORA,))] == mails(world)


async def test_a_changed_plan_asks_everybody_anew(world: World, eventually: Any) -> None:
    """The vote for the old plan is void, who changed it is a requester, and the new values are what runs."""
    definition = guarded(before={"approvers": [ANA, BEN], "need": {"at_least": 2}})
    definition["variables"] = {"LEVEL": {"value": "info", "settable": True}}
    async with world.running():
        handle = await start(world, plan_of(definition))
        old = await world.open_approval(f"{DEPLOYMENT}/before")
        await vote(world, DEPLOYMENT, ANA, action_id="old")
        dora = Requester(name=DORA, addresses=(DORA,))
        change = PlanChange(change_id="1", variables={"LEVEL": "debug"}, requester=dora, comment="to see more")
        for _ in range(3):
            await handle.signal(ReleaseWorkflow.change_plan, change)
        await eventually(lambda: world.tables.approvals()[f"{DEPLOYMENT}/before"].digest != old.digest)
        stale = await vote(world, DEPLOYMENT, BEN, action_id="stale", digest=old.digest)
        for person in (ANA, BEN):
            await vote(world, DEPLOYMENT, person, action_id="new")
        end = await handle.result()
    assert stale.kind == ReceiptKind.PLAN_CHANGED
    assert end.status == ReleaseStatus.SUCCEEDED
    assert DORA in world.tables.approvals()[f"{DEPLOYMENT}/before"].requester_addresses
    assert [mail.round for mail in world.surroundings.mails] == [0, 0, 1, 1]
    assert [fact.variables for fact in world.tables.facts if isinstance(fact, PlanFact)] == [{"LEVEL": "debug"}]
    assert {request.environment["LEVEL"] for request in world.agent.requests} == {"debug"}


async def test_what_was_approved_is_what_is_deployed(world: World) -> None:
    """A change that comes right behind the last vote, while the verdict is being written down, is too late."""
    definition = guarded(before={"approvers": [ANA]})
    definition["variables"] = {"LEVEL": {"value": "info", "settable": True}}
    change = PlanChange(change_id="1", variables={"LEVEL": "debug"}, requester=Requester(name=DORA, addresses=(DORA,)))

    async def meanwhile(fact: Fact) -> None:
        if isinstance(fact, ApprovalFact) and fact.approval.votes:
            await deployment_handle(world, DEPLOYMENT).signal(DeploymentWorkflow.change_plan, change)
            world.tables.meanwhile = nothing

    async def nothing(_: Fact) -> None:
        return

    async with world.running():
        handle = await start(world, plan_of(definition))
        await world.open_approval(f"{DEPLOYMENT}/before")
        world.tables.meanwhile = meanwhile
        await vote(world, DEPLOYMENT, ANA)
        await handle.result()
    assert world.tables.meanwhile == nothing, "the change came while the verdict was written"
    assert {request.environment["LEVEL"] for request in world.agent.requests} == {"info"}


async def test_a_plan_that_changes_after_the_jobs_have_begun_is_for_the_stages_to_come(
    world: World, eventually: Any
) -> None:
    """What runs goes on as it was approved."""
    definition = guarded(after={"approvers": [ANA]})
    definition["variables"] = {"LEVEL": {"value": "info", "settable": True}}
    async with world.running():
        handle = await start(world, plan_of(definition))
        before = await world.open_approval(f"{DEPLOYMENT}/after")
        change = PlanChange(
            change_id="1", variables={"LEVEL": "debug"}, requester=Requester(name=DORA, addresses=(DORA,))
        )
        await handle.signal(ReleaseWorkflow.change_plan, change)
        await eventually(lambda: any(isinstance(fact, PlanFact) for fact in world.tables.facts))
        told = await vote(world, DEPLOYMENT, ANA, moment=Moment.AFTER, digest=before.digest)
        await handle.result()
    assert told.kind == ReceiptKind.COUNTED
    assert [request.environment["LEVEL"] for request in world.agent.requests] == ["info", "debug"]


async def test_deployments_that_end_while_others_are_told_of_a_change_hold_up_nothing(
    world: World, eventually: Any
) -> None:
    """The release tells those that are left, and comes to its end."""
    policy = {"approval": {"approvers": [ANA], "remind": "never"}}
    variables = {"LEVEL": {"value": "info", "settable": True}}
    stages = [stage(name, before=policy) for name in ("eu", "uk", "us", "za")]
    ended: list[str] = []

    async def meanwhile(fact: Fact) -> None:
        while isinstance(fact, PlanFact) and len(ended) < 3:
            deployment = f"webshop/1/{stages[len(ended) + 1]['stage']}/1"
            await vote(world, deployment, ANA, Choice.REJECT)
            await deployment_handle(world, deployment).result()
            ended.append(deployment)

    async with world.running():
        handle = await start(world, plan_of({"pipeline": "webshop", "variables": variables, "stages": stages}))
        for one in stages:
            await world.open_approval(f"webshop/1/{one['stage']}/1/before")
        world.tables.meanwhile = meanwhile
        dora = Requester(name=DORA, addresses=(DORA,))
        change = PlanChange(change_id="1", variables={"LEVEL": "debug"}, requester=dora)
        await handle.signal(ReleaseWorkflow.change_plan, change)
        await eventually(lambda: world.tables.approvals()["webshop/1/eu/1/before"].history)
        await vote(world, "webshop/1/eu/1", ANA)
        end = await handle.result()
    assert 3 == len(ended)
    assert {"eu": "succeeded", "uk": "rejected", "us": "rejected", "za": "rejected"} == dict(end.stages)
    assert {request.environment["LEVEL"] for request in world.agent.requests} == {"debug"}


async def test_who_approved_the_stage_before_is_not_asked_again(world: World) -> None:
    """Where the policy of the next stage says so, and the deployment started by itself."""
    again = {"approvers": [ANA], "skip_if_approved_before": True}
    first = stage("prod", before={"approval": {"approvers": [ANA]}})
    second = stage("next", after=("prod",), before={"approval": again})
    async with world.running():
        handle = await start(world, plan_of({"pipeline": "webshop", "stages": [first, second]}))
        await vote(world, DEPLOYMENT, ANA)
        end = await handle.result()
    assert end.status == ReleaseStatus.SUCCEEDED
    assert len(world.surroundings.mails) == 1
    assert "next: approval before the deployment: approved as for the stage before" in world.tables.events()


async def test_a_stage_without_approvers_keeps_an_automatic_record(world: World) -> None:
    """One before and one after, approved at once; nobody is mailed."""
    async with world.running():
        handle = await start(world, plan_of({"pipeline": "webshop", "stages": [stage("prod")]}))
        await handle.result()
    records = world.tables.approvals()
    assert [f"{DEPLOYMENT}/before", f"{DEPLOYMENT}/after"] == list(records)
    assert {(True, Verdict.APPROVED)} == {(one.is_automatic, one.verdict) for one in records.values()}


async def test_the_timers_say_what_happens_when(world: World) -> None:
    """In Temporal Web UI: whose reminder, whose deputies, what expires."""
    policy = {"approvers": [ANA], "remind": "1h", "escalate": {"after": "2h", "to": [DORA]}, "timeout": "3h"}
    async with world.running():
        handle = await start(world, plan_of(guarded(before=policy)))
        await handle.result()
        history = await deployment_handle(world, DEPLOYMENT).fetch_history()
    told = [
        e.user_metadata.summary.data.decode() for e in history.events if e.HasField("timer_started_event_attributes")
    ]
    assert [
        f'"approval before prod: reminder of {ANA}"',
        f'"approval before prod: deputies for {ANA}"',
        '"approval before prod: expires"',
    ] == told
