"""Habits of Jenkins that the stand-in has too."""

import ast
import json

import pytest
from fakes.exchanges import ask
from fakes.served import served
from starlette.testclient import TestClient

from local import jenkins
from local.jenkins_answers import empty
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


@pytest.mark.parametrize(
    ("only", "numbers"), [("{0,2}", [6, 5]), ("{1,3}", [5, 4]), ("{,1}", [6]), ("{2,}", [4, 3]), ("{3}", [3])]
)
def test_a_tree_takes_some_items_of_a_list(state, only, numbers):
    """Counted from the newest build; the end is not taken."""
    client = TestClient(jenkins.create_app(state))
    found = client.get("/job/app/api/json", params={"tree": f"builds[number]{only}"}).json()
    assert numbers == [build["number"] for build in found["builds"]]


def test_older_builds_show_only_when_all_are_asked_for(state):
    """A hundred are enough for most."""
    for number in range(7, 157):
        state.job("app").add(Build(number))
    client = TestClient(jenkins.create_app(state))
    found = client.get("/job/app/api/json", params={"tree": "builds[number],allBuilds[number]"}).json()
    assert (100, 154) == (len(found["builds"]), len(found["allBuilds"]))


def test_depth_shows_linked_objects_whole(state):
    """And, two levels deep, what is otherwise only shown when asked for."""
    client = TestClient(jenkins.create_app(state))
    plain, deep = (client.get("/job/app/api/json", params={"depth": depth}).json() for depth in (0, 1))
    assert (False, True) == ("result" in plain["builds"][0], "result" in deep["builds"][0])
    shown = ["fingerprint" in client.get("/job/app/3/api/json", params={"depth": depth}).json() for depth in (0, 1, 2)]
    assert [False, False, True] == shown


@pytest.mark.parametrize(
    ("rule", "path", "statuses"),
    [
        ("hidden_from", "/job/app/3/api/json", (404, 404, 200)),
        ("denied_to", "/job/app/3/api/json", (403, 403, 200)),
        ("files_denied_to", "/job/app/3/artifact/a.txt", (403, 403, 200)),
        ("files_denied_to", "/job/app/3/api/json", (200, 200, 200)),
    ],
)
def test_permissions_are_those_of_each_user(state, rule, path, statuses):
    """Anonymous is one of them, and is asked to sign in."""
    state.users |= {"rita": "token", "ben": "token"}
    state.anonymous_reads = True
    getattr(state.job("app"), rule).update({"anonymous", "rita"})
    client = TestClient(jenkins.create_app(state))
    answers = [client.get(path, auth=auth) for auth in (None, ("rita", "token"), ("ben", "token"))]
    assert statuses == tuple(answer.status_code for answer in answers)
    if answers[0].status_code == 403:
        assert ("Authentication required" in answers[0].text, "rita is missing the" in answers[1].text) == (True, True)


def test_builds_are_discarded_unless_they_are_kept(state):
    """Numbers are not given again."""
    client = TestClient(jenkins.create_app(state))
    crumb = {"Jenkins-Crumb": state.crumb}
    assert 302 == client.post("/job/app/3/toggleLogKeep", headers=crumb, follow_redirects=False).status_code
    state.job("app").discard(1)
    assert [3, 6] == list(state.job("app").builds)
    assert 302 == client.post("/job/app/6/doDelete", headers=crumb, follow_redirects=False).status_code
    found = client.get("/job/app/api/json", params={"tree": "builds[number],nextBuildNumber"}).json()
    assert ([3], 7) == ([build["number"] for build in found["builds"]], found["nextBuildNumber"])


def test_a_renamed_job_is_not_found_under_its_old_name(state):
    """Also in a folder, and when the new name is an odd one."""
    state.job("team/web").add(Build(1))
    client = TestClient(jenkins.create_app(state))
    asked = {"url": "/job/team/job/web/confirmRename", "params": {"newName": "web shop"}, "follow_redirects": False}
    answer = client.post(**asked, headers={"Jenkins-Crumb": state.crumb})
    assert "http://testserver/job/team/job/web%20shop" == answer.headers["location"]
    statuses = [client.get(f"/job/team/job/{name}/1/api/json").status_code for name in ("web", "web%20shop")]
    assert [404, 200] == statuses


def test_a_part_is_asked_first(state):
    """So that a queue can be added to it; what the part does not know goes on as before."""

    class Part:
        def answer(self, call):
            return empty(204) if call.segments[0] == "queue" else None

    client = TestClient(jenkins.create_app(state, Part()))
    assert (204, 200) == (client.get("/queue/api/json").status_code, client.get("/job/app/api/json").status_code)
