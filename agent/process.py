"""The agent process: enrols, takes jobs while it has slots, re-joins what ran before it, and drains when told."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr
from temporalio.client import Client

from activities.agent_job import AgentJob
from activities.artifact_source import SourceOpener
from activities.jenkins_builds import BuildServerOpener
from agent.api_client import AboutAgent, AgentApi, Standing
from agent.artifact_cache import ArtifactCache
from agent.capabilities import Capabilities
from agent.desk import Desk
from agent.disk_reserve import DiskReserve
from agent.downloads import ArtifactDownloads
from agent.fetchers import ContentLocks
from agent.file_fetch import FetchStores
from agent.jenkins_step import JenkinsSteps
from agent.leases import Leases
from agent.log_shipper import LogShipper
from agent.part_files import PartFiles
from agent.prefetch import Prefetch
from agent.presence import Presence
from agent.queue_slots import SlotPool
from agent.queue_workers import QueueWorkers, own_worker
from agent.state_folder import StateFolder
from agent.step_runs import DetachedStepRuns
from domain.frozen import Frozen
from domain.ids import agent_queue

_log = structlog.get_logger("slipway.agent")
_FIRST_ANSWER_WITHIN = 3.0
_ROOM_IS_MADE_EVERY = 5.0

Connect = Callable[[str], Awaitable[Client]]


class AgentOptions(Frozen):
    """How to run one agent.

    ``inherited`` is the environment from which steps get a little, and the variables that ``environment`` names.
    """

    api_url: str
    name: str
    state: Path
    slots: int = 1
    labels: str = ""
    version: str = ""
    enrolment_token: SecretStr | None = None
    inherited: Mapping[str, str] = {}
    environment: tuple[str, ...] = ()
    log_limit: int | None = None
    disk_reserve: int = 0
    cache_size: int = 0


async def run_agent(
    options: AgentOptions,
    connect: Connect,
    open_source: SourceOpener,
    open_builds: BuildServerOpener,
    drain: asyncio.Event,
) -> None:
    """Serve until ``drain`` is set and every job that was taken has ended.

    ``connect`` makes a Temporal client with this identity, however long it takes. Waits for an API that is not up yet.
    Raises StateFolderInUse, or CannotServe; leave the process then: what runs goes on under its runners.
    """
    state = StateFolder(options.state)
    async with AgentApi(options.api_url) as api:
        agent = _Agent(options, state, api, open_source, open_builds)
        client = await _unless(drain, agent.get_ready(connect))
        if client is not None:
            await agent.serve(client, drain)
    state.close()


class _Agent:
    """The parts of an agent, put together."""

    def __init__(
        self,
        options: AgentOptions,
        state: StateFolder,
        api: AgentApi,
        open_source: SourceOpener,
        open_builds: BuildServerOpener,
    ) -> None:
        self._options = options
        # Without one, every process computes one of all the code it has loaded, which takes half a second.
        self._build_id = f"slipway {options.version}".strip()
        self._state = state
        self._leases = Leases(state)
        self._pool = SlotPool(options.slots, self._leases)
        self._capabilities = Capabilities(
            agent=options.name,
            version=options.version,
            labels=options.labels,
            environment=options.environment,
            inherited=options.inherited,
        )
        self._presence = Presence(api, state, self._about)
        shipper = LogShipper(api)
        self._steps = DetachedStepRuns(
            agent=options.name,
            state=state,
            leases=self._leases,
            secrets=api,
            shipper=shipper,
            inherited=options.inherited,
            handed_on=options.environment,
            log_limit=options.log_limit,
            disk_reserve=options.disk_reserve,
        )
        reserve = DiskReserve(options.name, str(state.path), options.disk_reserve)
        self._stores = FetchStores(PartFiles(state.parts), ArtifactCache(state.cache, options.cache_size, reserve))
        locks = ContentLocks()
        self._downloads = ArtifactDownloads(
            state=state,
            leases=self._leases,
            lists=api,
            shipper=shipper,
            open_source=open_source,
            stores=self._stores,
            locks=locks,
        )
        self._prefetch = Prefetch(
            lists=api,
            stores=self._stores,
            locks=locks,
            open_source=open_source,
            is_busy=lambda: self._downloads.are_under_way,
        )
        self._builds = JenkinsSteps(
            state=state,
            leases=self._leases,
            server=api,
            shipper=shipper,
            open_builds=open_builds,
            log_limit=options.log_limit,
        )
        self._desk = Desk(options.name, self._leases, self._pool, self._end_runs)
        self._job = AgentJob(options.name, self._desk, self._steps, self._downloads, self._builds)

    async def get_ready(self, connect: Connect) -> Client:
        """Enrol and connect, however long the servers take to come up."""
        await self._presence.enrol(self._options.name, self._options.enrolment_token)
        return await connect(self._options.name)

    async def serve(self, client: Client, drain: asyncio.Event) -> None:
        """Take jobs until drained."""
        queues = QueueWorkers(client, self._pool, self._job.hold_agent, self._build_id)
        self._desk.recover()
        answered = asyncio.Event()
        background = [
            asyncio.create_task(self._ask_tools()),
            asyncio.create_task(self._presence.keep(lambda standing: self._follow(queues, standing, answered))),
            asyncio.create_task(self._desk.end_abandoned()),
            asyncio.create_task(self._make_room()),
            asyncio.create_task(self._prefetch.keep()),
        ]
        # An API that refuses us does so before we touch the queue of the agent that now bears our name; an API that
        # is down must not keep us from the jobs that wait for us.
        await _first_of(answered.wait(), *background, within=_FIRST_ANSWER_WITHIN)
        own = own_worker(client, agent_queue(self._options.name), self._activities(), self._build_id)
        serving = asyncio.create_task(own.run())
        _log.info("ready", agent=self._options.name, slots=self._options.slots, leases=len(self._leases))
        await _first_of(drain.wait(), serving, *background)
        _log.info("draining", leases=len(self._leases))
        self._pool.close()
        self._presence.hurry()
        await _first_of(self._until_idle(queues), serving, *background)
        await own.shutdown()
        await serving
        for task in background:
            task.cancel()

    def _activities(self) -> list[Callable[..., Awaitable[Any]]]:
        job = self._job
        return [
            job.hold_agent,
            job.release_agent,
            job.download_artifacts,
            job.run_step,
            job.run_jenkins_job,
            job.cancel_step,
        ]

    def _about(self) -> AboutAgent:
        return AboutAgent(
            instance_id=self._state.instance_id,
            capabilities=self._capabilities(),
            slots=self._options.slots,
            busy=len(self._leases),
            version=self._options.version,
            is_draining=self._pool.is_closed,
            sent_at=datetime.now(UTC),
        )

    def _follow(self, queues: QueueWorkers, standing: Standing, answered: asyncio.Event) -> None:
        self._pool.resize(standing.slots or self._options.slots)
        queues.serve(standing.queues)
        answered.set()

    async def _end_runs(self, lease_id: str) -> None:
        await asyncio.gather(self._downloads.end_all(lease_id), self._builds.end_all(lease_id))
        await self._steps.end_all(lease_id)

    async def _until_idle(self, queues: QueueWorkers) -> None:
        await queues.drain()
        await self._desk.until_idle()

    async def _ask_tools(self) -> None:
        """What they tell goes with the next heartbeat."""
        try:
            await self._capabilities.ask_tools()
        except Exception:  # noqa: BLE001  it is logged, and jobs can be done without
            _log.exception("tools could not be asked for their versions")
        await asyncio.Event().wait()

    async def _make_room(self) -> None:
        """Free what nobody needs; and the cache gives way before steps have too little room."""
        while True:
            await asyncio.to_thread(self._state.empty_trash)
            await asyncio.to_thread(self._stores.parts.drop_old)
            await asyncio.to_thread(self._stores.make_room, self._options.disk_reserve)
            await asyncio.sleep(_ROOM_IS_MADE_EVERY)


async def _unless(drain: asyncio.Event, work: Coroutine[Any, Any, Client]) -> Client | None:
    """The work's result, or None when the drain comes first."""
    working, draining = asyncio.create_task(work), asyncio.create_task(drain.wait())
    await asyncio.wait([working, draining], return_when=asyncio.FIRST_COMPLETED)
    draining.cancel()
    if working.done():
        return await working
    working.cancel()
    return None


async def _first_of(
    work: Coroutine[Any, Any, object], *endless: "asyncio.Task[None]", within: float | None = None
) -> None:
    """Wait for the work; raises what ended one of the endless tasks before it."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait([working, *endless], timeout=within, return_when=asyncio.FIRST_COMPLETED)
        for task in endless:
            if task.done():
                await task
        if working.done():
            await working
    finally:
        working.cancel()
