"""Builds of Jenkins against the stand-in: what is asked, what is seen of it, and what is certain when it goes wrong."""

import socket
from collections.abc import Iterator

import pytest
from fakes.building_jenkins import JOB, MARKED, TOKEN, BuildingJenkins, building_jenkins
from fakes.served import served
from pydantic import SecretStr
from starlette.responses import Response

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable, UnknownConnection
from activities.jenkins_builds import BuildRefused, NothingSent, Parameter, PerhapsStarted
from domain.connection import ConnectionKind
from integrations.jenkins_builds import open_builds
from local import jenkins
from local.faults import Fault
from local.jenkins_answers import Call
from local.jenkins_queue import ParameterKind, ParameterOfJob
from local.jenkins_state import JobKind

VERSION = ParameterOfJob("VERSION")
BRANCH_JOB = "team/shop/feature%2Fx y"


@pytest.fixture
def ci() -> Iterator[BuildingJenkins]:
    with building_jenkins() as here:
        yield here


def written(pieces: list[bytes]) -> str:
    return b"".join(pieces).decode()


def test_a_job_says_what_it_takes(ci: BuildingJenkins) -> None:
    """Its parameters with their choices; None where there are none. A folder cannot be built."""
    ci.work(VERSION, ParameterOfJob("TARGET", ParameterKind.CHOICE, choices=("dev", "prod")))
    ci.work(job="plain")
    found = ci.opened().job(JOB)
    assert (Parameter(name="VERSION"), Parameter(name="TARGET", choices=("dev", "prod"))) == found.parameters
    assert (True, 1, None) == (found.is_buildable, found.next_build, ci.opened().job("plain").parameters)
    assert not ci.opened().job("team").is_buildable


def test_a_build_is_followed_from_the_queue_to_its_end(ci: BuildingJenkins) -> None:
    """Also that of a branch, whose name has a slash in it."""
    ci.state.job("team/shop", JobKind.MULTIBRANCH)
    ci.work(VERSION, job=BRANCH_JOB, lines=("hello {VERSION}",))
    builds = ci.opened()
    item = builds.item(builds.start(BRANCH_JOB, {"VERSION": "ü 1"}))
    assert item is not None
    assert (False, 1, 1) == (item.is_cancelled, item.build, item.asked_times)
    (trace,) = builds.traces(BRANCH_JOB)
    assert (1, 1, {"VERSION": "ü 1"}) == (trace.number, trace.queue_id, trace.parameters)
    build = builds.build(BRANCH_JOB, 1)
    assert (False, "SUCCESS") == (build.is_building, build.result)
    assert f"{ci.url}/job/team/job/shop/job/feature%252Fx%20y/1/" == build.url
    pieces: list[bytes] = []
    taken = builds.log(BRANCH_JOB, 1, 0, pieces.append)
    assert taken.is_complete
    assert written(pieces).endswith("\nhello ü 1\nFinished: SUCCESS\n")
    assert "\x1b" not in written(pieces)


def test_a_log_is_read_on_from_jenkins_own_count(ci: BuildingJenkins) -> None:
    """Its log holds more than it shows, so the bytes that came say nothing about where to go on."""
    work = ci.work(lines=("one", "two"), held=True)
    builds = ci.opened()
    builds.start(JOB, None)
    first: list[bytes] = []
    taken = builds.log(JOB, 1, 0, first.append)
    assert (False, True) == (taken.is_complete, taken.offset > len(written(first)))
    work.held = False
    rest: list[bytes] = []
    assert builds.log(JOB, 1, taken.offset, rest.append).is_complete
    assert "Finished: SUCCESS\n" == written(rest)


def test_what_waits_is_seen_and_can_be_taken_out(ci: BuildingJenkins) -> None:
    """Of this job only; and taking it out twice does no harm."""
    ci.work(MARKED)
    ci.work(job="other")
    ci.queue.executors = 0
    builds = ci.opened()
    queue_id = builds.start(JOB, {"SLIPWAY_RUN": "mark"})
    builds.start("other", None)
    (trace,) = builds.traces(JOB)
    assert (queue_id, None, "mark") == (trace.queue_id, trace.number, trace.parameters["SLIPWAY_RUN"])
    builds.cancel(queue_id)
    builds.cancel(queue_id)
    item = builds.item(queue_id)
    assert item is not None
    assert item.is_cancelled
    ci.queue.forget(queue_id)
    assert builds.item(queue_id) is None


def test_a_build_is_stopped_and_stopping_it_twice_does_no_harm(ci: BuildingJenkins) -> None:
    """It ends as aborted; that Jenkins leads back to it at another address than ours is not followed."""
    ci.work(held=True)
    ci.queue.public_url = "https://ci.example.com"
    builds = ci.opened()
    builds.start(JOB, None)
    builds.stop(JOB, 1)
    builds.stop(JOB, 1)
    assert (False, "ABORTED") == (builds.build(JOB, 1).is_building, builds.build(JOB, 1).result)


def test_parameters_go_in_the_body(ci: BuildingJenkins) -> None:
    """Addresses are written into logs; and a parameter that has the name of one of Jenkins' own wins."""
    addresses: list[str] = []

    class Addresses:
        def answer(self, call: Call) -> Response | None:
            addresses.append(str(call.request.url))
            return None

    ci.work(VERSION, ParameterOfJob("delay"))
    with served(jenkins.create_app(ci.state, Addresses(), ci.queue)) as url:
        builds = open_builds(ci.connection.model_copy(update={"url": url}))
        builds.start(JOB, {"VERSION": "secret-value", "delay": "0sec"})
    assert {"VERSION": "secret-value", "delay": "0sec"} == ci.runs()[0].item.values
    assert [] == [address for address in addresses if "secret-value" in address]


def test_anonymous_builds_with_a_crumb(ci: BuildingJenkins) -> None:
    """Where the server lets them."""
    ci.work()
    ci.state.users.clear()
    connection = ci.connection.model_copy(update={"user": "", "token": SecretStr("")})
    assert 1 == open_builds(connection).start(JOB, None)


def test_a_server_that_is_not_there_was_asked_nothing(ci: BuildingJenkins) -> None:
    """So it may be tried again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    builds = open_builds(ci.connection.model_copy(update={"url": f"http://127.0.0.1:{port}"}))
    with pytest.raises(NothingSent, match="ci does not answer"):
        builds.start(JOB, None)
    with pytest.raises(SourceUnreachable):
        builds.traces(JOB)


@pytest.mark.parametrize(
    ("fault", "is_answer"),
    [
        ({"reset": "before"}, False),
        ({"reset": "after"}, False),
        ({"status": 503}, False),
        ({"status": 504}, False),
        ({"status": 500}, True),
        ({"status": 201}, False),
    ],
)
def test_what_is_not_certain_is_not_taken_for_a_refusal(
    ci: BuildingJenkins,
    fault: dict[str, object],
    is_answer: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """The request may have arrived."""
    ci.work()
    thrown = ci.state.faults.add(Fault("/build", **fault))  # type: ignore[arg-type]
    with pytest.raises(PerhapsStarted) as raised:
        ci.opened().start(JOB, None)
    assert (1, is_answer) == (thrown.fired, raised.value.is_answer)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"redirect_to": "https://login.example.com/"}, "redirects to another host"),
        ({"status": 400}, "does not take these parameters"),
        ({"status": 403}, "Job/Build"),
        ({"status": 404}, "no job"),
        ({"status": 409}, "disabled"),
    ],
)
def test_a_refusal_is_told_in_words(ci: BuildingJenkins, fault: dict[str, object], words: str) -> None:
    """Nothing was started; and no token goes to where a redirect leads."""
    ci.work()
    thrown = ci.state.faults.add(Fault("/build", **fault))  # type: ignore[arg-type]
    with pytest.raises(BuildRefused, match=words):
        ci.opened().start(JOB, None)
    assert 1 == thrown.fired


def test_what_is_missing_and_who_is_not_let_in_is_told(ci: BuildingJenkins) -> None:
    """As for artifacts."""
    ci.work()
    with pytest.raises(ArtifactNotFound, match="no job team/nope"):
        ci.opened().job("team/nope")
    with pytest.raises(ArtifactNotFound, match="build 9 of the job"):
        ci.opened().build(JOB, 9)
    with pytest.raises(SourceDenied):
        open_builds(ci.connection.model_copy(update={"token": SecretStr("wrong")})).traces(JOB)
    with pytest.raises(UnknownConnection, match="is one to azure-pipelines, not to jenkins"):
        open_builds(ci.connection.model_copy(update={"kind": ConnectionKind.AZURE_PIPELINES}))


def test_a_log_that_was_cut_is_told(ci: BuildingJenkins) -> None:
    """What came before is written; the caller knows that it was not all."""
    ci.work(lines=("x" * 1000,))
    builds = ci.opened()
    builds.start(JOB, None)
    cut = ci.state.faults.add(Fault("/logText/", cut_at=500))
    pieces: list[bytes] = []
    with pytest.raises(SourceUnreachable):
        builds.log(JOB, 1, 0, pieces.append)
    assert 1 == cut.fired
    assert TOKEN not in written(pieces)
