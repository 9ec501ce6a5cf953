"""A page of the Jenkins stand-in that builds the web shop once more and tells the installation, as Jenkins would.

The installation says at every start where to tell it, and how many builds there have been: those are built again, byte
for byte, so that what was released of them is still there.
"""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from local.api_client import ApiClient
from local.demo_builds import TOKEN, USER, webshop_files
from local.jenkins_state import Build, Commit, JenkinsState, Job
from local.pages import page
from local.programs import url
from local.state_folder import Memory
from local.trouble import Trouble

PATH = "/new-build"
JOB = "team/webshop/main"
AUTHOR = "Rita Rivers"
HOOK = "ci"
_MOST_AGAIN = 500
_CREDENTIALS = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()


class Listener(BaseModel):
    """Who is told of new builds, and the last build that there was before."""

    url: str
    secret: str
    last: int = Field(default=0, ge=0)


@dataclass
class _NewBuilds:
    job: Job
    listener: Listener | None = None
    told: str = ""

    async def show(self, request: Request) -> Response:  # noqa: ARG002  Starlette gives it
        return page("new_build.html", job=JOB, number=self.job.last_number, told=self.told)

    async def build(self, request: Request) -> Response:  # noqa: ARG002  Starlette gives it
        """One more, told at once."""
        number = self._add()
        self.told = await self._tell(number)
        return RedirectResponse(PATH, HTTPStatus.SEE_OTHER)

    async def listen(self, request: Request) -> Response:
        """Only for who knows what no page of a browser could send here."""
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), _CREDENTIALS.encode()):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        self.listener = Listener.model_validate_json(await request.body())
        for _ in range(min(self.listener.last - self.job.last_number, _MOST_AGAIN)):
            self._add()
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _add(self) -> int:
        number = self.job.last_number + 1
        now = int(time.time() * 1000)
        sha = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
        commit = Commit(sha, f"Everything must go, part {number - 142}", AUTHOR, now)
        built = Build(number, webshop_files(number), branch="main", commit=sha, commits=[commit], timestamp=now)
        built.is_fingerprinted = True
        self.job.add(built)
        return number

    async def _tell(self, number: int) -> str:
        if self.listener is None:
            return f"Build #{number} is there. Nobody listens."
        try:
            async with httpx2.AsyncClient(timeout=10.0, trust_env=False) as client:
                answer = await client.post(
                    self.listener.url, params={"secret": self.listener.secret}, json=notification(number)
                )
            said = answer.json().get("message") or answer.json().get("detail")
        except (httpx2.TransportError, ValueError) as error:
            said = f"no answer ({type(error).__name__})"
        return f"Build #{number} is there, and Slipway was told: {said}."


def notification(number: int) -> dict[str, Any]:
    """As the notification plugin tells that a build is over."""
    path = f"job/{JOB.replace('/', '/job/')}/"
    scm = {"branch": "origin/main", "culprits": [AUTHOR]}
    build = {"number": number, "phase": "FINALIZED", "status": "SUCCESS", "url": f"{path}{number}/", "scm": scm}
    return {"name": "main", "url": path, "build": build}


def with_new_builds(jenkins: ASGIApp, state: JenkinsState) -> ASGIApp:
    """The stand-in with one more page."""
    builds = _NewBuilds(state.job(JOB))
    return Starlette(
        routes=[
            Route(PATH, builds.show, methods=["GET"]),
            Route(PATH, builds.build, methods=["POST"]),
            Route(PATH, builds.listen, methods=["PUT"]),
            Mount("/", jenkins),
        ]
    )


async def make_hook(api: ApiClient) -> str:
    """The secret of a new hook for the stand-in's builds, instead of one whose secret was lost."""
    if any(hook["name"] == HOOK for hook in await api.get("/hooks")):
        await api.delete(f"/hooks/{HOOK}")
    made = await api.post("/hooks", {"name": HOOK, "kind": "jenkins", "connection": "ci"})
    return str(made["secret"])


async def arm(api: ApiClient, memory: Memory, pipeline: str) -> None:
    """Let the stand-in tell this installation of new builds. Raises Trouble."""
    known = await api.get(f"/pipelines/{pipeline}/triggers?limit=200")
    numbers = [int(event["version"]) for event in known.get("events", []) if event["version"].isdecimal()]
    hook = f"{memory.api_url}/api/v1/hooks/{HOOK}"
    listener = Listener(url=hook, secret=memory.hook_secret, last=max(numbers, default=0))
    where = f"{url(memory.ports['jenkins'])}{PATH}"
    try:
        async with httpx2.AsyncClient(timeout=10.0, trust_env=False) as client:
            headers = {"Authorization": _CREDENTIALS}
            answer = await client.put(where, content=listener.model_dump_json(), headers=headers)
    except httpx2.TransportError as error:
        raise Trouble(f"the Jenkins stand-in does not answer: {error or type(error).__name__}") from error
    if not answer.is_success:
        raise Trouble(f"the Jenkins stand-in answered {answer.status_code} to {where}")
