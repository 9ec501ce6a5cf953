"""Reading the tables into views. A release takes the same number of queries however many steps it has."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from api import links
from api.approval_filter import ApprovalFilter
from api.approval_view import approval_view_of
from api.approval_views import ApprovalPage, ApprovalView
from api.services import Services
from api.views import (
    AgentJobView,
    AgentView,
    ArtifactView,
    DeploymentView,
    EventView,
    InterventionView,
    JobView,
    LinksView,
    ReleasePage,
    ReleaseSummary,
    ReleaseView,
    StageView,
    StepView,
)
from domain.clock_skew import clock_warning
from domain.ids import DeploymentId, ReleaseId
from domain.intervention import Intervention, describe
from domain.matching import DemandSet, explain_absence
from domain.refusal import NotFound
from domain.release import ReleasePlan
from domain.status import ReleaseStatus, RunStatus, StageStatus
from storage import agents, approvals, deployments, releases
from storage.deliveries import deliveries, deliveries_of
from storage.tables import (
    AgentRow,
    ApprovalRow,
    DeploymentRow,
    EventRow,
    JobRow,
    ReleaseRow,
    StageRow,
    StepRunRow,
)

_Row = TypeVar("_Row")
_PENDING = ApprovalFilter()
_ISSUES_SHOWN = 10


class NoSuchRelease(NotFound):
    """There is no release of that number."""


class NoSuchDeployment(NotFound):
    """The release was not deployed to that stage so often."""


async def release_view(session: AsyncSession, services: Services, release: ReleaseId) -> ReleaseView:
    """One release with everything that belongs to it; raises NoSuchRelease."""
    row = await release_row(session, release)
    plan = ReleasePlan.model_validate(row.plan)
    rows = await releases.deployments(session, release)
    return ReleaseView(
        **_summary(row, services).model_dump(),
        description=plan.description,
        revision=plan.revision,
        digest=row.digest,
        variables=plan.variables,
        artifacts=[ArtifactView.model_validate(pin.model_dump()) for pin in plan.artifacts],
        stages=_stages(plan, await releases.stages(session, release), rows),
        deployments=await _deployments(
            session,
            services,
            rows,
            jobs=await deployments.jobs_of_release(session, release),
            steps=await deployments.step_runs_of_release(session, release),
            asked=await approvals.of_release(session, release),
        ),
        events=[_event(event) for event in await releases.events(session, release)],
        temporal_url=links.temporal(services, release.workflow_id, row.run_id),
    )


async def release_row(session: AsyncSession, release: ReleaseId) -> ReleaseRow:
    """Raises NoSuchRelease."""
    row = await releases.get(session, release)
    if row is None:
        raise NoSuchRelease(f"there is no release {release}")
    return row


async def release_page(
    session: AsyncSession,
    services: Services,
    *,
    pipeline: str | None = None,
    status: ReleaseStatus | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> ReleasePage:
    """Releases, newest first; raises BadCursor."""
    rows = await releases.page(session, pipeline=pipeline, status=status, limit=limit + 1, before=cursor)
    items = [_summary(row, services) for row in rows[:limit]]
    return ReleasePage(items=items, next_cursor=_next(rows, limit, releases.cursor_of))


async def deployment_view(session: AsyncSession, services: Services, deployment: DeploymentId) -> DeploymentView:
    """One deployment with its approvals, jobs and steps; raises NoSuchDeployment."""
    row = await deployments.get(session, deployment)
    if row is None:
        raise NoSuchDeployment(f"there is no deployment {deployment}")
    asked = await approvals.of_release(session, deployment.release)
    found = await _deployments(
        session,
        services,
        [row],
        jobs=await deployments.jobs(session, deployment),
        steps=await deployments.step_runs(session, deployment),
        asked=[approval for approval in asked if approval.deployment == row.id],
    )
    return found[0]


async def approval_view(session: AsyncSession, approval_id: str) -> ApprovalView:
    """One approval; raises NotFound."""
    row = await approvals.get(session, approval_id)
    if row is None:
        raise NotFound(f"nobody is asked for the approval {approval_id}")
    return approval_view_of(row, await deliveries(session, approval_id))


async def approval_page(
    session: AsyncSession,
    *,
    person: str | None,
    wanted: ApprovalFilter = _PENDING,
    limit: int = 50,
    cursor: str | None = None,
) -> ApprovalPage:
    """One person's approvals, or everybody's for None; oldest first. Raises BadCursor."""
    rows = await approvals.page(session, person=person, **wanted.criteria, limit=limit + 1, after=cursor)
    items = await _approvals(session, rows[:limit])
    return ApprovalPage(items=items, next_cursor=_next(rows, limit, approvals.cursor_of))


async def agent_views(session: AsyncSession, services: Services, wanted: str = "") -> list[AgentView]:
    """By pool and name: agents that have every ``wanted`` word in name, pool or capabilities."""
    rows = [row for row in await agents.all_agents(session) if agents.fits(row, wanted)]
    running = await deployments.jobs_of_agents(session, [row.name for row in rows])
    jobs_of = _grouped(running, lambda job: job.agent or "")
    return [agent_view(row, jobs_of[row.name], services) for row in rows]


def agent_view(row: AgentRow, jobs: Iterable[JobRow], services: Services) -> AgentView:
    """One agent, and the jobs that it runs."""
    now = services.clock()
    offer = agents.offer(row, now)
    return AgentView(
        name=row.name,
        pool=row.pool,
        status=agents.status(row, now),
        is_online=offer.is_online,
        takes_jobs=offer.takes_jobs,
        closed_because=offer.closed_because,
        is_approved=row.is_approved,
        is_draining=row.is_draining and offer.is_online,
        in_maintenance=row.in_maintenance,
        maintenance_reason=row.maintenance_reason,
        capabilities=offer.capabilities,
        labels=row.labels,
        slots=agents.slots_of(row),
        own_slots=row.slots,
        busy=row.busy,
        jobs=[_agent_job(job, services) for job in jobs],
        version=row.version,
        clock_ahead=row.clock_ahead,
        clock_warning=clock_warning(row.clock_ahead),
        enrolled_at=row.enrolled_at,
        last_seen_at=row.last_seen_at,
    )


def _agent_job(row: JobRow, services: Services) -> AgentJobView:
    deployment = DeploymentId.parse(row.deployment)
    return AgentJobView(
        id=row.id,
        deployment=row.deployment,
        started_at=row.started_at,
        console=f"{links.release_in_console(services, str(deployment.release))}#stage-{deployment.stage}",
    )


def _next(rows: Sequence[_Row], limit: int, cursor_of: Callable[[_Row], str]) -> str | None:
    """One row more than asked for was read, so that the last page is known to be the last."""
    return cursor_of(rows[limit - 1]) if len(rows) > limit else None


def _summary(row: ReleaseRow, services: Services) -> ReleaseSummary:
    return ReleaseSummary(
        id=row.id,
        pipeline=row.pipeline,
        number=row.number,
        name=row.name,
        status=ReleaseStatus(row.status),
        waiting_for=row.waiting_for,
        reason=row.reason,
        requested_by=row.requested_by,
        requested_for=row.plan.get("requested_for", ""),
        created_at=row.created_at,
        finished_at=row.finished_at,
        links=LinksView(self=links.release_in_api(row.id), console=links.release_in_console(services, row.id)),
    )


def _stages(plan: ReleasePlan, rows: Iterable[StageRow], tries: Iterable[DeploymentRow]) -> list[StageView]:
    """In the author's order."""
    by_name = {row.stage: row for row in rows}
    waiting_for = {(row.stage, row.attempt): row.waiting_for for row in tries}
    return [
        StageView(
            stage=stage.stage,
            status=StageStatus(row.status),
            reason=row.reason,
            attempt=row.attempt,
            after=[after.stage for after in stage.after],
            manual=stage.manual,
            waiting_for=waiting_for.get((row.stage, row.attempt), ""),
        )
        for stage in plan.pipeline.stages
        for row in [by_name[stage.stage]]
    ]


async def _deployments(
    session: AsyncSession,
    services: Services,
    rows: Iterable[DeploymentRow],
    *,
    jobs: Sequence[JobRow],
    steps: Iterable[StepRunRow],
    asked: Sequence[ApprovalRow],
) -> list[DeploymentView]:
    steps_of = _grouped(steps, lambda step: step.job_id)
    absences = await _absences(session, services, jobs)
    jobs_of = _grouped(jobs, lambda job: job.deployment)
    approvals_of = _grouped(await _approvals(session, asked), lambda approval: approval.deployment)
    return [
        DeploymentView(
            id=row.id,
            release=row.release,
            stage=row.stage,
            attempt=row.attempt,
            status=StageStatus(row.status),
            requested_by=row.requested_by,
            waiting_for=row.waiting_for,
            reason=row.reason,
            started_at=row.started_at,
            finished_at=row.finished_at,
            approvals=approvals_of[row.id],
            jobs=[_job(job, steps_of[job.id], absences.get(job.id)) for job in jobs_of[row.id]],
            temporal_url=links.temporal(services, DeploymentId.parse(row.id).workflow_id, row.run_id),
        )
        for row in rows
    ]


def _grouped(rows: Iterable[_Row], key: Callable[[_Row], str]) -> defaultdict[str, list[_Row]]:
    groups: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


async def _absences(session: AsyncSession, services: Services, jobs: Iterable[JobRow]) -> dict[str, str]:
    """Why nobody takes the jobs that wait, as things stand at this moment, by job id."""
    waiting = [job for job in jobs if job.status == RunStatus.WAITING]
    if not waiting:
        return {}
    now = services.clock()
    offers = [agents.offer(row, now) for row in await agents.all_agents(session)]
    told = {job.id: explain_absence(offers, DemandSet.of(job.pool, job.demands)) for job in waiting}
    return {job: sentence for job, sentence in told.items() if sentence is not None}


def _job(row: JobRow, steps: Iterable[StepRunRow], absence: str | None) -> JobView:
    return JobView(
        id=row.id,
        job=row.job,
        status=RunStatus(row.status),
        agent=row.agent,
        pool=row.pool,
        demands=row.demands,
        waiting_for=absence or row.waiting_for,
        reason=row.reason,
        started_at=row.started_at,
        finished_at=row.finished_at,
        steps=[_step(step) for step in steps],
    )


def _step(row: StepRunRow) -> StepView:
    return StepView(
        run_id=row.id,
        step=row.step,
        try_number=row.try_number,
        title=row.title,
        status=RunStatus(row.status),
        exit_code=row.exit_code,
        reason=row.reason,
        log_size=row.log_size,
        started_at=row.started_at,
        finished_at=row.finished_at,
        intervention=intervention_view(row),
        errors=row.errors,
        warnings=row.warnings,
        issues=row.issues[:_ISSUES_SHOWN],
        summaries=row.summaries,
        files=row.files,
        progress=row.progress,
    )


def intervention_view(row: StepRunRow) -> InterventionView | None:
    """What people are, or were, asked about this run."""
    if row.intervention is None:
        return None
    asked = Intervention.model_validate(row.intervention)
    decision = asked.decision
    return InterventionView(
        cause=asked.cause,
        text=describe(asked),
        options=list(asked.options) if asked.is_open else [],
        asked_at=asked.asked_at,
        expires_at=asked.expires_at,
        is_open=asked.is_open,
        remedy=decision.remedy if decision else None,
        decided_by=decision.by if decision else None,
        comment=decision.comment if decision else "",
        ended_at=asked.ended_at,
    )


async def _approvals(session: AsyncSession, rows: Sequence[ApprovalRow]) -> list[ApprovalView]:
    mails = _grouped(await deliveries_of(session, [row.id for row in rows]), lambda mail: mail.approval_id)
    return [approval_view_of(row, mails[row.id]) for row in rows]


def _event(row: EventRow) -> EventView:
    return EventView(at=row.at, text=row.text, by=row.by, deployment=row.deployment)
