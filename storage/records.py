"""Apply what workflows decided to the tables, each entry once.

Rows are replaced as a whole by the newest fact about them. An entry is one short transaction that reads nothing
unless artifacts were pinned or people are asked, because this runs for every step a release takes.
"""

import logging
from functools import singledispatch
from typing import Any

from sqlalchemy import CursorResult, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from activities.records import (
    ApprovalFact,
    DeploymentFact,
    Entry,
    Event,
    Fact,
    JobFact,
    NameFact,
    PlanFact,
    ReleaseFact,
    StageFact,
    StepFact,
)
from domain.approval import Approval, Verdict, asked_now, cancel
from domain.awaiting import awaited
from domain.ids import DeploymentId, ReleaseId
from domain.person import spelled
from storage import approvals, secret_outputs
from storage.database import Database
from storage.tables import (
    AppliedEntryRow,
    ApprovalRow,
    ApproverRow,
    DeploymentRow,
    EventRow,
    JobRow,
    ReleaseRow,
    StageRow,
    StepRunRow,
)
from storage.upsert import insert_new, put

_logger = logging.getLogger(__name__)
_LISTS = {"issues", "summaries", "files"}


class SqlRecords:
    """The tables as a workflow's projection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def apply(self, entry: Entry) -> None:
        key = {"workflow_id": entry.workflow_id, "run_id": entry.run_id, "sequence": entry.sequence}
        async with self._database.transaction() as session:
            if not await insert_new(session, AppliedEntryRow, key):
                return
            for fact in entry.facts:
                await _write(fact, entry, session)


@singledispatch
async def _write(fact: Fact, entry: Entry, session: AsyncSession) -> None:
    raise NotImplementedError(f"no table keeps {type(fact).__name__}")


@_write.register
async def _write_release(fact: ReleaseFact, entry: Entry, session: AsyncSession) -> None:
    changed: dict[str, Any] = fact.model_dump(include={"status", "waiting_for", "reason", "finished_at"})
    changed["started_at"] = func.coalesce(ReleaseRow.started_at, entry.at)
    if entry.workflow_id == ReleaseId.parse(fact.release).workflow_id:
        changed["run_id"] = entry.run_id
    if fact.digest is not None:
        changed["digest"] = fact.digest
    if fact.artifacts is not None:
        changed["plan"] = await _plan_with_artifacts(fact, session)
    result = await session.execute(
        update(ReleaseRow)
        .where(ReleaseRow.id == fact.release)
        .values(changed)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)
    if result.rowcount == 0:
        _logger.warning("a workflow tells of a release that is not in the tables", extra={"release": fact.release})


async def _plan_with_artifacts(fact: ReleaseFact, session: AsyncSession) -> dict[str, Any]:
    plan = await session.scalar(select(ReleaseRow.plan).where(ReleaseRow.id == fact.release))
    artifacts = [artifact.model_dump(mode="json") for artifact in fact.artifacts or ()]
    return {**(plan or {}), "artifacts": artifacts}


@_write.register
async def _write_plan(fact: PlanFact, _entry: Entry, session: AsyncSession) -> None:
    plan = await session.scalar(select(ReleaseRow.plan).where(ReleaseRow.id == fact.release))
    if plan is None:
        _logger.warning("a workflow tells of a release that is not in the tables", extra={"release": fact.release})
        return
    changed = fact.model_dump(mode="json", include={"variables", "changed_by", "requester_addresses"})
    await session.execute(
        update(ReleaseRow)
        .where(ReleaseRow.id == fact.release)
        .values(plan=plan | changed, digest=fact.digest)
        .execution_options(synchronize_session=False)
    )


@_write.register
async def _write_stage(fact: StageFact, entry: Entry, session: AsyncSession) -> None:
    await put(session, StageRow, fact.model_dump(exclude={"fact"}) | {"updated_at": entry.at})


@_write.register
async def _write_deployment(fact: DeploymentFact, entry: Entry, session: AsyncSession) -> None:
    deployment = DeploymentId.parse(fact.deployment)
    is_its_own = entry.workflow_id == deployment.workflow_id
    row = fact.model_dump(exclude={"fact", "deployment"}) | {
        "id": fact.deployment,
        "release": str(deployment.release),
        "stage": deployment.stage,
        "attempt": deployment.attempt,
        "run_id": entry.run_id if is_its_own else None,
    }
    await put(session, DeploymentRow, row, keep=() if is_its_own else ("run_id",))
    if fact.status.is_final:
        await _end_approvals(fact.deployment, entry, session)
        await secret_outputs.forget(session, fact.deployment)


async def _end_approvals(deployment: str, entry: Entry, session: AsyncSession) -> None:
    """Nobody is asked about a deployment that is over; its workflow may have been ended before it could say so."""
    rows = await session.scalars(
        select(ApprovalRow).where(ApprovalRow.deployment == deployment, ApprovalRow.verdict == Verdict.PENDING)
    )
    for row in rows.all():
        canceled = cancel(Approval.model_validate(row.approval), entry.at)
        fact = ApprovalFact(approval_id=row.id, deployment=deployment, moment=row.moment, approval=canceled)
        await _write_approval(fact, entry, session)


@_write.register
async def _write_approval(fact: ApprovalFact, entry: Entry, session: AsyncSession) -> None:
    approval, deployment = fact.approval, DeploymentId.parse(fact.deployment)
    row = {
        "id": fact.approval_id,
        "deployment": fact.deployment,
        "release": str(deployment.release),
        "pipeline": deployment.release.pipeline,
        "stage": deployment.stage,
        "moment": fact.moment,
        "verdict": approval.verdict,
        "approval": approval.model_dump(mode="json"),
        "opened_at": approval.opened_at,
        "expires_at": approval.expires_at,
        "decided_at": approval.decided_at,
    }
    await put(session, ApprovalRow, row)
    if approval.asked:
        await _write_approvers(fact.approval_id, approval, session)
        await approvals.revoke_links(session, fact.approval_id, approval, entry.at)


async def _write_approvers(approval_id: str, approval: Approval, session: AsyncSession) -> None:
    rows = _approvers(approval_id, approval)
    await put(session, ApproverRow, *rows)
    known = await session.scalars(select(ApproverRow.person).where(ApproverRow.approval_id == approval_id))
    gone = sorted(set(known) - {row["person"] for row in rows})
    if gone:
        await session.execute(
            delete(ApproverRow)
            .where(ApproverRow.approval_id == approval_id, ApproverRow.person.in_(gone))
            .execution_options(synchronize_session=False)
        )


def _approvers(approval_id: str, approval: Approval) -> list[dict[str, Any]]:
    """A row for each person who may answer, and one for each group.

    Who is asked in person, and as a member or deputy too, is asked in person.
    """
    answers_for: dict[str, str] = {}
    for asked in sorted(approval.asked, key=lambda asked: asked.is_group):
        for person in asked.people:
            answers_for.setdefault(spelled(person), asked.approver)
    answers_for |= {asked.approver: asked.approver for asked in approval.asked if asked.is_group}
    wanted = awaited(approval) | {asked.approver for asked in asked_now(approval) if asked.is_group}
    return [
        {"approval_id": approval_id, "person": person, "approver": approver, "is_asked": person in wanted}
        for person, approver in answers_for.items()
    ]


@_write.register
async def _write_job(fact: JobFact, _entry: Entry, session: AsyncSession) -> None:
    row = fact.model_dump(exclude={"fact", "job_id"}) | {"id": fact.job_id, "demands": list(fact.demands)}
    await put(session, JobRow, row)


@_write.register
async def _write_step(fact: StepFact, _entry: Entry, session: AsyncSession) -> None:
    row = fact.model_dump(exclude={"fact", "run_id", "intervention", *_LISTS}) | {"id": fact.run_id}
    row |= fact.model_dump(mode="json", include=_LISTS)
    asked = fact.intervention
    kept = asked.model_dump(mode="json") if asked else None
    await put(session, StepRunRow, row | {"intervention": kept, "is_asked": asked is not None and asked.is_open})


@_write.register
async def _write_name(fact: NameFact, _entry: Entry, session: AsyncSession) -> None:
    await session.execute(
        update(ReleaseRow)
        .where(ReleaseRow.id == fact.release)
        .values(name=fact.name)
        .execution_options(synchronize_session=False)
    )


@_write.register
async def _write_event(fact: Event, entry: Entry, session: AsyncSession) -> None:
    await session.execute(insert(EventRow), fact.model_dump(exclude={"fact"}) | {"at": entry.at})
