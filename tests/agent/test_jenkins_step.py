"""Steps that Jenkins builds: asked for once, followed to the end, stopped with the step; whatever dies on the way."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from fakes.agent_server import AgentServer
from fakes.building_jenkins import JOB, MARKED, TOKEN, BuildingJenkins, building_jenkins

from activities.agent_job import CancelStep, HoldRequest, LeaseGone, RunJenkinsJob, StepEnd, StepOutcome
from agent.api_client import AgentApi
from agent.jenkins_step import JenkinsSteps
from agent.leases import Lease, Leases
from agent.log_shipper import LogShipper
from agent.patient_server import Patience
from agent.process_tree import since_boot
from agent.run_folder import RunFolder, RunLabel
from agent.state_folder import StateFolder
from domain.outputs import StepResult
from domain.pipeline import JenkinsJob
from integrations.jenkins_builds import open_builds
from local.faults import Fault
from local.jenkins_queue import ParameterKind, ParameterOfJob

RUN = "webshop/41/prod/1/deploy/1/1"
SECRET = "correct-horse-battery"
VERSION = ParameterOfJob("VERSION")
QUICK = Patience(first_look=0.02, longest_look=0.1, search=1.5, refusal=0.5, stop=3.0)
Eventually = Callable[..., Awaitable[None]]


@dataclass
class World:
    """One agent, the API it speaks with, and a Jenkins."""

    state: StateFolder
    leases: Leases
    server: AgentServer
    api: AgentApi
    hold: HoldRequest
    ci: BuildingJenkins

    def agent(self, patience: Patience = QUICK) -> JenkinsSteps:
        shipper = LogShipper(self.api, longest_wait=0.2)
        return JenkinsSteps(
            state=self.state,
            leases=self.leases,
            server=self.api,
            shipper=shipper,
            open_builds=open_builds,
            patience=patience,
        )

    def request(self, run_id: str = RUN, job: dict[str, Any] | None = None, **more: Any) -> RunJenkinsJob:
        told = {"lease_id": self.hold.lease_id, "run_id": run_id, "title": "tests", "timeout": timedelta(minutes=1)}
        asked = JenkinsJob.model_validate({"server": "ci", "job": JOB, **(job or {})})
        return RunJenkinsJob.model_validate({**told, "job": asked, **more})

    async def run(self, run_id: str = RUN, job: dict[str, Any] | None = None, **more: Any) -> StepEnd:
        async with asyncio.timeout(20):
            return await self.agent().run(self.request(run_id, job, **more))

    @property
    def lease(self) -> Lease:
        return self.leases.usable(self.hold.lease_id)

    def log(self, run_id: str = RUN) -> str:
        return self.server.log(run_id).decode()

    def words(self) -> list[str]:
        """Lines of the log."""
        return self.log().splitlines()

    def cancel(self, run_id: str = RUN) -> CancelStep:
        return CancelStep(lease_id=self.hold.lease_id, run_id=run_id)


@pytest.fixture
def ci() -> Iterator[BuildingJenkins]:
    with building_jenkins() as here:
        yield here


@pytest.fixture
def world(
    state: StateFolder,
    leases: Leases,
    server: AgentServer,
    api: AgentApi,
    hold: Callable[..., HoldRequest],
    ci: BuildingJenkins,
) -> World:
    request = hold()
    leases.add(request)
    server.jenkins = {"name": "ci", "kind": "jenkins", "url": ci.url, "user": "slipway", "token": TOKEN}
    return World(state, leases, server, api, request, ci)


async def test_a_build_gets_its_parameters_as_data_and_its_log_becomes_the_steps(world: World) -> None:
    """Variables are filled in once, secrets only where named, and masked wherever Jenkins prints them."""
    password = ParameterOfJob("PASSWORD", ParameterKind.PASSWORD)
    world.ci.work(VERSION, ParameterOfJob("NOTE"), password, lines=("version {VERSION}", "signing in with {PASSWORD}"))
    world.server.secrets[RUN] = {"DB": SECRET}
    note = "a b&c=d%20+ü\n$(ARTIFACT_WEB_VERSION) `id` \"'"
    job = {"parameters": {"VERSION": "web-$(ARTIFACT_WEB_VERSION)", "NOTE": "$(NOTE)", "PASSWORD": "$(DB)"}}
    found = {"ARTIFACT_WEB_VERSION": "142", "NOTE": note}
    end = await world.run(job=job, environment=found, secrets={"DB": "webshop/db"})
    assert (StepOutcome.EXITED, 0, "") == (end.outcome, end.exit_code, end.reason)
    (run,) = world.ci.runs()
    assert {"VERSION": "web-142", "NOTE": note, "PASSWORD": SECRET} == run.item.values
    log = world.log()
    assert f"Build 1: {world.ci.url}/job/team/job/webshop/job/it/1/\n" in log
    assert "version web-142\nsigning in with ***\nFinished: SUCCESS\n" in log
    assert (len(log.encode()), hashlib.sha256(log.encode()).hexdigest()) == (end.log_size, end.log_sha256)
    assert "\r" not in log
    assert {"JENKINS_BUILD_NUMBER": "1", "JENKINS_BUILD_URL": f"{world.ci.url}/job/team/job/webshop/job/it/1/"} == {
        one.name: one.value for one in end.told.variables
    }


@pytest.mark.parametrize(
    ("result", "accept", "expected"),
    [
        ("UNSTABLE", False, (1, "build 1 of team/webshop/it is unstable: ", None)),
        ("UNSTABLE", True, (0, "", StepResult.SUCCEEDED_WITH_ISSUES)),
        ("FAILURE", True, (1, "build 1 of team/webshop/it has failed: ", None)),
        ("ABORTED", False, (1, "build 1 of team/webshop/it was aborted in Jenkins: ", None)),
        ("NOT_BUILT", False, (1, "build 1 of team/webshop/it was not built: ", None)),
    ],
)
async def test_how_the_build_ends_the_step_ends(
    world: World,
    result: str,
    accept: bool,  # noqa: FBT001  a parameter of the test
    expected: tuple[int, str, StepResult | None],
) -> None:
    """An unstable one fails the step, unless its author takes it; then an issue is left."""
    world.ci.work(result=result)
    end = await world.run(job={"accept_unstable": accept})
    url = f"{world.ci.url}/job/team/job/webshop/job/it/1/"
    code, reason, told = expected
    assert (code, f"{reason}{url}" if reason else "", told) == (end.exit_code, end.reason, end.told.result)
    issues = [f"build 1 of team/webshop/it is unstable: {url}"] if told else []
    assert issues == [issue.message for issue in end.told.issues]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"job": "team/nope"}, "ci has no job team/nope that can be built, or does not show it to slipway"),
        ({"parameters": {"NOPE": "1"}}, "the job team/webshop/it has no parameter NOPE; it has VERSION, TARGET"),
        ({"parameters": {"TARGET": "x"}}, "the parameter TARGET of the job team/webshop/it must be one of dev, prod"),
        ({"job": "plain", "parameters": {"A": "1"}}, "the job plain takes no parameters, but this step gives it A"),
        ({"job": "off"}, "the job off is disabled at ci, or cannot be built; enable it"),
        (
            {"parameters": {"VERSION": "$(NOPE)"}},
            "the parameter VERSION names $(NOPE), which this step does not find; a secret has to stand under secrets",
        ),
    ],
)
async def test_what_cannot_be_built_is_told_clearly(world: World, job: dict[str, Any], expected: str) -> None:
    """Before Jenkins is asked, which would drop unknown parameters unsaid, and answer others with a page of errors."""
    world.ci.work(VERSION, ParameterOfJob("TARGET", ParameterKind.CHOICE, choices=("dev", "prod")))
    world.ci.work(job="plain")
    world.ci.work(job="off")
    world.ci.state.job("off").disabled = True
    end = await world.run(job=job)
    assert (1, f"{end.reason}\n") == (end.exit_code, world.log())
    assert end.reason.startswith(expected)
    assert 0 == world.ci.asked()


async def test_a_reason_holds_no_secret(world: World) -> None:
    """It is kept and shown, as the log is."""
    world.ci.work(result="FAILURE")
    world.server.secrets[RUN] = {"DB": "webshop/it"}
    end = await world.run(secrets={"DB": "webshop/db"})
    assert "build 1 of team/*** has failed: " in end.reason
    assert "webshop/it" not in world.log()


async def test_a_missing_permission_is_told_clearly(world: World) -> None:
    """With the user, and what it needs."""
    world.ci.work()
    world.ci.queue.may_not_build.add("slipway")
    end = await world.run()
    expected = "ci does not let slipway build the job team/webshop/it (status 403); "
    assert f"{expected}the user needs the permissions Job/Build and Job/Read" == end.reason
    assert [] == world.ci.runs()


async def test_an_answer_that_named_another_host_is_understood(world: World) -> None:
    """Jenkins' idea of its own address is often another than ours; the token goes only to ours."""
    world.ci.work(VERSION, lines=("hello",))
    world.ci.queue.public_url = "https://ci.example.com"
    end = await world.run()
    assert 0 == end.exit_code
    assert world.ci.url in world.log()


@pytest.mark.parametrize("reset", ["before", "after"])
async def test_a_lost_answer_starts_no_second_build(world: World, reset: Any) -> None:
    """The job bears our mark: whether the request arrived is seen, and only if it did not it is sent again."""
    world.ci.work(VERSION, MARKED, lines=("hello",))
    fault = world.ci.state.faults.add(Fault("/buildWithParameters", reset=reset, times=1))
    end = await world.run()
    assert (1, 0, 1) == (fault.fired, end.exit_code, len(world.ci.runs()))
    assert world.ci.runs()[0].item.values["SLIPWAY_RUN"].startswith(f"{RUN}@")
    assert ("There is none." if reset == "before" else "Found build 1, which is ours.") in world.words()


async def test_without_a_mark_a_lost_answer_leaves_the_outcome_unknown(world: World) -> None:
    """The build may be somebody else's: rather ask people than run it twice."""
    world.ci.work(VERSION)
    fault = world.ci.state.faults.add(Fault("/buildWithParameters", reset="after", times=1))
    end = await world.run()
    assert (1, StepOutcome.UNKNOWN, 1) == (fault.fired, end.outcome, len(world.ci.runs()))
    expected = "it is not known whether build 1 of team/webshop/it is this step's"
    assert f"the outcome is unknown: {expected}; a job with a parameter SLIPWAY_RUN would tell" == end.reason


async def test_without_a_mark_a_request_that_never_arrived_is_sent_again(world: World) -> None:
    """No build came up since it was sent."""
    world.ci.work()
    fault = world.ci.state.faults.add(Fault("/it/build", reset="before", times=1))
    assert 0 == (await world.run()).exit_code
    assert (1, 1) == (fault.fired, len(world.ci.runs()))


async def test_an_error_of_jenkins_is_not_asked_for_again(world: World) -> None:
    """It answered, and nothing came of it."""
    world.ci.work(VERSION)
    fault = world.ci.state.faults.add(Fault("/buildWithParameters", status=500, times=1))
    end = await world.run()
    assert (1, 1) == (fault.fired, end.exit_code)
    assert end.reason.startswith("ci answered 500; is there a parameter")


async def test_equal_steps_do_not_share_a_build(world: World, eventually: Eventually) -> None:
    """Jenkins folds equal builds that wait into one: the second step waits until the first has left the queue."""
    world.ci.work(lines=("hello",))
    world.ci.queue.executors = 0
    other = RUN.replace("/1/1", "/2/1")
    agent = world.agent()
    first = asyncio.create_task(agent.run(world.request()))
    await eventually(lambda: world.ci.asked() == 1)
    second = asyncio.create_task(agent.run(world.request(other)))
    await eventually(lambda: "an equal build is in the queue" in world.log(other))
    world.ci.queue.executors = 2
    assert [0, 0] == [end.exit_code for end in await asyncio.gather(first, second)]
    assert 2 == len(world.ci.runs())


async def test_marked_steps_wait_for_nobody(world: World) -> None:
    """Their builds differ in the mark, so Jenkins keeps them apart by itself."""
    world.ci.work(MARKED, lines=("hello",), concurrent=True)
    agent = world.agent()
    runs = [RUN.replace("/1/1", f"/{step}/1") for step in (1, 2, 3)]
    ends = await asyncio.gather(*(agent.run(world.request(run)) for run in runs))
    assert [0, 0, 0] == [end.exit_code for end in ends]
    assert 3 == len({run.item.values["SLIPWAY_RUN"] for run in world.ci.runs()})


async def test_a_build_that_others_asked_for_at_the_same_time_is_said_to_be_shared(
    world: World, eventually: Eventually
) -> None:
    """It cannot be helped without a mark."""
    world.ci.work(lines=("hello",))
    world.ci.queue.executors = 0
    running = asyncio.create_task(world.run())
    await eventually(lambda: world.ci.queue.items)
    world.ci.queue.items[1].asked_by.append("otto")
    world.ci.queue.executors = 2
    assert 0 == (await running).exit_code
    assert any("Jenkins makes one build of it" in line for line in world.words())


async def test_why_it_waits_is_in_the_log(world: World, eventually: Eventually) -> None:
    """For a Jenkins that is about to shut down, for an executor; not again because seconds went by."""
    world.ci.work(lines=("hello",))
    world.ci.queue.is_quieting = True
    running = asyncio.create_task(world.run())
    await eventually(lambda: "Waiting: Jenkins is about to shut down\n" in world.log())
    world.ci.queue.executors, world.ci.queue.is_quieting = 0, False
    await eventually(lambda: "Waiting: Waiting for next available executor\n" in world.log())
    world.ci.queue.executors = 1
    assert 0 == (await running).exit_code
    assert 2 == sum(line.startswith("Waiting: ") for line in world.words())


async def test_who_cancels_it_in_the_queue_of_jenkins_is_told_of(world: World, eventually: Eventually) -> None:
    """The step has failed."""
    world.ci.work()
    world.ci.queue.executors = 0
    running = asyncio.create_task(world.run())
    await eventually(lambda: world.ci.queue.items)
    world.ci.queue.items[1].is_cancelled = True
    assert "the build was cancelled in the queue of ci" == (await running).reason


async def test_a_queue_item_that_jenkins_forgot_is_found_by_its_build(world: World, eventually: Eventually) -> None:
    """As after a long absence of ours."""
    world.ci.work(lines=("hello",))
    world.ci.queue.executors = 0
    running = asyncio.create_task(world.run())
    await eventually(lambda: world.ci.queue.items)
    fault = world.ci.state.faults.add(Fault("/queue/item/1", status=404))
    world.ci.queue.executors = 1
    assert 0 == (await running).exit_code
    assert fault.fired


LINES = tuple(f"line {number} {SECRET} end" for number in range(300))


def expected_log() -> list[str]:
    return [*(f"line {number} *** end" for number in range(300)), "Finished: SUCCESS"]


@pytest.mark.parametrize("fault", [{"status": 503}, {"reset": "before"}, {"cut_at": 2000}, {"cut_at": 13}])
async def test_outages_are_waited_out_and_leave_no_gap(
    world: World, eventually: Eventually, fault: dict[str, Any]
) -> None:
    """An answer that was cut is read again, and what of it was shown is not shown twice."""
    work = world.ci.work(lines=LINES, held=True)
    world.server.secrets[RUN] = {"DB": SECRET}
    away = world.ci.state.faults.add(Fault("/logText/", times=3, **fault))
    running = asyncio.create_task(world.run(secrets={"DB": "webshop/db"}))
    await eventually(lambda: away.is_spent)
    work.held = False
    assert 0 == (await running).exit_code
    assert any(line.startswith("ci answers again, after") for line in world.words())
    shown = [line for line in world.words() if line.startswith(("line", "Finished", " ***", "***"))]
    # Our own lines go between, and may go through a line of Jenkins'.
    assert "".join(expected_log()).replace("\n", "") in "".join(
        line for line in world.words() if not line.startswith("ci ")
    )
    assert 300 <= len(shown)
    assert SECRET not in world.log()


@pytest.mark.parametrize("moment", range(8))
async def test_an_agent_that_dies_is_taken_over_from(world: World, moment: int) -> None:
    """At any moment: one build, and every line of its log once."""
    work = world.ci.work(VERSION, MARKED, lines=LINES, seconds=0.4)
    world.server.secrets[RUN] = {"DB": SECRET}
    agent = world.agent()
    dying = asyncio.create_task(agent.run(world.request(secrets={"DB": "webshop/db"})))
    await asyncio.sleep(0.02 + moment * 0.08)
    for task in agent._under_way._tasks.values():
        task.cancel()
    with suppress(asyncio.CancelledError):
        await dying
    end = await world.run(secrets={"DB": "webshop/db"})
    assert (0, 1, work.seconds) == (end.exit_code, len(world.ci.runs()), 0.4)
    lines = [line for line in world.words() if line.startswith(("line", "Finished"))]
    assert expected_log() == lines
    assert end == await world.run()


async def test_a_step_that_is_canceled_in_the_queue_is_taken_out_of_it(world: World, eventually: Eventually) -> None:
    """It never becomes a build."""
    world.ci.work()
    world.ci.queue.executors = 0
    agent = world.agent()
    running = asyncio.create_task(agent.run(world.request()))
    await eventually(lambda: world.ci.queue.items)
    await agent.cancel(world.cancel())
    assert StepOutcome.CANCELED == (await running).outcome
    assert world.ci.queue.items[1].is_cancelled


async def test_a_step_that_is_canceled_stops_its_build(world: World, eventually: Eventually) -> None:
    """And waits until it has ended; the log is whole."""
    world.ci.work(lines=("hello",), held=True, seconds_to_stop=0.3)
    agent = world.agent()
    running = asyncio.create_task(agent.run(world.request()))
    await eventually(lambda: "hello\n" in world.log())
    await agent.cancel(world.cancel())
    end = await running
    assert (StepOutcome.CANCELED, "ABORTED") == (end.outcome, world.ci.runs()[0].build.result)
    assert world.log().endswith("Finished: ABORTED\n")


async def test_a_step_whose_time_is_up_stops_its_build(world: World) -> None:
    """The time counts from the beginning of the step, the queue included."""
    world.ci.work(held=True)
    end = await world.run(timeout=timedelta(seconds=2))
    assert (StepOutcome.TIMED_OUT, "ABORTED") == (end.outcome, world.ci.runs()[0].build.result)
    assert "timed out after 0:00:02" == end.reason


async def test_an_agent_that_is_cut_off_stops_its_build(world: World, eventually: Eventually) -> None:
    """Its job may be given to another agent, and must not run twice."""
    world.ci.work(lines=("hello",), held=True)
    world.lease.heard.write_text(str(since_boot()))
    running = asyncio.create_task(world.run())
    await eventually(lambda: "hello\n" in world.log())
    world.lease.heard.write_text(str(since_boot() - 10_000))
    end = await running
    assert (StepOutcome.CUT_OFF, "ABORTED") == (end.outcome, world.ci.runs()[0].build.result)


async def test_a_build_that_cannot_be_stopped_is_said_to_go_on(world: World, eventually: Eventually) -> None:
    """Nobody may think that it has ended."""
    world.ci.work(lines=("hello",), held=True, seconds_to_stop=1000)
    agent = world.agent(Patience(first_look=0.02, longest_look=0.1, search=0.5, stop=0.5))
    running = asyncio.create_task(agent.run(world.request()))
    await eventually(lambda: "hello\n" in world.log())
    await agent.cancel(world.cancel())
    end = await running
    assert StepOutcome.UNKNOWN == end.outcome
    assert "the outcome of build 1 of team/webshop/it is unknown: canceled, but the build was not seen to end" == (
        end.reason
    )


async def test_a_step_that_is_canceled_before_it_began_asks_for_nothing(world: World) -> None:
    """Whoever was quick enough."""
    world.ci.work()
    RunFolder.of(world.state.runs, RunLabel(run_id=RUN, lease_id=world.hold.lease_id)).cancel()
    assert StepOutcome.CANCELED == (await world.run()).outcome
    assert 0 == world.ci.asked()


async def test_the_end_of_the_lease_stops_builds_also_of_an_agent_before(world: World, eventually: Eventually) -> None:
    """The workflow has ended: nobody asks for them any more."""
    world.ci.work(lines=("hello",), held=True)
    agent = world.agent()
    dying = asyncio.create_task(agent.run(world.request()))
    await eventually(lambda: "hello\n" in world.log())
    for task in agent._under_way._tasks.values():
        task.cancel()
    await asyncio.wait([dying])
    await world.agent().end_all(world.hold.lease_id)
    assert "ABORTED" == world.ci.runs()[0].build.result


async def test_what_is_read_after_a_cancel_is_masked_too(world: World, eventually: Eventually) -> None:
    """The agent that takes over a canceled step fetches its secrets before it reads a line."""
    world.ci.work(MARKED, lines=LINES, held=True)
    world.server.secrets[RUN] = {"DB": SECRET}
    request = world.request(secrets={"DB": "webshop/db"})
    agent = world.agent(Patience(first_look=5))
    dying = asyncio.create_task(agent.run(request))
    await eventually(world.ci.runs)
    for task in agent._under_way._tasks.values():
        task.cancel()
    await asyncio.wait([dying])
    RunFolder.of(world.state.runs, RunLabel(run_id=RUN, lease_id=world.hold.lease_id)).cancel()
    assert StepOutcome.CANCELED == (await world.agent().run(request)).outcome
    assert [*expected_log()[:-1], "Build was aborted"] == [
        line for line in world.words() if line.startswith(("line", "Build was"))
    ]
    assert SECRET not in world.log()


async def test_a_build_that_was_deleted_leaves_the_outcome_unknown(world: World, eventually: Eventually) -> None:
    """Jenkins no longer says how it ended."""
    world.ci.work(lines=("hello",), held=True)
    running = asyncio.create_task(world.run())
    await eventually(lambda: "hello\n" in world.log())
    del world.ci.state.job(JOB).builds[1]
    end = await running
    assert StepOutcome.UNKNOWN == end.outcome
    assert end.reason.startswith("the outcome of build 1 of team/webshop/it is unknown: ci has no log of build 1")


async def test_a_refusal_of_the_api_starts_nothing(world: World) -> None:
    """As to an agent that does not hold the job."""
    world.ci.work()
    world.server.refusals["/jenkins"] = (403, "NotYourRun")
    end = await world.run()
    assert (1, "not started: NotYourRun as told", 0) == (end.exit_code, end.reason, world.ci.asked())


async def test_without_the_lease_nothing_is_asked(world: World) -> None:
    """It may have been given up while the request was on its way."""
    with pytest.raises(LeaseGone):
        await world.run(lease_id="another")
