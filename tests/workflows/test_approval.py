"""Approvals of a deployment: votes by signal, receipts by query, verdicts by the clock."""

import asyncio
from datetime import timedelta
from typing import Any

from fakes.release_world import World, plan_of, stage, start, vote
from temporalio.testing import WorkflowEnvironment

from domain.approval import Choice, Moment, ReceiptKind, Verdict
from domain.status import ReleaseStatus
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
    assert len(history.events) < 100


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
            *(vote(world, DEPLOYMENT, "ana@example.com", vote_id="the same") for _ in range(5))
        )
        assert {receipt.message for receipt in receipts} == {receipts[0].message}
        another = await vote(world, DEPLOYMENT, "ana@example.com", vote_id="another")
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
        early = await vote(world, DEPLOYMENT, "ben@example.com", vote_id="early")
        assert early.kind == ReceiptKind.NOT_ASKED_YET
        assert [mail.approver for mail in world.surroundings.mails] == ["ana@example.com"]
        await vote(world, DEPLOYMENT, "ana@example.com")
        await eventually(lambda: len(world.surroundings.mails) == 2)
        await vote(world, DEPLOYMENT, "ben@example.com", vote_id="in turn")
        await handle.result()


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


async def test_an_id_of_a_vote_belongs_to_nobody(world: World) -> None:
    """Callers choose the ids: two people with the same one both count."""
    async with world.running():
        handle = await start(world, plan_of(guarded(before={"approvers": ["ana@example.com", "bob@example.com"]})))
        await vote(world, DEPLOYMENT, "ana@example.com", vote_id="1")
        second = await vote(world, DEPLOYMENT, "bob@example.com", vote_id="1")
        end = await handle.result()
    assert second.kind == ReceiptKind.COUNTED
    assert end.status == ReleaseStatus.SUCCEEDED
