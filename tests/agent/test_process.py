"""Agent processes on a real Temporal server: killed, drained, cut off, and back again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fakes.agent_server import AgentServer
from fakes.building_jenkins import JOB, MARKED, TOKEN, building_jenkins
from fakes.few_tools import path_of_few_tools
from fakes.one_step_job import OneStep, OneStepJob
from fakes.quick_processes import QuickProcess
from fakes.temporal_binaries import DEV_SERVER
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.agent_job import RunJenkinsJob, RunStep, StepEnd, StepOutcome
from agent.process_tree import marked
from agent.run_folder import LEASE_MARK
from domain.pipeline import JenkinsJob, Shell

PROJECT = Path(__file__).parents[2]
QUEUE = "agents/default/any"
RUN = "webshop/41/prod/1/deploy/1/1"
Eventually = Callable[..., Awaitable[None]]


class Agent:
    """One agent process after another, on one state folder."""

    def __init__(self, server: AgentServer, address: str, folder: Path) -> None:
        self._server = server
        self._address = address
        self.folder = folder
        self.output = folder / "agent.out"
        self._path = path_of_few_tools(folder)
        self._process: QuickProcess | None = None

    async def start(self) -> None:
        settings = {
            "SLIPWAY_API_URL": self._server.url,
            "SLIPWAY_TEMPORAL_ADDRESS": self._address,
            "SLIPWAY_AGENT_NAME": "web-1",
            "SLIPWAY_AGENT_STATE": str(self.folder / "state"),
            "SLIPWAY_AGENT_ENROLMENT_TOKEN": "slw_enrol_x",
            "CANARY_OF_THE_AGENT": "must not reach steps",
        }
        environment = {"PATH": self._path, **settings}
        self._process = QuickProcess("workers.agent", environment, PROJECT, self.output)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        return await asyncio.to_thread(process.wait, 30)

    async def kill(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            await self.ended()


class World:
    """A Temporal server with the workflow's worker, the agents' API, one agent, and a file that steps write to."""

    def __init__(self, client: Client, server: AgentServer, agent: Agent, lease_id: str) -> None:
        self.client = client
        self.server = server
        self.agent = agent
        self.lease_id = lease_id
        self.side = agent.folder / "side"
        self.go = agent.folder / "go"

    async def start_build(self, **jenkins: object) -> WorkflowHandle[OneStepJob, StepEnd]:
        job = JenkinsJob.model_validate({"server": "ci", **jenkins})
        request = RunJenkinsJob(
            lease_id=self.lease_id, run_id=RUN, title="tests", job=job, timeout=timedelta(minutes=1)
        )
        one = OneStep(queue=QUEUE, step=request)
        return await self.client.start_workflow(OneStepJob.run, one, id=f"job/{self.lease_id}", task_queue="control")

    async def start(self, script: str, name: str = "", **more: object) -> WorkflowHandle[OneStepJob, StepEnd]:
        lease_id = self.lease_id + name
        step = {"lease_id": lease_id, "run_id": RUN + name, "title": "deploy", "shell": Shell.SH, "script": script}
        job = OneStep.model_validate(
            {"queue": QUEUE, "step": RunStep.model_validate({**step, "timeout": timedelta(minutes=1)}), **more}
        )
        return await self.client.start_workflow(OneStepJob.run, job, id=f"job/{lease_id}", task_queue="control")

    def waiting_step(self) -> str:
        """Says that it runs, waits until it may go on, and counts itself in a file."""
        return f"echo begin; echo ran >> {self.side}; until test -e {self.go}; do sleep 0.05; done; echo end"

    def has_begun(self) -> bool:
        return b"begin\n" in self.server.log(RUN)

    def busy(self) -> int:
        return int(self.server.heartbeats[-1]["busy"]) if self.server.heartbeats else 0


@pytest.fixture
async def world(server: AgentServer, tmp_path: Path, lease_id: str) -> AsyncIterator[World]:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=DEV_SERVER, data_converter=pydantic_data_converter
    ) as temporal:
        server.queues.append(QUEUE)
        address = temporal.client.service_client.config.target_host
        agent = Agent(server, address, tmp_path)
        async with Worker(temporal.client, task_queue="control", workflows=[OneStepJob]):
            try:
                await agent.start()
                yield World(temporal.client, server, agent, lease_id)
            finally:
                await agent.kill()


async def test_a_step_runs_on_the_agent_that_holds_the_job(world: World) -> None:
    """Its log is on the server when it is told ended; its environment is not the agent's."""
    script = "echo $AGENT_NAME $CANARY_OF_THE_AGENT; pwd; env"
    handle = await world.start(script)
    end = await handle.result()
    log = world.server.log(RUN)
    assert (StepOutcome.EXITED, 0, len(log)) == (end.outcome, end.exit_code, end.log_size)
    assert log.startswith(b"web-1\n")
    assert b"SLIPWAY_AGENT" not in log
    assert b"CANARY" not in log
    assert b"slw_" not in log


async def test_a_killed_agent_rejoins_its_step(world: World, eventually: Eventually) -> None:
    """Kill -9 in the middle, start again: the step ran once, and its log is complete."""
    handle = await world.start(world.waiting_step())
    await eventually(world.has_begun)
    await world.agent.kill()
    await world.agent.start()

    async def has_rejoined() -> bool:
        return await handle.query(OneStepJob.times_rejoined) > 0

    while not await has_rejoined():
        await asyncio.sleep(0.1)
    world.go.touch()
    end = await handle.result()
    assert (StepOutcome.EXITED, 0) == (end.outcome, end.exit_code)
    assert "ran\n" == world.side.read_text()
    assert b"begin\nend\n" == world.server.log(RUN)
    await eventually(lambda: world.busy() == 0)


async def test_a_killed_agent_goes_on_with_a_build_of_jenkins(world: World, eventually: Eventually) -> None:
    """Kill -9 while it is in the queue, and while it runs: it was asked for once, and its log is complete."""
    with building_jenkins() as ci:
        work = ci.work(MARKED, lines=("begin", "end"), held=True)
        ci.queue.executors = 0
        world.server.jenkins = {"name": "ci", "kind": "jenkins", "url": ci.url, "user": "slipway", "token": TOKEN}
        handle = await world.start_build(job=JOB)
        await eventually(lambda: ci.queue.items)
        await world.agent.kill()
        ci.queue.executors = 1
        await world.agent.start()
        await eventually(world.has_begun)
        await world.agent.kill()
        work.held = False
        await world.agent.start()
        end = await handle.result()
    assert (StepOutcome.EXITED, 0, 1, 1) == (end.outcome, end.exit_code, ci.asked(), len(ci.runs()))
    assert [b"begin", b"end", b"Finished: SUCCESS"] == world.server.log(RUN).splitlines()[-3:]
    await eventually(lambda: world.busy() == 0)


async def test_a_step_that_ended_while_the_agent_was_away_is_told(world: World, eventually: Eventually) -> None:
    """What it printed meanwhile is sent by the next agent."""
    handle = await world.start(world.waiting_step())
    await eventually(world.has_begun)
    await world.agent.kill()
    world.go.touch()
    await eventually(lambda: not marked(f"{LEASE_MARK}={world.lease_id}"))
    await world.agent.start()
    end = await handle.result()
    assert (StepOutcome.EXITED, 0) == (end.outcome, end.exit_code)
    assert ("ran\n", b"begin\nend\n") == (world.side.read_text(), world.server.log(RUN))


async def test_the_second_signal_leaves_the_step_to_the_next_agent(world: World, eventually: Eventually) -> None:
    """An upgrade need not wait for a long deployment."""
    handle = await world.start(world.waiting_step())
    await eventually(world.has_begun)
    world.agent.signal(signal.SIGTERM)
    await eventually(lambda: b"draining" in world.agent.output.read_bytes())
    world.agent.signal(signal.SIGTERM)
    assert 1 == await world.agent.ended()
    await world.agent.start()
    world.go.touch()
    assert 0 == (await handle.result()).exit_code
    assert "ran\n" == world.side.read_text()


async def test_draining_finishes_the_job_and_exits(world: World, eventually: Eventually) -> None:
    """SIGTERM takes no new job; the one at hand ends in peace; the exit is clean."""
    handle = await world.start(world.waiting_step())
    await eventually(world.has_begun)
    world.agent.signal(signal.SIGTERM)
    await eventually(lambda: b"draining" in world.agent.output.read_bytes())
    await eventually(lambda: world.server.heartbeats[-1]["is_draining"])
    world.go.touch()
    assert 0 == (await handle.result()).exit_code
    assert 0 == await world.agent.ended()


async def test_slots_and_queues_are_changed_while_jobs_run(world: World, eventually: Eventually) -> None:
    """With more slots the next job begins at once; with no queues none is taken, and what runs goes on."""
    first, second = await world.start(world.waiting_step()), await world.start(world.waiting_step(), name="-2")
    await eventually(lambda: world.busy() == 1)
    world.server.slots = 2
    await eventually(lambda: world.busy() == 2)
    world.server.slots, world.server.queues = 1, []
    await eventually(lambda: b"no longer serving" in world.agent.output.read_bytes())
    third = await world.start("exit 3", name="-3")
    world.go.touch()
    assert [0, 0] == [(await handle.result()).exit_code for handle in (first, second)]
    await eventually(lambda: world.busy() == 0)
    assert 0 == len(world.server.log(RUN + "-3"))
    world.server.queues = [QUEUE]
    assert 3 == (await third.result()).exit_code


async def test_a_canceled_step_is_killed_with_its_tree(world: World, eventually: Eventually) -> None:
    """And told canceled, with the log so far."""
    handle = await world.start("echo begin; setsid sleep 67 & sleep 68")
    await eventually(world.has_begun)
    await handle.signal(OneStepJob.cancel_step)
    end = await handle.result()
    assert StepOutcome.CANCELED == end.outcome
    assert [] == marked(f"{LEASE_MARK}={world.lease_id}")


async def test_a_terminated_workflow_frees_the_agent(world: World, eventually: Eventually) -> None:
    """Nobody is left to release it; what it ran is killed."""
    handle = await world.start("echo begin; sleep 69")
    await eventually(world.has_begun)
    await handle.terminate()
    await eventually(lambda: not marked(f"{LEASE_MARK}={world.lease_id}"))
    await eventually(lambda: world.busy() == 0)


async def test_a_lease_nobody_rejoins_is_given_up(world: World, eventually: Eventually) -> None:
    """The workflow ended while the agent was away: the restarted agent ends the step and frees the slot."""
    handle = await world.start("echo begin; sleep 70", rejoin=timedelta(seconds=2))
    await eventually(world.has_begun)
    await world.agent.kill()
    await handle.terminate()
    await world.agent.start()
    await eventually(lambda: not marked(f"{LEASE_MARK}={world.lease_id}"))
    await eventually(lambda: world.busy() == 0)


async def test_a_second_agent_on_the_folder_leaves_with_a_clear_word(world: World, eventually: Eventually) -> None:
    """Two agents with one memory would wreck both."""
    await eventually(lambda: world.server.heartbeats)
    second = Agent(world.server, "127.0.0.1:1", world.agent.folder)
    second.output = world.agent.folder / "second.out"
    await second.start()
    assert 2 == await second.ended()
    assert b"another agent runs on" in second.output.read_bytes()


async def test_cancelled_activities_kill_the_step_and_free_the_slot(world: World, eventually: Eventually) -> None:
    """The workflow may also cancel in Temporal's own way; the end of the step is told all the same."""
    handle = await world.start("echo begin; sleep 74")
    await eventually(world.has_begun)
    await handle.signal(OneStepJob.cancel_activities)
    end = await handle.result()
    assert StepOutcome.CANCELED == end.outcome
    assert [] == marked(f"{LEASE_MARK}={world.lease_id}")
    await eventually(lambda: world.busy() == 0)


async def test_one_slot_serves_many_queues_one_job_at_a_time(world: World) -> None:
    """Every queue gets its turn, and no two jobs are on the agent at once."""
    queues = [f"agents/default/{name}" for name in ("docker", "git", "os=linux")]
    world.server.queues.extend(queues)
    script = f"mkdir {world.agent.folder}/alone; sleep 0.05; rmdir {world.agent.folder}/alone"
    handles = [await world.start(script, name=f"-{n}", queue=queues[n % 3]) for n in range(9)]
    async with asyncio.timeout(60):
        ends = [await handle.result() for handle in handles]
    assert [0] * 9 == [end.exit_code for end in ends]
