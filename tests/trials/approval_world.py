"""An installation in one process: Temporal, the tables in SQLite, the release worker, and the application over HTTP.

Only the agent is a fake. The worker is made the way ``python -m workers.release`` makes it, and it and the
application have a connection to the database each, as two processes would.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from fakes.release_world import ScriptedAgent
from fakes.temporal_binaries import DEV_SERVER
from pydantic import SecretStr
from sqlalchemy import select
from temporalio import activity
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import search_attributes
from activities.notifications import AskApprover, MailReport
from api.app import create_app
from api.orchestrator import TemporalOrchestrator
from api.services import Services
from domain.approval import Approval, Moment, Receipt
from domain.ids import DeploymentId, ReleaseId, agent_queue, split_approval_id
from domain.role import Role
from settings import Settings
from storage import approvals, tokens
from storage.clock import utc_now
from storage.database import Database
from storage.sealing import Sealing
from storage.tables import ApprovalRow
from workers import release as release_worker
from workflows.approval import ReceiptQuery
from workflows.deployment import DeploymentEnd, DeploymentWorkflow

KEY = "5e" * 32
ADMIN, MANAGER, REQUESTER = "adam@example.com", "mona@example.com", "rita@example.com"
_ROLES = {ADMIN: Role.ADMIN, MANAGER: Role.RELEASE_MANAGER, REQUESTER: Role.RELEASER}
_LOOK_AGAIN_SECONDS = 0.1
_AT_ONCE = 16


@dataclass(frozen=True)
class Answer:
    """What the application answered."""

    status: int
    body: Any

    @property
    def is_fault(self) -> bool:
        return self.status >= httpx2.codes.INTERNAL_SERVER_ERROR


@dataclass
class ApprovalWorld:
    """What a trial works with. Everybody but the three above is an approver."""

    client: Client
    database: Database
    http: httpx2.AsyncClient
    settings: Settings
    sends_mail: bool = True
    agent: ScriptedAgent = field(default_factory=ScriptedAgent)
    _watch: "Watch | None" = None
    _tokens: dict[str, str] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _worker: Worker | None = None
    _workers_database: Database | None = None

    async def ask(self, person: str, method: str, path: str, body: object = None) -> Answer:
        """One request of this person."""
        headers = {"Authorization": f"Bearer {await self._token(person)}"}
        response = await self.http.request(method, path, json=body, headers=headers)
        return Answer(response.status_code, response.json() if response.content else None)

    async def get(self, path: str) -> Any:
        """What is there; it must be."""
        answer = await self.ask(REQUESTER, "GET", path)
        assert answer.status == httpx2.codes.OK, answer
        return answer.body

    async def save(self, pipeline: str, stages: Iterable[dict[str, Any]], **more: Any) -> None:
        """Keep a pipeline whose stages are deployed all at once."""
        environment = {"name": pipeline, "at_once": 1000}
        whole = {"pipeline": pipeline, "stages": [{"environment": environment, **one} for one in stages], **more}
        answer = await self.ask(ADMIN, "POST", "/pipelines", whole)
        assert answer.status in {httpx2.codes.OK, httpx2.codes.CREATED}, answer

    async def group(self, name: str, members: Iterable[str]) -> None:
        answer = await self.ask(ADMIN, "PUT", f"/groups/{name}", {"members": list(members)})
        assert answer.status < httpx2.codes.BAD_REQUEST, answer

    async def release(self, pipeline: str) -> str:
        """Make a release of it; its id."""
        answer = await self.ask(REQUESTER, "POST", "/releases", {"pipeline": pipeline})
        assert answer.status == httpx2.codes.CREATED, answer
        return str(answer.body["id"])

    async def page(self, approval_id: str) -> Any:
        """The approval as the application shows it; None while nobody is asked."""
        answer = await self.ask(REQUESTER, "GET", f"/approvals/{approval_id}")
        return None if answer.status == httpx2.codes.NOT_FOUND else answer.body

    async def row(self, approval_id: str) -> Approval | None:
        """The approval as the tables have it."""
        async with self.database.reading() as session:
            row = await approvals.get(session, approval_id)
        return None if row is None else Approval.model_validate(row.approval)

    async def rows(self, release: str) -> dict[str, Approval]:
        """All approvals of a release as the tables have them."""
        async with self.database.reading() as session:
            rows = await approvals.of_release(session, ReleaseId.parse(release))
        return {row.id: Approval.model_validate(row.approval) for row in rows}

    async def seen(
        self, approval_id: str, condition: Callable[[Approval], bool] = lambda _: True, within: float = 60.0
    ) -> Approval:
        """The approval as the tables have it, once it is there and the condition holds; raises TimeoutError."""
        assert self._watch is not None, "approval_world watches"
        async with asyncio.timeout(within):
            return await self._watch.seen(approval_id, condition)

    async def until(self, condition: Callable[[], Awaitable[bool]], within: float = 60.0) -> None:
        """Wait until it holds; raises TimeoutError."""
        async with asyncio.timeout(within):
            while not await condition():
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def receipt(self, approval_id: str, action_id: str, by: str) -> Receipt | None:
        """What the workflow says became of an action."""
        deployment, moment = split_approval_id(approval_id)
        handle = self.client.get_workflow_handle_for(DeploymentWorkflow.run, deployment.workflow_id)
        query = ReceiptQuery(moment=Moment(moment), action_id=action_id, by=by)
        return await handle.query(DeploymentWorkflow.receipt, query)

    async def end(self, deployment: str) -> DeploymentEnd:
        """How the deployment's workflow ended, once it has."""
        handle = self.client.get_workflow_handle_for(DeploymentWorkflow.run, DeploymentId.parse(deployment).workflow_id)
        async with asyncio.timeout(30):
            return await handle.result()

    async def failed_tasks(self, release: str, deployments: Iterable[str]) -> list[str]:
        """Workflow tasks that failed by a fault of ours.

        A signal that comes right when a workflow completes makes the server try that task again; that is no fault.
        """
        ids = [ReleaseId.parse(release).workflow_id, *(DeploymentId.parse(one).workflow_id for one in deployments)]
        return [fault for found in await asyncio.gather(*(self._failed_tasks(one) for one in ids)) for fault in found]

    async def _failed_tasks(self, workflow_id: str) -> list[str]:
        harmless = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
        async with self._turns:
            history = await self.client.get_workflow_handle(workflow_id).fetch_history()
        failures = [event.workflow_task_failed_event_attributes for event in history.events]
        return [
            f"{workflow_id}: {failure.failure.message or failure.cause}"
            for failure in failures
            if failure.cause not in {0, harmless}
        ]

    async def start_worker(self) -> None:
        """Let a release worker work, made as its own process makes it."""
        assert self._worker is None
        self._workers_database = Database(self.settings.database_url)
        activities = release_worker._activities(self.settings, self._workers_database)
        if not self.sends_mail:
            activities = [ask_nobody if each.__name__ == "ask_approver" else each for each in activities]
        self._worker = await release_worker._worker(self.settings, self._workers_database, activities)
        # A workflow that waits two seconds for the one interpreter behind server and trial has not hung.
        assert self._worker._workflow_worker is not None
        self._worker._workflow_worker._deadlock_timeout_seconds = 30
        await self._worker.__aenter__()

    async def stop_worker(self) -> None:
        if self._worker is not None:
            worker, self._worker = self._worker, None
            await worker.__aexit__(None, None, None)
            assert self._workers_database is not None
            await self._workers_database.close()

    async def _token(self, person: str) -> str:
        if person not in self._tokens:
            now = utc_now()
            async with self.database.transaction() as session:
                _, value = await tokens.issue(
                    session,
                    name="of a trial",
                    subject=person,
                    role=_ROLES.get(person, Role.APPROVER),
                    expires_at=now + timedelta(days=1),
                    now=now,
                )
            self._tokens[person] = value
        return self._tokens[person]


@activity.defn(name="ask_approver")
async def ask_nobody(_: AskApprover) -> MailReport:
    """In place of the mails, where votes are what is tried."""
    return MailReport()


class Watch:
    """Looks at the approvals that somebody waits for, all of them with one query: looking must not be the load."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[str, Callable[[Approval], bool], asyncio.Future[Approval]]] = []
        self._is_wanted = asyncio.Event()

    async def seen(self, approval_id: str, condition: Callable[[Approval], bool]) -> Approval:
        found: asyncio.Future[Approval] = asyncio.get_running_loop().create_future()
        self._waiting.append((approval_id, condition, found))
        self._is_wanted.set()
        return await found

    async def run(self) -> None:
        while True:
            await self._is_wanted.wait()
            await self._look()
            self._waiting = [waiting for waiting in self._waiting if not waiting[2].done()]
            if not self._waiting:
                self._is_wanted.clear()
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _look(self) -> None:
        ids = sorted({approval_id for approval_id, _, _ in self._waiting})
        async with self._database.reading() as session:
            rows = await session.scalars(select(ApprovalRow).where(ApprovalRow.id.in_(ids)))
        found = {row.id: Approval.model_validate(row.approval) for row in rows}
        for approval_id, condition, future in self._waiting:
            if approval_id in found and not future.done() and condition(found[approval_id]):
                future.set_result(found[approval_id])


@asynccontextmanager
async def _watching(world: ApprovalWorld) -> AsyncIterator[None]:
    world._watch = Watch(world.database)
    task = asyncio.create_task(world._watch.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def approval_world(folder: Path, *, sends_mail: bool = True) -> AsyncIterator[ApprovalWorld]:
    """Everything, with its files in this folder."""
    async with AsyncExitStack() as stack:
        temporal = await stack.enter_async_context(
            await WorkflowEnvironment.start_local(
                dev_server_existing_path=DEV_SERVER,
                dev_server_log_level="error",
                search_attributes=search_attributes.ALL,
                data_converter=pydantic_data_converter,
            )
        )
        world = await _made(temporal.client, folder)
        world.sends_mail = sends_mail
        stack.push_async_callback(world.database.close)
        await stack.enter_async_context(world.http)
        await stack.enter_async_context(_watching(world))
        for queue in ("agents/default/any", agent_queue(world.agent.name)):
            activities = world.agent.activities()
            await stack.enter_async_context(Worker(world.client, task_queue=queue, activities=activities))
        await world.start_worker()
        stack.push_async_callback(world.stop_worker)
        yield world


async def _made(client: Client, folder: Path) -> ApprovalWorld:
    url = f"sqlite+aiosqlite:///{folder / 'slipway.db'}"
    settings = Settings(
        _env_file=None,
        temporal_address=client.service_client.config.target_host,
        database_url=url,
        secret_key=SecretStr(KEY),
        mail="outbox",
    )
    database = Database(url)
    await database.migrate()
    orchestrator = TemporalOrchestrator(client, settings.public_url)
    app = create_app(Services(database=database, sealing=Sealing(KEY), orchestrator=orchestrator))
    http = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://slipway.test/api/v1"
    )
    return ApprovalWorld(client=client, database=database, http=http, settings=settings)
