"""The part of the Jenkins stand-in that builds answers as real ones did: triggers, the queue, logs, stop and cancel."""

import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from fakes.exchanges import ask, differences, recorded
from fakes.served import Place

from local import jenkins
from local.jenkins_queue import BuildQueue, Item, ParameterKind, ParameterOfJob, Run, Work
from local.jenkins_state import Build, JenkinsState

_SERVER = "Jetty(9.4"  # the generation that the stand-in is like
_IMITATED = {
    "GET": (
        r"/queue/(item/\d+/)?api/json",
        r"/queue/cancelItem",
        r"(/job/[^/]+)+/\d+/(logText/progressiveText|consoleText)",
        r"(/job/[^/]+)+/build",
    ),
    "POST": (
        r"(/job/[^/]+)+/(build|buildWithParameters|\d+/stop)",
        r"/queue/cancelItem",
        r"/(quietDown|cancelQuietDown)",
    ),
}
_WITH_PARAMETERS = r"(/job/[^/]+)+(/(\d+|lastBuild))?/api/json"
_SAME_VALUE = ("allow", "content-type", "content-encoding", "x-frame-options", "x-more-data", "server")
# A cookie is given to browsers once for each session; dates and lengths are no matter of the stand-in.
_NOT_COMPARED = {"Date", "Set-Cookie", "Content-Length"}


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def is_imitated(exchange: dict[str, Any]) -> bool:
    """What agents ask when they have Jenkins build, and documents of jobs and builds with parameters."""
    if "request" not in exchange:
        return False
    request, response = exchange["request"], exchange["response"]
    address = urlsplit(request["path"])
    written = json.dumps(response["body"])
    shows_parameters = re.fullmatch(_WITH_PARAMETERS, address.path) and "Parameter" in written and not address.query
    return bool(
        response["headers"].get("Server", "").startswith(_SERVER)
        and (shows_parameters or any(re.fullmatch(one, address.path) for one in _IMITATED[request["method"]]))
        and "No valid crumb" not in written
        and "matrix" not in written
    )


EXCHANGES = [param for param in recorded("jenkins/*/*.json") if is_imitated(load(param.values[0]))]  # type: ignore[attr-defined]


class Behind:
    """A Jenkins in the state in which the real one gave that answer."""

    def __init__(self, exchange: dict[str, Any]) -> None:
        self.state, self.queue = JenkinsState(), BuildQueue()
        self._body = exchange["response"]["body"]
        self._status = exchange["response"]["status"]
        self._headers = exchange["response"]["headers"]
        address = urlsplit(exchange["request"]["path"])
        parts = [unquote(part) for part in address.path.strip("/").split("/")]
        if parts[0] == "queue":
            documents = self._body.get("items", [self._body]) if isinstance(self._body, dict) else ()
            for document in documents:
                self._item(document)
        elif parts[0] == "job":
            self._job(parts[1], parts[2:], parse_qs(address.query))

    def _job(self, name: str, rest: list[str], query: dict[str, list[str]]) -> None:
        job = self.state.job(name)
        job.disabled = self._status == 409
        work = self.queue.works[name] = Work(held=True)
        if rest[0] in {"build", "buildWithParameters"}:
            names = [one for one in query if one != "delay"] or ["VERSION"]
            choices = ("right",) if self._status == 500 else ()
            wanted = rest[0] == "buildWithParameters" or self._status == 400
            work.parameters = tuple(ParameterOfJob(one, choices=choices) for one in names) if wanted else ()
        elif rest[0] == "api":
            declared = next(one["parameterDefinitions"] for one in self._body["property"] if one)
            work.parameters = tuple(_declared(one) for one in declared)
            for one in self._body["builds"]:
                self._run(name, one["number"], None if self._body["color"].endswith("_anime") else "SUCCESS")
        else:
            self._built(name, rest)

    def _built(self, name: str, rest: list[str]) -> None:
        if isinstance(self._body, dict):
            self.queue.works[name].parameters = _parameters(self._body)
            run = self._run(name, self._body["number"], self._body["result"])
            run.item.id = self._body["queueId"]
        else:
            run = self._run(name, int(rest[0]), None if "X-More-Data" in self._headers else "SUCCESS")
            run.log = self._body.replace("\r\n", "\n").encode()
            run.lines_done = 100

    def _run(self, name: str, number: int, result: str | None) -> Run:
        build = self.state.job(name).add(Build(number, result=result))
        now = self.queue.clock()
        values = {one.name: one.usual for one in self.queue.works[name].parameters}
        item = Item(1, name, values, now, now, ["anonymous"], number=number)
        run = self.queue.runs[(name, number)] = Run(item, build, self.queue.works[name], now)
        return run

    def _item(self, document: dict[str, Any]) -> None:
        name, kind = document["task"]["name"], document["_class"].partition("$")[2]
        self.state.job(name)
        self.queue.works[name] = Work(parameters=_parameters(document), held=True)
        now = time.monotonic()
        causes = next(one["causes"] for one in document["actions"] if "causes" in one)
        item = Item(
            document["id"],
            name,
            {one.name: one.usual for one in self.queue.works[name].parameters},
            ready_at=now + (60 if kind == "WaitingItem" else 0),
            since=now,
            asked_by=[cause["userName"] for cause in causes],
            is_cancelled=bool(document.get("cancelled")),
        )
        self.queue.items[item.id] = item
        if kind == "BlockedItem":
            self._run(name, 1, None)
        elif kind == "BuildableItem":
            self.queue.is_quieting = "shut down" in document["why"]
            self.queue.executors = 0
        elif document.get("executable"):
            item.number = self._run(name, document["executable"]["number"], "SUCCESS").build.number


def _parameters(document: dict[str, Any]) -> tuple[ParameterOfJob, ...]:
    found = [value for action in document["actions"] for value in action.get("parameters", ())]
    return tuple(
        ParameterOfJob(
            one["name"],
            ParameterKind(one["_class"].removeprefix("hudson.model.").removesuffix("ParameterValue")),
            str(one.get("value", "")).lower() if isinstance(one.get("value"), bool) else str(one.get("value", "")),
        )
        for one in found
    )


def _declared(definition: dict[str, Any]) -> ParameterOfJob:
    kind = ParameterKind(definition["type"].removesuffix("ParameterDefinition"))
    return ParameterOfJob(definition["name"], kind, choices=tuple(definition.get("choices", ())))


def test_there_is_something_to_compare_with() -> None:
    """Filters that let nothing pass would prove nothing."""
    assert len(EXCHANGES) >= 12


@pytest.mark.parametrize("file", EXCHANGES)
def test_the_stand_in_builds_like_the_recorded_server(here: tuple[Place, str], file: Path) -> None:
    """The same status and headers, and a document of the same shape, the same log, or a page."""
    exchange, (place, url) = load(file), here
    behind = Behind(exchange)
    place.app = jenkins.create_app(behind.state, behind.queue)
    request, expected = exchange["request"], exchange["response"]
    actual = ask(url, request["method"], request["path"], {"Jenkins-Crumb": behind.state.crumb})
    assert expected["status"] == actual.status
    wanted = {name.lower(): value for name, value in expected["headers"].items() if name not in _NOT_COMPARED}
    assert set() == wanted.keys() - actual.headers.keys()
    same = [name for name in _SAME_VALUE if name in wanted]
    assert {name: wanted[name] for name in same} == {name: actual.headers[name] for name in same}
    if "location" in wanted:
        assert _place(wanted["location"]) == _place(actual.headers["location"])
    _compare(expected["body"], actual.body)


def _place(location: str) -> str:
    """Without the number of the queue item, which is the server's to choose."""
    return re.sub(r"\d+/$", "N/", urlsplit(location).path)


def _compare(expected: Any, actual: bytes) -> None:
    if isinstance(expected, dict):
        document = json.loads(actual)
        assert [] == list(differences(expected, document))
        assert _kinds(expected) == _kinds(document)
    elif "Powered by Jetty" in expected:
        assert expected.split() == actual.decode("latin-1").split()
    elif expected.startswith("java.io.IOException"):
        assert expected.splitlines()[0] == actual.decode().splitlines()[0]
    elif "<html" not in expected:
        assert expected == actual.decode()


def _kinds(document: dict[str, Any]) -> list[tuple[str, bool]]:
    """What kinds of items there are, and which of them say why they wait."""
    return [(item["_class"], bool(item.get("why"))) for item in document.get("items", [document])]
