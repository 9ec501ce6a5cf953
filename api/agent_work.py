"""What an agent fetches and sends for the step runs it holds: secrets, artifacts, logs, files. Nobody else's."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Request
from pydantic import Field, SecretStr, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from api.agent_connections import connection_of, named_connection
from api.auth import AgentCaller, Caller
from api.errors import documented
from api.inputs import Body, FileNumber, Offset, StepRun
from api.services import ServicesHere
from api.views import ArtifactsToFetch, ArtifactToFetch, ConnectionWithToken, LogSize, SecretValues
from domain.connection import ConnectionKind
from domain.ids import DeploymentId
from domain.outputs import FILE_BYTES, FILES_BYTES, VARIABLES, NotedFile
from domain.pipeline import Job
from domain.refusal import Kind, NotAllowed, Refusal
from domain.release import ReleasePlan
from domain.status import RunStatus
from storage import agents, deployments, logs, manifests, releases, secret_outputs, secrets, step_files
from storage.tables import JobRow, StepRunRow

router = APIRouter(prefix="/agent/step-runs", tags=["agent work"], responses=documented(401, 403, 422))
_log = structlog.get_logger("slipway.api")
_BYTES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
SetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_. -]{0,127}$")]


class NotYourRun(NotAllowed):
    """The step run is none of a job that this agent holds, or it does not run now."""


class LogClosed(Refusal):
    """The run has ended, and these bytes lie beyond the end that it told."""

    kind = Kind.CONFLICT


class FileClosed(Refusal):
    """The run has ended, and these bytes lie beyond the end of the file that it told of."""

    kind = Kind.CONFLICT


class FileTooLarge(Refusal):
    """The files of a step may not have so many bytes."""


@router.get("/{run_id:path}/secrets", operation_id="get_step_secrets", summary="Fetch the secrets of a running step")
async def get_step_secrets(run_id: StepRun, caller: AgentCaller, services: ServicesHere) -> SecretValues:
    """Those that the step names, while it runs, for the agent that holds its job.

    And, to be masked in its log, those that other steps of the job were given, and that any of the deployment set.
    """
    async with services.database.reading() as session:
        run, job = await _running(session, run_id, caller)
        sealing = services.sealing
        stored = await secrets.values(session, sealing, run.secrets.values())
        told = await secret_outputs.values(session, sealing, job.deployment, run.secret_outputs.values())
        given = await secrets.known(session, sealing, await deployments.secrets_of_job(session, job.id))
        masks = {*given.values(), *await secret_outputs.of_deployment(session, sealing, job.deployment)}
    values = {name: stored[secret] for name, secret in run.secrets.items()}
    values |= {name: told[reference] for name, reference in run.secret_outputs.items()}
    names = sorted([*run.secrets.values(), *run.secret_outputs.values()])
    _log.info("secrets fetched", run=run_id, agent=caller.subject, secrets=names)
    return SecretValues(values=values, masks=sorted(masks - set(values.values())))


class SecretOutputs(Body):
    """What a step set with issecret=true, by name, and values that are only to be masked."""

    variables: Annotated[dict[SetName, SecretStr], Field(max_length=VARIABLES)] = {}
    masks: Annotated[list[SecretStr], Field(max_length=VARIABLES)] = []


@router.put(
    "/{run_id:path}/secret-outputs",
    status_code=204,
    operation_id="put_secret_outputs",
    summary="Keep the secrets that a running step set",
    responses=documented(413),
)
async def put_secret_outputs(run_id: StepRun, told: SecretOutputs, caller: AgentCaller, services: ServicesHere) -> None:
    """For the steps after it that name them, until the deployment ends. Sealed; nobody reads them but such a step."""
    async with services.database.transaction() as session:
        run, job = await _running(session, run_id, caller)
        await secret_outputs.keep(
            session,
            services.sealing,
            run=run,
            job=job,
            variables={name: value.get_secret_value() for name, value in told.variables.items()},
            masks=[value.get_secret_value() for value in told.masks],
            now=services.clock(),
        )
    _log.info("secrets of a step kept", run=run_id, agent=caller.subject, secrets=sorted(told.variables))


@router.get(
    "/{run_id:path}/artifacts",
    operation_id="get_step_artifacts",
    summary="Fetch what a running download needs",
    responses=documented(404),
)
async def get_step_artifacts(run_id: StepRun, caller: AgentCaller, services: ServicesHere) -> ArtifactsToFetch:
    """The manifests of the job's artifacts, and the connections where their files are."""
    async with services.database.reading() as session:
        run, job = await _running(session, run_id, caller)
        if run.step != 0:
            raise _refused(caller, run_id, f"step run {run_id} is no download")
        plan, planned = await _plan_of(session, job)
        found = [(pin.alias, await manifests.get(session, pin.manifest_id)) for pin in plan.artifacts_of(planned)]
    fetched = [
        ArtifactToFetch(alias=alias, manifest=manifest, connection=await connection_of(services, manifest))
        for alias, manifest in found
    ]
    return ArtifactsToFetch(artifacts=fetched)


@router.get(
    "/{run_id:path}/jenkins",
    operation_id="get_step_jenkins",
    summary="Fetch how to reach the Jenkins of a running step",
    responses=documented(404),
)
async def get_step_jenkins(run_id: StepRun, caller: AgentCaller, services: ServicesHere) -> ConnectionWithToken:
    """The connection that the step names, while it runs, for the agent that holds its job."""
    async with services.database.reading() as session:
        run, job = await _running(session, run_id, caller)
        _, planned = await _plan_of(session, job)
    jenkins = planned.steps[run.step - 1].jenkins if run.step else None
    if jenkins is None:
        raise _refused(caller, run_id, f"step run {run_id} is no job of Jenkins")
    _log.info("connection fetched", run=run_id, agent=caller.subject, connection=jenkins.server)
    return await named_connection(services, jenkins.server, ConnectionKind.JENKINS)


@router.put(
    "/{run_id:path}/log",
    operation_id="append_log",
    summary="Send a piece of a step run's log",
    responses=documented(409, 413),
    openapi_extra=_BYTES,
)
async def append_log(
    run_id: StepRun, offset: Offset, request: Request, caller: AgentCaller, services: ServicesHere
) -> LogSize:
    """Bytes that arrived before are dropped; a gap is refused with the ``size`` to go on from.

    Late bytes are taken after the run has ended, up to the size it told.
    """
    data = await request.body()
    async with services.database.transaction() as session:
        run, _ = await _held(session, run_id, caller)
        told = _told_size(run)
        if told is not None and offset + len(data) > told:
            raise LogClosed(f"the run has ended with a log of {told} bytes")
        return LogSize(size=await logs.append(session, run_id, offset, data))


def _told_size(run: StepRunRow) -> int | None:
    """How long the log is by the run's own account. Of a run that nobody saw end there is none."""
    return None if run.status == RunStatus.UNKNOWN else run.log_size


@router.put(
    "/{run_id:path}/files/{number}",
    operation_id="append_step_file",
    summary="Send a piece of a file that a step wants kept",
    responses=documented(409, 413),
    openapi_extra=_BYTES,
)
async def append_step_file(
    run_id: StepRun, number: FileNumber, offset: Offset, request: Request, caller: AgentCaller, services: ServicesHere
) -> LogSize:
    """As with a log: what arrived before is dropped, and a gap is refused with the ``size`` to go on from."""
    data = await request.body()
    async with services.database.transaction() as session:
        run, _ = await _held(session, run_id, caller)
        told = _told_file_size(run, number)
        if told is not None and offset + len(data) > told:
            raise FileClosed(f"the run has ended with {told} bytes of file {number}")
        if offset + len(data) > FILE_BYTES:
            raise FileTooLarge(f"a file may have {FILE_BYTES} bytes")
        size = await step_files.append(session, run_id, number, offset, data)
        if sum((await step_files.sizes(session, run_id)).values()) > FILES_BYTES:
            raise FileTooLarge(f"the files of a step may have {FILES_BYTES} bytes in all")
    return LogSize(size=size)


def _told_file_size(run: StepRunRow, number: int) -> int | None:
    """How long the file is by the run's own account; None until it has ended, and when nobody saw it end."""
    if run.log_size is None or run.status == RunStatus.UNKNOWN:
        return None
    return NotedFile.model_validate(run.files[number - 1]).size if number <= len(run.files) else 0


async def _running(session: AsyncSession, run_id: str, caller: Caller) -> tuple[StepRunRow, JobRow]:
    run, job = await _held(session, run_id, caller)
    if run.status != RunStatus.RUNNING:
        raise _refused(caller, run_id, f"step run {run_id} does not run now")
    return run, job


async def _held(session: AsyncSession, run_id: str, caller: Caller) -> tuple[StepRunRow, JobRow]:
    """The run and its job; an unknown run and another agent's are not told apart."""
    run = await deployments.step_run(session, run_id)
    job = await deployments.job(session, run.job_id) if run is not None else None
    if run is None or job is None or job.agent != caller.subject:
        raise _refused(caller, run_id, f"step run {run_id} is none of a job that {caller.subject} holds")
    # Temporal gives jobs to whoever polls a queue; their secrets and artifacts are ours to give.
    agent = await agents.agent(session, caller.subject)
    if agent is not None and (agent.pool != job.pool or not agent.is_approved):
        raise _refused(caller, run_id, f"agent {caller.subject} may do no jobs of pool {job.pool}")
    return run, job


def _refused(caller: Caller, run_id: str, why: str) -> NotYourRun:
    _log.warning("agent refused", agent=caller.subject, run=run_id, why=why)
    return NotYourRun(why)


async def _plan_of(session: AsyncSession, job: JobRow) -> tuple[ReleasePlan, Job]:
    """The release, and what its pipeline says of the job."""
    deployment = DeploymentId.parse(job.deployment)
    row = await releases.get(session, deployment.release)
    assert row is not None, "a job belongs to a release"
    plan = ReleasePlan.model_validate(row.plan)
    return plan, next(known for known in plan.pipeline.stage(deployment.stage).jobs if known.job == job.job)
