"""Runs of steps on one agent: joined, canceled, ended with their lease."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from fakes.agent_server import AgentServer
from structlog.testing import capture_logs

from activities.agent_job import CancelStep, HoldRequest, LeaseGone, RunStep, StepEnd, StepOutcome
from agent.api_client import AgentApi
from agent.leases import Lease, Leases
from agent.log_shipper import LogShipper
from agent.process_tree import marked
from agent.run_folder import LEASE_MARK
from agent.state_folder import StateFolder
from agent.step_runs import DetachedStepRuns
from domain.outputs import NotedFile, Room
from domain.pipeline import Shell

RUN = "webshop/41/prod/1/deploy/1/1"
Eventually = Callable[..., Awaitable[None]]


@dataclass
class World:
    """One agent with one lease."""

    state: StateFolder
    leases: Leases
    server: AgentServer
    api: AgentApi
    lease: Lease

    def agent(self) -> DetachedStepRuns:
        """A freshly started one."""
        return DetachedStepRuns(
            agent="web-1",
            state=self.state,
            leases=self.leases,
            secrets=self.api,
            shipper=LogShipper(self.api, longest_wait=0.2),
            inherited={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/home/agent", "SLIPWAY_TOKEN": "agent's own"},
            grace_seconds=0.5,
        )

    def step(self, script: str, **more: object) -> RunStep:
        told = {"lease_id": self.lease_id, "run_id": RUN, "title": "step", "shell": Shell.SH, "script": script}
        return RunStep.model_validate({**told, "timeout": timedelta(seconds=30), **more})

    async def run(self, script: str, **more: object) -> StepEnd:
        async with asyncio.timeout(30):
            return await self.agent().run(self.step(script, **more))

    @property
    def lease_id(self) -> str:
        return self.lease.request.lease_id

    def log(self) -> str:
        return self.server.log(RUN).decode()

    def cancel(self) -> CancelStep:
        return CancelStep(lease_id=self.lease_id, run_id=RUN)


@pytest.fixture
def world(
    state: StateFolder, leases: Leases, server: AgentServer, api: AgentApi, hold: Callable[..., HoldRequest]
) -> World:
    return World(state, leases, server, api, leases.add(hold()))


async def test_a_step_sees_its_own_environment_only(world: World) -> None:
    """A little of the machine's, the pipeline's, its secrets; nothing of the agent's."""
    world.server.secrets[RUN] = {"DB": "db-password-1"}
    end = await world.run("env | sort", environment={"REGION": "eu"}, secrets={"DB": "webshop/db"})
    seen = dict(line.split("=", 1) for line in world.log().splitlines())
    assert 0 == end.exit_code
    assert ("eu", "***", "/home/agent", "web-1") == (seen["REGION"], seen["DB"], seen["HOME"], seen["AGENT_NAME"])
    assert (
        str(world.lease.workspace) == seen["AGENT_WORKSPACE"] == seen["SYSTEM_DEFAULTWORKINGDIRECTORY"] == seen["PWD"]
    )
    assert "SLIPWAY_TOKEN" not in seen


async def test_steps_of_a_job_share_a_workspace(world: World) -> None:
    """And a working directory below it."""
    await world.run("mkdir sub; echo hello > sub/file", run_id="webshop/41/prod/1/deploy/1/1")
    await world.run("cat file", run_id=RUN.replace("/1/1", "/2/1"), working_directory="sub")
    assert b"hello\n" == world.server.log(RUN.replace("/1/1", "/2/1"))


@pytest.mark.parametrize("directory", ["..", "/etc", "sub/../../.."])
async def test_a_working_directory_outside_of_the_workspace_is_refused(world: World, directory: str) -> None:
    """The step does not run; its log says why."""
    end = await world.run("echo no", working_directory=directory)
    assert (1, f"the working directory {directory} is outside of the workspace\n") == (end.exit_code, world.log())


@pytest.mark.parametrize(
    ("shell", "script", "log"),
    [
        (Shell.SH, "false\necho on", ""),
        (Shell.BASH, "false | true\necho on", ""),
        (Shell.BASH, "echo ${BASH_VERSION:+bash}", "bash\n"),
        (Shell.PYTHON, "import sys\nprint(sys.version_info[0])", "3\n"),
        (Shell.PYTHON, "print('é')\r\nprint(2)", "é\n2\n"),
    ],
)
async def test_shells_stop_at_the_first_failure(world: World, shell: Shell, script: str, log: str) -> None:
    """Scripts run as they were written."""
    end = await world.run(script, shell=shell, environment={"PYTHONUTF8": "1", "PATH": "/usr/local/bin:/usr/bin:/bin"})
    assert (log, bool(log)) == (world.log(), end.exit_code == 0)


async def test_a_missing_shell_says_so(world: World) -> None:
    """pwsh, on most machines."""
    end = await world.run("Get-Date", shell=Shell.PWSH, environment={"PATH": "/nowhere"})
    assert 127 == end.exit_code
    assert "could not be started: No such file or directory: pwsh" in world.log()


async def test_two_attempts_are_one_run(world: World, tmp_path: Path) -> None:
    """In one process, and by the next one; each is told the same end."""
    agent, step = world.agent(), world.step(f"echo ran >> {tmp_path}/side; echo out")
    first, second = await asyncio.gather(agent.run(step), agent.run(step))
    third = await world.agent().run(step)
    assert first == second == third
    assert ("ran\n", "out\n") == ((tmp_path / "side").read_text(), world.log())


async def test_an_attempt_that_stops_waiting_leaves_the_step_running(
    world: World, tmp_path: Path, eventually: Eventually
) -> None:
    """Only this attempt timed out; the next one joins."""
    agent, step = world.agent(), world.step(f"echo up; until test -e {tmp_path}/go; do sleep 0.02; done; echo end")
    waiting = asyncio.create_task(agent.run(step))
    await eventually(lambda: world.log() == "up\n")
    waiting.cancel()
    await asyncio.wait([waiting])
    (tmp_path / "go").touch()
    assert 0 == (await agent.run(step)).exit_code
    assert "up\nend\n" == world.log()


async def test_cancel_before_the_start_is_kept(world: World) -> None:
    """The two may overtake each other."""
    await world.agent().cancel(world.cancel())
    end = await world.run("echo no")
    assert (StepOutcome.CANCELED, "") == (end.outcome, world.log())


async def test_cancel_while_the_api_is_away_ends_a_step_that_waits_for_secrets(
    world: World, eventually: Eventually
) -> None:
    """It never starts; the end is told once its (empty) log could be sent."""
    world.server.is_down = True
    agent = world.agent()
    running = asyncio.create_task(agent.run(world.step("echo no", secrets={"DB": "webshop/db"})))
    await eventually(lambda: list(world.state.runs.iterdir()))
    await agent.cancel(world.cancel())
    world.server.is_down = False
    end = await running
    assert (StepOutcome.CANCELED, "") == (end.outcome, world.log())


@pytest.mark.parametrize(("status", "error"), [(403, "NotYourRun"), (404, "NotFound")])
async def test_refused_secrets_fail_the_step_in_words(world: World, status: int, error: str) -> None:
    """It does not run without them."""
    world.server.refusals["/secrets"] = (status, error)
    end = await world.run("echo no", secrets={"DB": "webshop/db"})
    assert (1, f"the step's secrets were not given: {error} as told") == (end.exit_code, end.reason)


async def test_a_secret_the_server_does_not_give_fails_the_step(world: World) -> None:
    """It must not run with an empty password."""
    world.server.secrets[RUN] = {"OTHER": "value-of-other"}
    end = await world.run("echo no", secrets={"DB": "webshop/db"})
    assert "the step's secrets were not given: there is no value for DB" == end.reason


async def test_only_secrets_that_the_step_names_reach_it(world: World) -> None:
    """Should the server give more."""
    world.server.secrets[RUN] = {"DB": "db-password-1", "OTHER": "value-of-other"}
    await world.run('echo "[$OTHER]"', secrets={"DB": "webshop/db"})
    assert "[]\n" == world.log()


async def test_the_end_of_a_lease_ends_all_that_runs_under_it(world: World, eventually: Eventually) -> None:
    """Running steps, what ended steps left behind, and their folders; the logs are sent first."""
    agent = world.agent()
    await agent.run(world.step("setsid sleep 71 >/dev/null 2>&1 & echo left", run_id=RUN.replace("/1/1", "/9/1")))
    running = asyncio.create_task(agent.run(world.step("echo up; sleep 72")))
    await eventually(lambda: world.log() == "up\n")
    await agent.end_all(world.lease_id)
    assert StepOutcome.CANCELED == (await running).outcome
    assert [] == marked(f"{LEASE_MARK}={world.lease_id}")
    assert [] == list(world.state.runs.iterdir())


async def test_the_next_agent_ends_the_runs_of_the_one_before(world: World, eventually: Eventually) -> None:
    """A lease nobody came back for: its steps are found on the disk, and what they printed is sent."""
    before = world.agent()
    waiting = asyncio.create_task(before.run(world.step("echo up; sleep 73; echo never")))
    await eventually(lambda: world.log() == "up\n")
    for task in before._under_way._tasks.values():
        task.cancel()
    await asyncio.wait([waiting])
    await world.agent().end_all(world.lease_id)
    assert [] == marked(f"{LEASE_MARK}={world.lease_id}")
    assert world.log().startswith("up\n")
    assert "never" not in world.log()


async def test_without_the_lease_nothing_runs(world: World) -> None:
    """It may have been given up while the request was on its way."""
    with pytest.raises(LeaseGone):
        await world.run("echo no", lease_id="another")
    await world.agent().cancel(CancelStep(lease_id="another", run_id=RUN))
    assert [] == list(world.state.runs.iterdir())


async def test_what_earlier_steps_set_is_there(world: World) -> None:
    """Their folders in front of PATH, and secrets of the job masked though this step names none."""
    world.server.masks = ["mask-me-please"]
    room = Room(number=1, read_only=("FIXED",))
    script = (
        'echo "$PATH"; echo mask-me-please; for n in FIXED A B; do echo "##vso[task.setvariable variable=$n]1"; done'
    )
    end = await world.run(script, paths=("/b", "/a"), masks_of_job=True, room=room)
    assert world.log().startswith("/b:/a:/usr/local/bin:/usr/bin:/bin\n***\n")
    assert ["A"] == [variable.name for variable in end.told.variables]
    assert world.log().count("##[warning]the command above is not done") == 2


async def test_secrets_that_a_step_set_are_kept_before_its_end_is_told(world: World, eventually: Eventually) -> None:
    """Whatever the server does meanwhile; then the runner is let go."""
    world.server.faults.extend(["500", "lost", "cut"])
    script = 'echo "##vso[task.setvariable variable=TOKEN;issecret=true]s3cr3t-value"'
    end = await world.run(script)
    assert {"variables": {"TOKEN": "s3cr3t-value"}, "masks": []} == world.server.secret_outputs[RUN]
    assert ["TOKEN"] == [secret.name for secret in end.told.secret_variables]
    assert 3 == len(world.server.fired)
    assert "##vso[task.setvariable variable=TOKEN;issecret=true]***\n" == world.log()
    folder = world.agent()._folder(RUN, world.lease_id)
    await eventually(lambda: not folder.runner_lives())
    assert end == await world.agent().run(world.step(script))


async def test_the_next_agent_brings_the_secrets_to_the_server(world: World, eventually: Eventually) -> None:
    """The one before died between the step's end and the server's answer."""
    world.server.refusals["/secret-outputs"] = (503, "Trouble")
    agent, step = world.agent(), world.step('echo "##vso[task.setsecret]s3cr3t-value"')
    waiting = asyncio.create_task(agent.run(step))
    folder = agent._folder(RUN, world.lease_id)
    await eventually(lambda: folder.end() is not None)
    for task in agent._under_way._tasks.values():
        task.cancel()
    await asyncio.wait([waiting])
    world.server.refusals.clear()
    await world.agent().run(step)
    assert {"variables": {}, "masks": ["s3cr3t-value"]} == world.server.secret_outputs[RUN]


async def test_secrets_that_the_server_refuses_are_not_told_of(world: World, eventually: Eventually) -> None:
    """A step that names them then fails and says why; the runner is let go."""
    world.server.refusals["/secret-outputs"] = (403, "NotYourRun")
    script = 'echo "##vso[task.setvariable variable=TOKEN;issecret=true]s3cr3t-value"'
    end = await world.run(script)
    assert (0, ()) == (end.exit_code, end.told.secret_variables)
    folder = world.agent()._folder(RUN, world.lease_id)
    await eventually(lambda: not folder.runner_lives())
    assert end == await world.run(script)


async def test_a_secret_that_the_step_was_given_stays_one(world: World) -> None:
    """Set anew, it is still no plain variable."""
    world.server.secrets[RUN] = {"DB": "db-password-1"}
    end = await world.run('echo "##vso[task.setvariable variable=db]other-value"', secrets={"DB": "webshop/db"})
    assert ((), ["db"]) == (end.told.variables, [secret.name for secret in end.told.secret_variables])
    assert "##vso[task.setvariable variable=db]***\n" == world.log()


async def test_files_that_a_step_wants_kept_are_on_the_server_when_it_ends(world: World) -> None:
    """Masked, as they were when they were named; whoever looks after the run again changes nothing."""
    world.server.secrets[RUN] = {"DB": "db-password-1"}
    script = """
    echo "of $DB" > report; echo "##vso[task.uploadfile]report"; sleep 0.2; rm report
    echo "##vso[task.uploadfile]$PWD/none"
    """
    end = await world.run(script, secrets={"DB": "webshop/db"})
    again = await world.run(script, secrets={"DB": "webshop/db"})
    assert (NotedFile(name="report", size=7),) == end.told.files == again.told.files
    assert (b"of ***\n", None) == (world.server.file(RUN, 1), world.server.file(RUN, 2))
    assert "there is no file none to read" in world.log()


async def test_a_run_has_not_ended_before_its_files_are_there(world: World, eventually: Eventually) -> None:
    """Its folder may be gone afterwards."""
    world.server.refusals["/files/"] = (403, "NotYourRun")
    with capture_logs() as lines:
        running = asyncio.create_task(world.run('echo kept > report; echo "##vso[task.uploadfile]report"'))
        await eventually(lambda: any(line["event"] == "not sent" for line in lines))
        assert (False, None) == (running.done(), world.server.file(RUN, 1))
        world.server.refusals.clear()
        await running
    assert b"kept\n" == world.server.file(RUN, 1)


async def test_a_file_that_the_server_refuses_does_not_fail_the_step(world: World) -> None:
    """The step has done what it should."""
    world.server.refusals["/files/"] = (422, "FileTooLarge")
    end = await world.run('echo kept > report; echo "##vso[task.uploadfile]report"')
    assert (0, None) == (end.exit_code, world.server.file(RUN, 1))
