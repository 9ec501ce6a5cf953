"""Entries of workflows become rows, each entry once."""

import asyncio
import logging
from datetime import timedelta

import pytest
from sqlalchemy import event

from activities.records import (
    ApprovalFact,
    DeploymentFact,
    Entry,
    Event,
    JobFact,
    PlanFact,
    ReleaseFact,
    StageFact,
    StepFact,
)
from domain.answering import answer
from domain.approval import Approval, Asked, Choice, Moment, Verdict, Vote
from domain.approval_actions import Reassignment, escalate, reassign
from domain.approval_policy import ApprovalPolicy, AtLeast, NobodyAsked, Order
from domain.artifact import PinnedArtifact
from domain.ids import DeploymentId, ReleaseId
from domain.person import Requester
from domain.release import ReleasePlan, with_change
from domain.status import ReleaseStatus, RunStatus, StageStatus
from storage import approvals, deployments, releases
from storage.records import SqlRecords

_RELEASE = ReleaseId(pipeline="webshop", number=41)
_DEPLOYMENT = DeploymentId(release=_RELEASE, stage="prod", attempt=1)
_PROD = StageFact(release="webshop/41", stage="prod", status=StageStatus.IN_PROGRESS, attempt=1)


@pytest.fixture
def store(database):
    return SqlRecords(database)


@pytest.fixture
def entry(now):
    """Makes entries of the release's workflow."""

    def make(*facts, sequence=1, workflow_id="release/webshop/41", run_id="run-1", at=now):
        return Entry(workflow_id=workflow_id, run_id=run_id, sequence=sequence, at=at, facts=facts)

    return make


@pytest.fixture
async def release(database, plan, now):
    async with database.transaction() as session:
        await releases.add(session, plan, now)


async def _stage(database):
    async with database.reading() as session:
        rows = {row.stage: row for row in await releases.stages(session, _RELEASE)}
    return rows["prod"]


def _deployment(now, status=StageStatus.IN_PROGRESS, **more):
    return DeploymentFact(
        deployment=str(_DEPLOYMENT), status=status, requested_by="bob@example.com", started_at=now, **more
    )


def _job(name="deploy", position=0, status=RunStatus.RUNNING, **more):
    job_id = f"{_DEPLOYMENT}/{name}"
    return JobFact(
        job_id=job_id, deployment=str(_DEPLOYMENT), position=position, job=name, status=status, pool="default", **more
    )


def _step(job="deploy", step=1, try_number=1, **more):
    job_id = f"{_DEPLOYMENT}/{job}"
    return StepFact(
        run_id=f"{job_id}/{step}/{try_number}",
        job_id=job_id,
        step=step,
        try_number=try_number,
        title="deploy.sh",
        status=RunStatus.SUCCEEDED,
        **more,
    )


@pytest.mark.usefixtures("release")
async def test_an_entry_is_applied_once(store, database, entry):
    """Sent five times, also at once, it leaves one line of history."""
    told = entry(_PROD, Event(release="webshop/41", text="prod began", by="bob@example.com"))
    await asyncio.gather(*(store.apply(told) for _ in range(5)))
    async with database.reading() as session:
        events = await releases.events(session, _RELEASE)
    assert [("prod began", "bob@example.com")] == [(line.text, line.by) for line in events]
    assert (await _stage(database)).status == StageStatus.IN_PROGRESS


@pytest.mark.usefixtures("release")
async def test_a_late_duplicate_does_not_bring_back_an_older_state(store, database, entry):
    """An activity that hung, and comes back after the next entry, changes nothing."""
    first = entry(_PROD, sequence=1)
    await store.apply(first)
    await store.apply(entry(_PROD.model_copy(update={"status": StageStatus.SUCCEEDED}), sequence=2))
    await store.apply(first)
    assert (await _stage(database)).status == StageStatus.SUCCEEDED


@pytest.mark.usefixtures("release")
async def test_the_same_number_of_another_run_is_another_entry(store, database, entry):
    """A workflow that continued as new counts from one again."""
    await store.apply(entry(_PROD, run_id="run-1"))
    await store.apply(entry(_PROD.model_copy(update={"status": StageStatus.FAILED}), run_id="run-2"))
    assert (await _stage(database)).status == StageStatus.FAILED


@pytest.mark.usefixtures("release")
async def test_an_entry_that_fails_is_not_remembered_as_applied(store, database, entry):
    """Nothing of it is kept, so that it can be sent again."""
    broken = _deployment(entry().at).model_copy(update={"deployment": "no id"})
    with pytest.raises(ValueError, match="unpack"):
        await store.apply(entry(_PROD, broken))
    assert (await _stage(database)).status == StageStatus.NOT_STARTED
    await store.apply(entry(_PROD))
    assert (await _stage(database)).status == StageStatus.IN_PROGRESS


@pytest.mark.usefixtures("release")
async def test_a_release_starts_with_its_first_fact(store, database, entry, now):
    """Later facts change the state, not the moment; the run is that of the release's own workflow."""
    active = ReleaseFact(release="webshop/41", status=ReleaseStatus.ACTIVE, waiting_for="ann's approval")
    await store.apply(entry(active))
    later = now + timedelta(hours=1)
    done = ReleaseFact(release="webshop/41", status=ReleaseStatus.SUCCEEDED, finished_at=later)
    await store.apply(entry(done, sequence=2, at=later))
    async with database.reading() as session:
        row = await releases.get(session, _RELEASE)
    assert row is not None
    assert ("succeeded", "", now, later, "run-1") == (
        row.status,
        row.waiting_for,
        row.started_at,
        row.finished_at,
        row.run_id,
    )


@pytest.mark.usefixtures("release")
async def test_pinned_artifacts_become_part_of_the_stored_plan(store, database, entry, plan):
    """The rest of the plan stays to the last field, and the digest is that of the whole."""
    pinned = PinnedArtifact(
        alias="app", kind="Jenkins", version="7", digest="d" * 64, manifest_id="m" * 64, file_count=1, size=10
    )
    whole = plan.model_copy(update={"artifacts": (pinned,)})
    fact = ReleaseFact(
        release="webshop/41", status=ReleaseStatus.ACTIVE, digest=whole.digest, artifacts=whole.artifacts
    )
    await store.apply(entry(fact))
    await store.apply(entry(ReleaseFact(release="webshop/41", status=ReleaseStatus.ACTIVE), sequence=2))
    async with database.reading() as session:
        row = await releases.get(session, _RELEASE)
    assert row is not None
    assert whole == ReleasePlan.model_validate(row.plan)
    assert whole.digest == row.digest


def _changed(plan):
    """The fact that Dan set another region."""
    dan = Requester(name="dan@example.com", addresses=("dan@example.com", "dan@home.example"))
    changed = with_change(plan, {"region": "cn"}, dan)
    return changed, PlanFact(
        release=str(plan.id),
        digest=changed.digest,
        variables=changed.variables,
        changed_by=changed.changed_by,
        requester_addresses=changed.requester_addresses,
    )


@pytest.mark.usefixtures("release")
async def test_a_changed_plan_is_the_stored_plan(store, database, entry, plan):
    """With who changed it, which a later deployment of it must know; who requested it stays who requested it."""
    changed, fact = _changed(plan)
    await store.apply(entry(fact))
    async with database.reading() as session:
        row = await releases.get(session, _RELEASE)
    assert row is not None
    assert plan != changed == ReleasePlan.model_validate(row.plan)
    assert (changed.digest, "bob@example.com") == (row.digest, row.requested_by)


async def test_a_release_that_is_not_in_the_tables_is_told_of_and_skipped(store, entry, plan, caplog):
    """After a restore from an old backup, workflows go on."""
    with caplog.at_level(logging.WARNING):
        await store.apply(entry(ReleaseFact(release="webshop/41", status=ReleaseStatus.ACTIVE), _changed(plan)[1]))
    assert ["a workflow tells of a release that is not in the tables"] * 2 == caplog.messages


async def test_a_deployment_reads_back_with_its_jobs_and_steps_in_order(store, database, entry, now):
    """Jobs in the author's order; steps by number and try, ten after nine."""
    steps = [_step(step=step, try_number=try_number) for step, try_number in ((10, 1), (9, 2), (9, 1), (0, 1))]
    facts = [_deployment(now, waiting_for="jobs"), _job("verify", 1), _job("deploy", 0), _step("verify"), *steps]
    await store.apply(entry(*facts, workflow_id=_DEPLOYMENT.workflow_id))
    async with database.reading() as session:
        row = await deployments.get(session, _DEPLOYMENT)
        jobs = await deployments.jobs(session, _DEPLOYMENT)
        runs = await deployments.step_runs(session, _DEPLOYMENT)
        one = await deployments.step_run(session, "webshop/41/prod/1/deploy/9/2")
    assert row is not None
    assert ("webshop/41", "prod", 1, "run-1", now) == (row.release, row.stage, row.attempt, row.run_id, row.started_at)
    assert ["deploy", "verify"] == [job.job for job in jobs]
    expected = ["deploy/0/1", "deploy/9/1", "deploy/9/2", "deploy/10/1", "verify/1/1"]
    assert expected == [run.id.removeprefix("webshop/41/prod/1/") for run in runs]
    assert one is not None


async def test_a_job_row_says_what_the_newest_fact_said(store, database, entry, now):
    """All of it: what an agent had is gone when the fact no longer names it."""
    held = _job(demands=("docker", "os=linux"), agent="web-1", lease_id="lease", started_at=now)
    await store.apply(entry(held))
    async with database.reading() as session:
        assert ["web-1"] == [job.agent for job in await deployments.jobs_of_agents(session, ["web-1"])]
        row = await deployments.job(session, held.job_id)
        assert row is not None
        assert (["docker", "os=linux"], "lease", now) == (row.demands, row.lease_id, row.started_at)
    ended = held.model_copy(update={"status": RunStatus.SUCCEEDED, "finished_at": now, "lease_id": None})
    await store.apply(entry(ended, sequence=2))
    async with database.reading() as session:
        assert await deployments.jobs_of_agents(session, ["web-1"]) == []
        row = await deployments.job(session, held.job_id)
    assert row is not None
    assert ("succeeded", None, now) == (row.status, row.lease_id, row.finished_at)


async def test_a_step_row_keeps_names_of_secrets_and_the_end_of_its_log(store, database, entry, now):
    """As the fact says them."""
    fact = _step(secrets={"PASSWORD": "webshop/db"}, exit_code=0, log_size=2**40, log_sha256="a" * 64, finished_at=now)
    await store.apply(entry(fact))
    async with database.reading() as session:
        row = await deployments.step_run(session, fact.run_id)
    assert row is not None
    assert ({"PASSWORD": "webshop/db"}, 0, 2**40, "a" * 64, now) == (
        row.secrets,
        row.exit_code,
        row.log_size,
        row.log_sha256,
        row.finished_at,
    )


def _approval(now, **policy):
    asked = (
        Asked(approver="group:ops", members=("Ann@example.com", "cem@example.com")),
        Asked(approver="ann@example.com", members=("ann@example.com",)),
        Asked(approver="bob@example.com", members=("bob@example.com",)),
    )
    names = tuple(one.approver for one in asked)
    return Approval(
        policy=ApprovalPolicy(approvers=names, **policy),
        asked=asked,
        digest="d",
        requesters=("bob@example.com",),
        opened_at=now,
    )


def _told(approval):
    return ApprovalFact(
        approval_id="webshop/41/prod/1/before",
        deployment=str(_DEPLOYMENT),
        moment=Moment.BEFORE,
        approval=approval,
    )


async def _awaited(database):
    """Who has the approval in their inbox."""
    people = ("ann@example.com", "bob@example.com", "cem@example.com", "dan@example.com")
    async with database.reading() as session:
        return [person.split("@")[0] for person in people if await approvals.inbox(session, person)]


async def test_an_approval_stands_in_the_inbox_of_those_who_may_answer(store, database, entry, now):
    """Members of groups, too, but not the requester, who may not; and it reads back as it was."""
    approval = _approval(now, need=AtLeast(at_least=2))
    await store.apply(entry(_deployment(now), _told(approval)))
    assert ["ann", "cem"] == await _awaited(database)
    async with database.reading() as session:
        row = await approvals.get(session, "webshop/41/prod/1/before")
        assert ["webshop/41/prod/1/before"] == [one.id for one in await approvals.of_release(session, _RELEASE)]
    assert row is not None
    assert approval == Approval.model_validate(row.approval)
    assert (now + timedelta(days=30), "before", "pending") == (row.expires_at, row.moment, row.verdict)
    assert ("webshop/41", "webshop", "prod") == (row.release, row.pipeline, row.stage)


async def test_a_requester_who_may_approve_is_asked(store, database, entry, now):
    """Where the policy allows it."""
    await store.apply(entry(_told(_approval(now, requester_may_approve=True))))
    assert ["ann", "bob", "cem"] == await _awaited(database)


async def test_who_answered_is_no_longer_asked_and_nobody_is_once_it_is_decided(store, database, entry, now):
    """A person counts once, also where a group they belong to is still asked."""
    approval = _approval(now, need=AtLeast(at_least=2))
    await store.apply(entry(_told(approval)))
    for sequence, (voter, left) in enumerate((("ann@example.com", ["cem"]), ("cem@example.com", [])), start=2):
        vote = Vote(action_id=voter, by=voter, choice=Choice.APPROVE, digest="d")
        approval, _ = answer(approval, vote, now)
        await store.apply(entry(_told(approval), sequence=sequence))
        assert left == await _awaited(database)
    assert approval.verdict == Verdict.APPROVED
    async with database.reading() as session:
        mine = await approvals.inbox(session, "ANN@example.com ", verdict=Verdict.APPROVED)
    assert len(mine) == 1


async def test_in_a_sequence_only_the_next_is_asked(store, database, entry, now):
    """The others' inboxes stay empty until it is their turn; Ann is asked by name, not as one of the group."""
    await store.apply(entry(_told(_approval(now, order=Order.IN_SEQUENCE, requester_may_approve=True))))
    assert ["cem"] == await _awaited(database)


async def test_a_second_address_of_the_requester_is_in_no_inbox(store, database, entry, now):
    """Nor is an address with a tag, whoever's it is said to be."""
    approval = _approval(now, need=AtLeast(at_least=1)).model_copy(
        update={"requesters": ("ann+ci@example.com",), "requester_addresses": ("CEM@example.com",)}
    )
    await store.apply(entry(_told(approval)))
    assert ["bob"] == await _awaited(database)


async def test_deputies_are_asked_from_when_they_are_added(store, database, entry, now):
    """Those they stand in for stay asked."""
    approval = _approval(now)
    await store.apply(entry(_told(approval)))
    larger = escalate(approval, "ann@example.com", ("dan@example.com",), "silence", now)
    await store.apply(entry(_told(larger), sequence=2))
    assert ["ann", "cem", "dan"] == await _awaited(database)


async def test_who_is_reassigned_from_is_no_approver_any_more(store, database, entry, now):
    """Their inbox does not even know it as a past one."""
    approval = _approval(now)
    await store.apply(entry(_told(approval)))
    change = Reassignment(
        action_id="r",
        by="cem@example.com",
        approver="group:ops",
        to="dan@example.com",
        members=("dan@example.com",),
    )
    given, receipt = reassign(approval, change, now)
    assert receipt.stands
    await store.apply(entry(_told(given), sequence=2))
    assert ["ann", "dan"] == await _awaited(database)
    async with database.reading() as session:
        assert [] == await approvals.inbox(session, "cem@example.com", verdict=None)
        assert [] == await approvals.page(session, group="ops")


@pytest.mark.parametrize("status", [StageStatus.CANCELED, StageStatus.FAILED])
async def test_the_end_of_a_deployment_ends_its_open_approvals(store, database, entry, now, status):
    """Its workflow may have been terminated before it could say so itself; what is decided stays."""
    asked = _approval(now)
    vote = Vote(action_id="v", by="ann@example.com", choice=Choice.REJECT, digest="d")
    rejected, _ = answer(asked, vote, now)
    before = _told(rejected)
    after = _told(asked).model_copy(update={"approval_id": "webshop/41/prod/1/after", "moment": Moment.AFTER})
    other = _told(asked).model_copy(
        update={"approval_id": "webshop/41/prod/2/before", "deployment": "webshop/41/prod/2"}
    )
    await store.apply(entry(_deployment(now), before, after, other))
    assert ["ann", "cem"] == await _awaited(database)
    later = now + timedelta(hours=1)
    await store.apply(entry(_deployment(now, status, finished_at=later), sequence=2, at=later))
    async with database.reading() as session:
        rows = {row.id: row for row in await approvals.page(session)}
        waiting = await approvals.inbox(session, "ann@example.com")
    assert ["webshop/41/prod/2/before"] == [row.id for row in waiting]
    ended = rows["webshop/41/prod/1/after"]
    kept = Approval.model_validate(ended.approval)
    assert ("canceled", later, Verdict.CANCELED, later) == (
        ended.verdict,
        ended.decided_at,
        kept.verdict,
        kept.decided_at,
    )
    assert rejected == Approval.model_validate(rows["webshop/41/prod/1/before"].approval)


async def test_an_approval_of_nobody_is_kept(store, database, entry, now):
    """A group without members: it waits, in no inbox."""
    approval = _approval(now).model_copy(update={"asked": (Asked(approver="group:empty", members=()),)})
    await store.apply(entry(_told(approval)))
    assert await _awaited(database) == []


@pytest.mark.usefixtures("release")
async def test_an_entry_takes_few_statements(store, database, entry, now):
    """One to remember it and about one a fact: it runs for every step of every release."""
    statements = []
    engine = database._engine.sync_engine

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    nobody = _approval(now).model_copy(update={"policy": NobodyAsked(), "asked": ()})
    began = Event(release="webshop/41", text="prod began")
    await store.apply(entry(_PROD, _deployment(now), _told(nobody), _job(), _step(), began))
    event.remove(engine, "before_cursor_execute", note)
    assert len([statement for statement in statements if not statement.startswith("BEGIN")]) == 7
