"""Habits of Jenkins that the stand-in has too."""

import ast
import json

import pytest
from fakes.exchanges import ask
from fakes.served import served
from starlette.testclient import TestClient

from local import jenkins
from local.jenkins_state import Build, JenkinsState, JobKind
from local.jenkins_tree import BadTree, parse_tree


@pytest.fixture
def state() -> JenkinsState:
    state = JenkinsState()
    state.job("app").add(Build(3, {"a.txt": b"a" * 1000}))
    state.job("app").add(Build(4, result="UNSTABLE"))
    state.job("app").add(Build(5, result="FAILURE"))
    state.job("app").add(Build(6, result=None))
    return state


@pytest.mark.parametrize(
    ("permalink", "number"),
    [
        ("lastBuild", 6),
        ("lastCompletedBuild", 5),
        ("lastSuccessfulBuild", 4),
        ("lastStableBuild", 3),
        ("lastUnstableBuild", 4),
        ("lastFailedBuild", 5),
        ("lastUnsuccessfulBuild", 5),
    ],
)
def test_permalinks_count_builds_as_jenkins_does(state, permalink, number):
    """An unstable build is a successful one that is not stable."""
    client = TestClient(jenkins.create_app(state))
    assert number == client.get(f"/job/app/{permalink}/api/json").json()["number"]


def test_the_python_interface_speaks_python(state):
    """Which no parser of JSON can read."""
    text = TestClient(jenkins.create_app(state)).get("/job/app/6/api/python").text
    assert ast.literal_eval(text)["building"] is True
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_a_trigger_needs_a_crumb_or_a_token(state):
    """And answers with the place in the queue; nothing is built."""
    client = TestClient(jenkins.create_app(state))
    assert 403 == client.post("/job/app/build").status_code
    crumb = client.get("/crumbIssuer/api/json").json()
    answer = client.post("/job/app/build", headers={crumb["crumbRequestField"]: crumb["crumb"]})
    assert (201, "http://testserver/queue/item/1/") == (answer.status_code, answer.headers["location"])
    state.users["rita"] = "token"
    assert 201 == client.post("/job/app/build", auth=("rita", "token")).status_code


def test_folders_show_their_jobs_and_jobs_without_colour_are_folders(state):
    """That is how clients tell them apart."""
    state.job("team/web", JobKind.MULTIBRANCH)
    state.job("team/web/feature%2Fx", JobKind.PIPELINE).add(Build(1))
    client = TestClient(jenkins.create_app(state))
    shown = {job["name"]: "color" in job for job in client.get("/api/json").json()["jobs"]}
    assert {"app": True, "team": False} == shown
    inner = client.get("/job/team/job/web/api/json").json()["jobs"][0]
    assert ("feature%2Fx", "/job/team/job/web/job/feature%252Fx/") == (
        inner["name"],
        inner["url"][len("http://testserver") :],
    )


def test_texts_are_compressed_for_those_who_take_it(state):
    """The length is that of what goes over the wire."""
    with served(jenkins.create_app(state)) as url:
        packed = ask(url, "GET", "/job/app/3/artifact/a.txt", {})
        plain = ask(url, "GET", "/job/app/3/artifact/a.txt", {"Accept-Encoding": "identity"})
    assert packed.body == plain.body == b"a" * 1000
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])


def test_names_are_escaped_on_the_page(state):
    """Jobs may be called anything."""
    state.job("<script>").add(Build(1, {"<img src=x>": b""}))
    page = TestClient(jenkins.create_app(state)).get("/").text
    assert "<script>" not in page
    assert "<img" not in page


@pytest.mark.parametrize("text", ["number[", "a]", "[a]", "a,b[c"])
def test_a_broken_tree_is_an_error_of_the_server(state, text):
    """As in the real one."""
    with pytest.raises(BadTree):
        parse_tree(text)
    answer = TestClient(jenkins.create_app(state)).get("/job/app/api/json", params={"tree": text})
    assert 500 == answer.status_code


def test_a_tree_chooses_fields_at_every_depth(state):
    """Also fields that a link to a build does not show by itself."""
    client = TestClient(jenkins.create_app(state))
    tree = {"tree": "name,allBuilds[number,artifacts[fileName]]{0,5}"}
    found = client.get("/job/app/api/json", params=tree).json()
    assert {"_class", "name", "allBuilds"} == found.keys()
    assert {"_class": "hudson.model.FreeStyleBuild", "number": 3, "artifacts": [{"fileName": "a.txt"}]} == found[
        "allBuilds"
    ][-1]
