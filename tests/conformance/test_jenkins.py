"""The Jenkins stand-in answers as real ones did: status, headers, and the shape of documents and error pages."""

import base64
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from fakes.exchanges import ask, differences, recorded
from fakes.served import Place

from local import jenkins
from local.jenkins_state import Build, JenkinsState, Job, JobKind

_SERVER = "Jetty(9.4"  # the generation that the stand-in is like; older ones write other documents
_IMITATED = {
    "GET": (
        r"/api/json",
        r"/(crumbIssuer|whoAmI|fingerprint/[^/]+)/api/(json|python)",
        r"/queue/cancelItem",
        r"(/job/[^/]+)+(/(\d+|last\w*Build))?/api/(json|python)",
        r"(/job/[^/]+)+/(\d+|last\w*Build)/artifact/.+",
        r"(/job/[^/]+)+(/build)?",
    ),
    "POST": (r"(/job/[^/]+)+/((dis|en)able|confirmRename|\d+/(toggleLogKeep|submitDescription|doDelete))",),
}
_SAME_VALUE = (
    "allow",
    "content-type",
    "content-encoding",
    "content-range",
    "cache-control",
    "x-frame-options",
    "x-content-type-options",
    "content-security-policy",
    "www-authenticate",
    "accept-ranges",
    "x-required-permission",
    "server",
)
_RUNNING = "_anime"
_ZIP = "*zip*"


def is_imitated(exchange: dict[str, Any]) -> bool:
    """What sources ask, and what is done by hand to jobs and builds; not XML, matrix jobs, or what the queue does."""
    if "request" not in exchange:
        return False
    request, response = exchange["request"], exchange["response"]
    path, method = urlsplit(request["path"]).path, request["method"]
    return (
        (any(re.fullmatch(pattern, path) for pattern in _IMITATED[method]) or _lacks_a_crumb(exchange))
        and "matrix" not in json.dumps(response["body"])
        and response["headers"].get("Server", "").startswith(_SERVER)
    )


def _lacks_a_crumb(exchange: dict[str, Any]) -> bool:
    return exchange["request"]["method"] == "POST" and exchange["response"]["status"] == 403


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


EXCHANGES = [param for param in recorded("jenkins/*/*.json") if is_imitated(load(param.values[0]))]  # type: ignore[attr-defined]


def state_behind(exchange: dict[str, Any]) -> JenkinsState:
    """A Jenkins in the state in which the real one gave that answer."""
    request, response = exchange["request"], exchange["response"]
    parts = unquote_path(request["path"])
    state = JenkinsState()
    if response["status"] == 401 or "Authentication required" in str(response["body"]):
        state.users["admin"] = "right"
    if response["status"] in {302, 405, 500} or "jsonp" in request["path"]:
        job = state.job("/".join(names_of(parts)) or "any")
        job.add(Build(int(next((part for part in parts if part.isdecimal()), "1"))))
    if parts[0] == "fingerprint" and response["status"] == 200:
        _fill_fingerprint(state, response["body"])
    elif response["status"] in {200, 206}:
        _fill(state, parts, response["body"], response["headers"])
    return state


def unquote_path(path: str) -> list[str]:
    return [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]


def names_of(parts: list[str]) -> list[str]:
    """The jobs of an address."""
    return [name for word, name in zip(parts[::2], parts[1::2], strict=False) if word == "job"]


def _fill(state: JenkinsState, parts: list[str], body: Any, headers: dict[str, str]) -> None:
    names = names_of(parts)
    if not names:
        for job in body.get("jobs", ()):
            _fill_job(state.job(job["name"]), job)
        return
    job, rest = state.job("/".join(names), JobKind.FREESTYLE), parts[2 * len(names) :]
    if rest[:1] == ["api"]:
        _fill_job(job, body)
    elif _ZIP in rest:
        job.add(Build(1, {"/".join([*rest[2 : rest.index(_ZIP)], name]): b"x" for name in ("a b.txt", "ü/c.txt")}))
    elif rest[1:2] == ["artifact"]:
        job.add(Build(1, {"/".join(rest[2:]): _content(body, headers)}))
    else:
        job.add(_build(body, rest[0]))


def _content(body: Any, headers: dict[str, str]) -> bytes:
    """What was given, and around it what was not."""
    given: bytes = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", headers.get("Content-Range", ""))
    first, last, size = (int(number) for number in found.groups()) if found else (0, 0, 1)
    return b"?" * first + given + b"?" * (size - last - 1)


def _build(body: dict[str, Any], named: str) -> Build:
    number = int(named) if named.isdecimal() else 1
    build = Build(body.get("number", number), {file["relativePath"]: b"x" for file in body.get("artifacts", ())})
    build.result = body.get("result", "SUCCESS")
    build.kept, build.description = body.get("keepLog", False), body.get("description")
    build.fingerprints = {one["fileName"]: one["hash"] for one in body.get("fingerprint", ())}
    for cause in (cause for action in body.get("actions", ()) for cause in action.get("causes", ())):
        if "upstreamProject" in cause:
            build.upstream = (cause["upstreamProject"], cause["upstreamBuild"])
    return build


def _fill_fingerprint(state: JenkinsState, body: dict[str, Any]) -> None:
    for usage in body["usage"]:
        for span in usage["ranges"]["ranges"]:
            for number in range(span["start"], span["end"]):
                build = state.job(usage["name"]).add(Build(number, timestamp=body["timestamp"] + number))
                build.fingerprints[body["fileName"]] = body["hash"]
    first = body["original"]
    state.job(first["name"]).builds[first["number"]].timestamp = body["timestamp"]


def _fill_job(job: Job, body: dict[str, Any]) -> None:
    job.description = body.get("description")
    results = {"blue": "SUCCESS", "yellow": "UNSTABLE", "red": "FAILURE", "aborted": "ABORTED"}
    colour = body.get("color", "notbuilt")
    for build in body.get("builds") or body.get("allBuilds") or [body.get("lastBuild") or {}]:
        if "number" in build:
            job.add(Build(build["number"], result=results.get(colour.removesuffix(_RUNNING), "SUCCESS")))
    if colour.endswith(_RUNNING):
        job.add(Build(max(job.builds, default=1), result=None))


def test_there_is_something_to_compare_with():
    """Filters that let nothing pass would prove nothing."""
    assert len(EXCHANGES) >= 30


@pytest.mark.parametrize("file", EXCHANGES)
def test_the_stand_in_answers_like_the_recorded_server(here: tuple[Place, str], file: Path):
    """The same status and headers, and a document of the same shape or the same page."""
    exchange, (place, url) = load(file), here
    state = state_behind(exchange)
    place.app = jenkins.create_app(state)
    request, expected = exchange["request"], exchange["response"]
    headers = dict(request["headers"])
    if expected["status"] == 401:
        headers["Authorization"] = "Basic " + base64.b64encode(b"admin:wrong").decode()
    if expected["status"] == 302:
        headers["Jenkins-Crumb"] = state.crumb
    actual = ask(url, request["method"], request["path"], headers)
    assert expected["status"] == actual.status
    wanted = {name.lower(): value for name, value in expected["headers"].items() if name not in _NOT_COMPARED}
    assert set() == wanted.keys() - actual.headers.keys()
    assert {n: wanted[n] for n in _SAME_VALUE if n in wanted} == {
        n: actual.headers[n] for n in _SAME_VALUE if n in wanted
    }
    assert _path(wanted.get("location")) == _path(actual.headers.get("location"))
    compare_bodies(expected["body"], actual.body)
    if _ZIP in request["path"] and actual.status == 200:
        compare_zip(unquote_path(request["path"])[-1].removesuffix(".zip"), actual.body)


# A cookie is given to browsers once for each session; the date is no matter of the stand-in.
_NOT_COMPARED = {"Date", "Set-Cookie", "Expires", "X-WebKit-CSP", "X-Content-Security-Policy"}
_SAME_IN_DOCUMENTS = ("fileName", "hash", "usage", "original", "keepLog", "description", "upstreamUrl", "relativePath")


def _path(url: str | None) -> str | None:
    return None if url is None else urlsplit(url).path


def compare_bodies(expected: Any, actual: bytes) -> None:
    if isinstance(expected, dict) and "_class" in expected:
        text = actual.decode()
        document = json.loads(text) if text.lstrip("{ \n").startswith('"') else eval(text, {})
        assert [] == list(differences(expected, document))
        assert {key: expected[key] for key in _SAME_IN_DOCUMENTS if key in expected} == {
            key: document[key] for key in _SAME_IN_DOCUMENTS if key in expected
        }
    elif isinstance(expected, str) and re.search("Powered by Jetty|POST is required", expected):
        assert expected.split() == actual.decode("latin-1").split()
    elif isinstance(expected, str) and "Authentication required" in expected:
        assert re.findall(r"url=\S+'/>", expected) == re.findall(r"url=\S+'/>", actual.decode())
    elif isinstance(expected, str) and not expected.lstrip().startswith("<"):
        assert expected == actual.decode()


def compare_zip(folder: str, actual: bytes) -> None:
    """Every name begins with that of the packed folder, which for all of a build is ``archive``."""
    with zipfile.ZipFile(io.BytesIO(actual)) as packed:
        assert [f"{folder}/a b.txt", f"{folder}/ü/c.txt"] == packed.namelist()
