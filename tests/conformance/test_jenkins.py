"""The Jenkins stand-in answers as real ones did: status, headers, and the shape of documents and error pages."""

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from fakes.exchanges import ask, differences, recorded
from fakes.served import Place

from local import jenkins
from local.jenkins_state import Build, JenkinsState, Job, JobKind

_SERVER = "Jetty(9.4"  # the generation that the stand-in is like; older ones write other documents
_IMITATED = (
    r"/api/json",
    r"/(crumbIssuer|whoAmI)/api/(json|python)",
    r"(/job/[^/]+)+(/(\d+|last\w*Build))?/api/(json|python)",
    r"(/job/[^/]+)+/(\d+|last\w*Build)/artifact/[^*]+",
    r"(/job/[^/]+)+",
)
_SAME_VALUE = (
    "content-type",
    "content-encoding",
    "x-frame-options",
    "x-content-type-options",
    "content-security-policy",
    "www-authenticate",
    "accept-ranges",
    "x-required-permission",
    "server",
)
_RUNNING = "_anime"


def is_imitated(exchange: dict[str, Any]) -> bool:
    """What Slipway asks; not ranges, other formats, broken filters, fingerprints, or matrix jobs."""
    if "request" not in exchange:
        return False
    request, response = exchange["request"], exchange["response"]
    address = urlsplit(request["path"])
    if request["method"] == "POST":
        return response["status"] == 403
    return (
        any(re.fullmatch(pattern, address.path) for pattern in _IMITATED)
        and not re.search("jsonp|fingerprint", address.query)
        and response["status"] != 500
        and ("depth" not in address.query or "tree" in address.query)
        and "Range" not in request["headers"]
        and "matrix" not in json.dumps(response["body"])
        and response["headers"].get("Server", "").startswith(_SERVER)
    )


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


EXCHANGES = [param for param in recorded("jenkins/*/*.json") if is_imitated(load(param.values[0]))]  # type: ignore[attr-defined]


def state_behind(exchange: dict[str, Any]) -> JenkinsState:
    """A Jenkins in the state in which the real one gave that answer."""
    response = exchange["response"]
    state = JenkinsState()
    if response["status"] in {401, 403} and exchange["request"]["method"] == "GET":
        state.users["admin"] = "right"
    if response["status"] == 200:
        _fill(state, unquote_path(exchange["request"]["path"]), response["body"])
    if response["status"] == 302:
        state.job("/".join(names_of(unquote_path(exchange["request"]["path"]))))
    return state


def unquote_path(path: str) -> list[str]:
    return [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]


def names_of(parts: list[str]) -> list[str]:
    """The jobs of an address."""
    return [name for word, name in zip(parts[::2], parts[1::2], strict=False) if word == "job"]


def _fill(state: JenkinsState, parts: list[str], body: Any) -> None:
    names = names_of(parts)
    if not names:
        for job in body.get("jobs", ()):
            _fill_job(state.job(job["name"]), job)
        return
    job, rest = state.job("/".join(names), JobKind.FREESTYLE), parts[2 * len(names) :]
    if rest[:1] == ["api"]:
        _fill_job(job, body)
    elif rest[1:2] == ["artifact"]:
        job.add(Build(1, {"/".join(rest[2:]): body.encode() if isinstance(body, str) else json.dumps(body).encode()}))
    else:
        files = {file["relativePath"]: b"x" for file in body.get("artifacts", ())}
        job.add(Build(body.get("number", 1), files, body.get("result", "SUCCESS")))


def _fill_job(job: Job, body: dict[str, Any]) -> None:
    results = {"blue": "SUCCESS", "yellow": "UNSTABLE", "red": "FAILURE", "aborted": "ABORTED"}
    colour = body.get("color", "notbuilt")
    for build in body.get("builds") or [body.get("lastBuild") or {}]:
        if "number" in build:
            job.add(Build(build["number"], result=results.get(colour.removesuffix(_RUNNING), "SUCCESS")))
    if colour.endswith(_RUNNING):
        job.add(Build(max(job.builds, default=1), result=None))


def test_there_is_something_to_compare_with():
    """Filters that let nothing pass would prove nothing."""
    assert len(EXCHANGES) >= 10


@pytest.mark.parametrize("file", EXCHANGES)
def test_the_stand_in_answers_like_the_recorded_server(here: tuple[Place, str], file: Path):
    """The same status and headers, and a document of the same shape or the same page."""
    exchange, (place, url) = load(file), here
    place.app = jenkins.create_app(state_behind(exchange))
    headers = dict(exchange["request"]["headers"])
    expected = exchange["response"]
    if expected["status"] == 401:
        headers["Authorization"] = "Basic " + base64.b64encode(b"admin:wrong").decode()
    actual = ask(url, exchange["request"]["method"], exchange["request"]["path"], headers)
    assert expected["status"] == actual.status
    wanted = {name.lower(): value for name, value in expected["headers"].items() if name not in _NOT_COMPARED}
    assert set() == wanted.keys() - actual.headers.keys()
    assert {n: wanted[n] for n in _SAME_VALUE if n in wanted} == {
        n: actual.headers[n] for n in _SAME_VALUE if n in wanted
    }
    compare_bodies(expected["body"], actual.body)


# A cookie is given to browsers once for each session; the date is no matter of the stand-in.
_NOT_COMPARED = {"Date", "Set-Cookie", "Expires", "X-WebKit-CSP", "X-Content-Security-Policy"}


def compare_bodies(expected: Any, actual: bytes) -> None:
    if isinstance(expected, dict) and "_class" in expected:
        text = actual.decode()
        document = json.loads(text) if text.startswith('{"') else eval(text, {})
        assert [] == list(differences(expected, document))
    elif isinstance(expected, str) and "Powered by Jetty" in expected:
        assert expected.split() == actual.decode("latin-1").split()
    elif isinstance(expected, str) and "Authentication required" in expected:
        assert re.findall(r"url=\S+'/>", expected) == re.findall(r"url=\S+'/>", actual.decode())
    elif isinstance(expected, str) and not expected.startswith("<"):
        assert expected == actual.decode()
