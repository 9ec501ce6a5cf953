"""A Jenkins stand-in that builds, on a real socket, and what a test has to say to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fakes.served import served
from pydantic import SecretStr

from domain.connection import Connection, ConnectionKind
from integrations.jenkins_builds import JenkinsBuilds, open_builds
from local import jenkins
from local.jenkins_queue import BuildQueue, ParameterOfJob, Run, Work
from local.jenkins_state import JenkinsState

TOKEN = "jenkins-token-42"
JOB = "team/webshop/it"
MARKED = ParameterOfJob("SLIPWAY_RUN")


@dataclass
class BuildingJenkins:
    """Its state, its queue, and how it is reached."""

    url: str = ""
    state: JenkinsState = field(default_factory=lambda: JenkinsState(users={"slipway": TOKEN}))
    queue: BuildQueue = field(default_factory=BuildQueue)

    def work(self, *parameters: ParameterOfJob, job: str = JOB, **what: Any) -> Work:
        """A job that does this when it is built."""
        self.state.job(job)
        self.queue.works[job] = Work(parameters=parameters, **what)
        return self.queue.works[job]

    @property
    def connection(self) -> Connection:
        return Connection(name="ci", kind=ConnectionKind.JENKINS, url=self.url, user="slipway", token=SecretStr(TOKEN))

    def opened(self) -> JenkinsBuilds:
        return open_builds(self.connection)

    def runs(self, job: str = JOB) -> list[Run]:
        """What was built of the job, oldest first."""
        return [run for (path, _), run in self.queue.runs.items() if path == job]

    def asked(self) -> int:
        """How often a build was asked for, as far as the server saw."""
        return sum(path.endswith(("/build", "/buildWithParameters")) for path in self.state.seen)


@contextmanager
def building_jenkins() -> Iterator[BuildingJenkins]:
    """Serve one while the block runs."""
    here = BuildingJenkins()
    with served(jenkins.create_app(here.state, here.queue)) as url:
        here.url = url
        yield here
