"""What the step runner tells of a step besides its log, and how it hands over secrets."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator

import pytest
from fakes.step_runner import Runner

from agent import handover
from agent.state_folder import StateFolder
from domain.outputs import SetValue, StepResult

Eventually = Callable[..., Awaitable[None]]


@pytest.fixture
def runner(state: StateFolder, lease_id: str) -> Iterator[Runner]:
    yield (runner := Runner(state, lease_id))
    (runner.folder().path / handover.TAKEN).touch()  # none stays behind


async def test_what_a_step_tells_is_told_at_its_end(runner: Runner) -> None:
    """Variables, issues, its result; the lines stay in the log."""
    script = """
    echo "##vso[task.setvariable variable=region;isoutput=true]eu"
    echo "##vso[task.logissue type=error]odd"
    printf "##vso[task.complete result=SucceededWithIssues]almost"
    """
    end, log = await runner.run(script)
    assert (SetValue(name="region", value="eu", is_output=True),) == end.told.variables
    assert (("odd",), 1, StepResult.SUCCEEDED_WITH_ISSUES) == (
        tuple(issue.message for issue in end.told.issues),
        end.told.errors,
        end.told.result,
    )
    assert log.endswith(b"##vso[task.complete result=SucceededWithIssues]almost")


async def test_a_secret_that_a_step_sets_is_masked_and_handed_over(runner: Runner) -> None:
    """Through memory only: no file holds it, and the runner stays until it was taken."""
    value = "s3cr3t-" + "v" * 20
    head, tail = value[:9], value[9:]
    script = f"""
    printf "##vso[task.setvariable variable=TOKEN;issecret=true]%s" {head}; sleep 0.2; echo {tail}
    printf {head}; sleep 0.2; echo {tail}; printf %s {value} | base64 -w0
    echo "##vso[task.setvariable variable=URL]https://me:{value}@example.com"
    """
    end, log = await runner.run(script)
    assert log.startswith(b"##vso[task.setvariable variable=TOKEN;issecret=true]***\n***\n***")
    assert log.endswith(b"##[warning]variable URL holds a secret, so it is kept as a secret\n")
    assert ["TOKEN", "URL"] == [one.name for one in end.told.secret_variables]
    folder = runner.folder()
    holders = [f.name for f in folder.path.iterdir() if f.is_file() and value.encode() in f.read_bytes()]
    assert [] == holders
    for _ in range(2):  # who died before the secrets were kept elsewhere asks again
        taken = await asyncio.to_thread(handover.take, folder.path, folder.runner_lives)
        assert {"variables": {"TOKEN": value, "URL": f"https://me:{value}@example.com"}, "masks": []} == taken
    assert folder.runner_lives()


async def test_a_runner_ends_when_its_secrets_were_taken(runner: Runner, eventually: Eventually) -> None:
    """Or when its folder is gone; who comes later is told that there is nothing."""
    await runner.run('echo "##vso[task.setsecret]s3cr3t-value"')
    folder = runner.folder()
    assert folder.runner_lives()
    (folder.path / handover.TAKEN).touch()
    await eventually(lambda: not folder.runner_lives())
    assert handover.take(folder.path, folder.runner_lives) is None


async def test_secrets_of_a_runner_that_died_are_gone(runner: Runner) -> None:
    """Nobody waits for them."""
    await runner.run('echo "##vso[task.setsecret]s3cr3t-value"')
    folder = runner.folder()
    os.kill(folder._started().pid, signal.SIGKILL)
    assert await asyncio.to_thread(handover.take, folder.path, folder.runner_lives) is None


async def test_many_large_secrets_fit_through_the_pipe(runner: Runner) -> None:
    """They are more than a pipe holds at once."""
    script = """
    for i in 1 2 3 4 5 6; do
      echo "##vso[task.setvariable variable=BIG$i;issecret=true]$(head -c 30000 /dev/zero | tr '\\0' $i)"
    done
    """
    await runner.run(script)
    folder = runner.folder()
    taken = await asyncio.to_thread(handover.take, folder.path, folder.runner_lives)
    assert taken is not None
    assert [30_000] * 6 == [len(value) for value in taken["variables"].values()]
