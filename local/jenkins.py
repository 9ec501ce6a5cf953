"""A stand-in for Jenkins: jobs, builds and archived files over HTTP, with the real one's headers, errors and habits."""

from collections.abc import Iterator
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.faults import FaultyApp
from local.jenkins_answers import (
    ANONYMOUS,
    Call,
    Part,
    Place,
    denied,
    document,
    empty,
    error,
    is_api,
    oops,
    post_required,
    with_slash,
)
from local.jenkins_documents import Documents
from local.jenkins_files import artifact
from local.jenkins_state import Build, JenkinsState, Job
from local.jenkins_tree import Document
from local.pages import page


def create_app(state: JenkinsState, *parts: Part) -> ASGIApp:
    """The stand-in as an ASGI application; change ``state`` at any time. ``parts`` are asked first."""
    stand_in = _Jenkins(state, (*parts, _Queue()))
    route = Route("/{path:path}", stand_in.answer, methods=["GET", "HEAD", "POST"])
    return FaultyApp(Starlette(routes=[route]), state.faults)


class _Jenkins:
    """Answers requests from the state."""

    def __init__(self, state: JenkinsState, parts: tuple[Part, ...]) -> None:
        self._state = state
        self._parts = parts

    async def answer(self, request: Request) -> Response:
        self._state.seen.append(request.scope["raw_path"].decode())
        call = Call(self._state, request, await request.body())
        if call.segments == [""]:
            return page("jenkins.html", jobs=list(_jobs_with_builds(self._state.all_jobs())))
        refused = _refusal(call)
        if refused is not None:
            return refused
        answers = (part.answer(call) for part in self._parts)
        found = next((answer for answer in answers if answer is not None), None)
        return found or _change(call) if call.is_post else found or _shown(call)


def _refusal(call: Call) -> Response | None:
    """The answer to a caller who may not come in, posts without a crumb, or may not have what is asked."""
    sent = call.credentials
    if sent is not None and not call.state.knows(*sent):
        realm = {"WWW-Authenticate": 'Basic realm="Jenkins"'}
        return error(call, 401, f"Invalid password/token for user: {sent[0]}", realm)
    if sent is None and call.state.users and not call.state.anonymous_reads:
        return denied(call, "Overall/Read")
    if call.is_post and sent is None and call.request.headers.get("Jenkins-Crumb") != call.state.crumb:
        return error(call, 403, "No valid crumb was included in the request")
    place = call.place()
    if place.job is None:
        return None
    if call.user in place.job.denied_to:
        return denied(call, "Job/Read")
    is_file = place.rest[1:2] == ["artifact"]
    return denied(call, "Run/Artifacts") if is_file and call.user in place.job.files_denied_to else None


def _shown(call: Call) -> Response:
    documents = Documents(call.state, call.base)
    if is_api(call.segments):
        return document(call, documents.root())
    if is_api(call.segments[1:]) and call.segments[0] in {"whoAmI", "crumbIssuer"}:
        return document(call, _who_am_i(call) if call.segments[0] == "whoAmI" else _crumb(call))
    if call.segments[0] == "fingerprint" and is_api(call.segments[2:]):
        found = documents.fingerprint(call.segments[1])
        return document(call, found) if found else error(call, 404, "Not Found")
    place = call.place()
    return error(call, 404, "Not Found") if place.job is None else _in_job(call, documents, place, place.job)


def _in_job(call: Call, documents: Documents, place: Place, job: Job) -> Response:
    rest = place.rest
    if not rest:
        return with_slash(call)
    if rest == [""]:
        return page("jenkins.html", jobs=list(_jobs_with_builds([(place.path, job)])))
    if is_api(rest):
        return document(call, documents.job(job, place.above))
    build = job.build(rest[0])
    return error(call, 404, "Not Found") if build is None else _in_build(call, documents, place, job, build)


def _in_build(call: Call, documents: Documents, place: Place, job: Job, build: Build) -> Response:
    rest = place.rest[1:]
    if not rest:
        return with_slash(call)
    if is_api(rest):
        return document(call, documents.build(build, job, place.above))
    return artifact(call, build, rest[1:]) if rest[0] == "artifact" else error(call, 404, "Not Found")


def _change(call: Call) -> Response:
    """What people change by hand: whether a job is enabled, and whether a build is kept, described, or there at all."""
    place = call.place()
    if place.job is None:
        return error(call, 404, "Not Found")
    match place.rest:
        case ["confirmRename"]:
            return _renamed(call, place)
        case ["disable" | "enable" as word]:
            place.job.disabled = word == "disable"
            return empty(302, call.above(1))
        case [named, "toggleLogKeep" | "submitDescription" | "doDelete" as word]:
            build = place.job.build(named)
            if build is not None:
                return _change_of_build(call, place.job, build, word)
    return error(call, 404, "Not Found")


def _renamed(call: Call, place: Place) -> Response:
    """Nothing leads from the old name to the new one afterwards."""
    new = call.parameters["newName"]
    call.state.rename(place.path, new)
    return empty(302, f"{call.above(2)}{quote(new, safe='')}")


def _change_of_build(call: Call, job: Job, build: Build, word: str) -> Response:
    if word == "doDelete":
        del job.builds[build.number]
    elif word == "toggleLogKeep":
        build.kept = not build.kept
    else:
        build.description = call.parameters.get("description")
    return empty(302, call.above(2 if word == "doDelete" else 1))


class _Queue:
    """Only the queueing of a build; nothing is built."""

    def answer(self, call: Call) -> Response | None:
        if call.segments == ["queue", "cancelItem"] and not call.is_post:
            return post_required("hudson.model.Queue.doCancelItem")
        place = call.place()
        if place.job is None or place.rest not in (["build"], ["buildWithParameters"]):
            return None
        if not call.is_post:
            return oops(call, 405, "You must use POST method to trigger builds.")
        call.state.queue.append("/".join(call.segments))
        return empty(201, f"{call.base}/queue/item/{len(call.state.queue)}/")


def _who_am_i(call: Call) -> Document:
    is_anonymous = call.user == ANONYMOUS
    return {
        "_class": "hudson.security.WhoAmI",
        "anonymous": is_anonymous,
        "authenticated": True,
        "authorities": [ANONYMOUS if is_anonymous else "authenticated"],
        "name": call.user,
    }


def _crumb(call: Call) -> Document:
    return {
        "_class": "hudson.security.csrf.DefaultCrumbIssuer",
        "crumb": call.state.crumb,
        "crumbRequestField": "Jenkins-Crumb",
    }


def _jobs_with_builds(jobs: Iterator[tuple[str, Job]] | list[tuple[str, Job]]) -> Iterator[tuple[str, list[Build]]]:
    for path, job in jobs:
        yield path, [job.builds[number] for number in sorted(job.builds, reverse=True)]
