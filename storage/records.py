"""Apply what workflows decided to the tables, each entry once.

Rows are replaced as a whole by the newest fact about them. An entry is one short transaction that reads nothing
unless artifacts were pinned, because this runs for every step a release takes.
"""

import logging
from functools import singledispatch
from typing import Any

from sqlalchemy import CursorResult, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from activities.records import (
    ApprovalFact,
    DeploymentFact,
    Entry,
    Event,
    Fact,
    JobFact,
    ReleaseFact,
    StageFact,
    StepFact,
)
from domain.approval import Approval, asked_now
from domain.ids import DeploymentId, ReleaseId
from storage.approvals import as_person
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


@_write.register
async def _write_approval(fact: ApprovalFact, _entry: Entry, session: AsyncSession) -> None:
    approval = fact.approval
    row = {
        "id": fact.approval_id,
        "deployment": fact.deployment,
        "moment": fact.moment,
        "verdict": approval.verdict,
        "approval": approval.model_dump(mode="json"),
        "opened_at": approval.opened_at,
        "expires_at": approval.expires_at,
        "decided_at": approval.decided_at,
    }
    await put(session, ApprovalRow, row)
    await put(session, ApproverRow, *_approvers(fact.approval_id, approval))


def _approvers(approval_id: str, approval: Approval) -> list[dict[str, Any]]:
    """A row for each person who may answer; who is asked in person and in a group is asked in person."""
    answers_for: dict[str, str] = {}
    for asked in sorted(approval.asked, key=lambda asked: asked.approver.startswith("group:")):
        for member in asked.members:
            answers_for.setdefault(as_person(member), asked.approver)
    awaited = _awaited(approval)
    return [
        {"approval_id": approval_id, "person": person, "approver": approver, "is_asked": person in awaited}
        for person, approver in answers_for.items()
    ]


def _awaited(approval: Approval) -> set[str]:
    """The people whose answer would count now."""
    asked = {as_person(member) for asked in asked_now(approval) for member in asked.members}
    asked -= {as_person(counted.vote.voter) for counted in approval.votes}
    if not approval.policy.requester_may_approve:
        asked -= {as_person(requester) for requester in approval.requesters}
    return asked


@_write.register
async def _write_job(fact: JobFact, _entry: Entry, session: AsyncSession) -> None:
    row = fact.model_dump(exclude={"fact", "job_id"}) | {"id": fact.job_id, "demands": list(fact.demands)}
    await put(session, JobRow, row)


@_write.register
async def _write_step(fact: StepFact, _entry: Entry, session: AsyncSession) -> None:
    await put(session, StepRunRow, fact.model_dump(exclude={"fact", "run_id"}) | {"id": fact.run_id})


@_write.register
async def _write_event(fact: Event, entry: Entry, session: AsyncSession) -> None:
    await session.execute(insert(EventRow), fact.model_dump(exclude={"fact"}) | {"at": entry.at})
