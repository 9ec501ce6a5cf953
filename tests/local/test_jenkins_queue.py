"""The building part of the Jenkins stand-in: what waits for what, and what a build does as time goes by."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from local import demo_builds, jenkins
from local.jenkins_queue import BuildQueue, ParameterOfJob, Work
from local.jenkins_state import JenkinsState

_CRUMB = "crumb"


class Ci:
    """A stand-in with a job ``tests``, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.state = JenkinsState(crumb=_CRUMB)
        self.queue = BuildQueue(clock=lambda: self.now)
        self.client = TestClient(jenkins.create_app(self.state, self.queue), headers={"Jenkins-Crumb": _CRUMB})

    def work(self, name: str = "tests", **what: Any) -> Work:
        self.state.job(name)
        self.queue.works[name] = Work(**what)
        return self.queue.works[name]

    def ask(self, name: str = "tests", **parameters: str) -> int:
        """The id of the queue item."""
        word = "buildWithParameters" if self.queue.works[name].parameters else "build"
        answer = self.client.post(f"/job/{name}/{word}", data={"delay": "0sec"} | parameters)
        assert 201 == answer.status_code
        return int(answer.headers["Location"].split("/")[-2])

    def item(self, queue_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/queue/item/{queue_id}/api/json").json()
        return found

    def log(self, number: int = 1, start: int = 0) -> httpx2.Response:
        answer: Any = self.client.get(f"/job/tests/{number}/logText/progressiveText?start={start}")
        return answer  # type: ignore[no-any-return]


@pytest.fixture
def ci() -> Iterator[Ci]:
    here = Ci()
    with here.client:
        yield here


def test_equal_ones_that_wait_are_folded_and_others_are_not(ci: Ci) -> None:
    """By all their parameters; what runs already is not joined."""
    ci.work(parameters=(ParameterOfJob("V"),), held=True)
    first = ci.ask(V="1")
    waiting = ci.ask(V="1")
    assert [waiting, waiting + 1, waiting] == [ci.ask(V="1"), ci.ask(V="2"), ci.ask(V="1")]
    assert first != waiting
    causes = [action["causes"] for action in ci.item(waiting)["actions"] if "causes" in action]
    assert 3 == len(causes[0])


def test_what_waits_says_why(ci: Ci) -> None:
    """The quiet period, another build of the job, an executor, an end that is near."""
    ci.work(held=True)
    ci.work("other", held=True)
    quiet = ci.ask(delay="4sec")
    assert "In the quiet period. Expires in 4.0 sec" == ci.item(quiet)["why"]
    ci.now += 4
    assert 1 == ci.item(quiet)["executable"]["number"]
    blocked = ci.ask()
    assert "Build #1 is already in progress (ETA: N/A)" == ci.item(blocked)["why"]
    ci.queue.executors = 1
    assert "Waiting for next available executor" == ci.item(waiting := ci.ask("other"))["why"]
    ci.client.post("/quietDown")
    assert "Jenkins is about to shut down" == ci.item(waiting)["why"]


def test_a_log_grows_by_whole_lines_and_counts_what_it_hides(ci: Ci) -> None:
    """Whoever goes on by the length of what came would miss a part."""
    ci.work(lines=("one", "two", "three", "four"), seconds=4)
    ci.ask()
    ci.now += 2
    begun = ci.log()
    assert (True, "true") == (begun.text.endswith("one\r\ntwo\r\n"), begun.headers["X-More-Data"])
    size = int(begun.headers["X-Text-Size"])
    assert size > len(begun.text.replace("\r", ""))
    ci.now += 2
    rest = ci.log(start=size)
    assert ("three\r\nfour\r\nFinished: SUCCESS\r\n", None) == (rest.text, rest.headers.get("X-More-Data"))


def test_a_build_that_is_stopped_takes_its_time(ci: Ci) -> None:
    """It runs on until it has heard."""
    ci.work(held=True, seconds_to_stop=3)
    ci.ask()
    ci.client.post("/job/tests/1/stop", follow_redirects=False)
    assert ci.client.get("/job/tests/1/api/json").json()["building"]
    ci.now += 3
    ended = ci.client.get("/job/tests/1/api/json").json()
    assert (False, "ABORTED") == (ended["building"], ended["result"])


def test_the_demo_tests_the_web_shop() -> None:
    """With the parameters that the example gives."""
    state = demo_builds.jenkins()
    (path,) = demo_builds.jenkins_queue(state).works
    assert "team/webshop-tests" == path
    assert path in dict(state.all_jobs())
