"""What the Jenkins stand-in holds: folders, jobs, builds with their files, users, and the faults switched on."""

import hashlib
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from local.faults import Faults


class JobKind(StrEnum):
    """The kinds of job; the value is the Java class that the real one names."""

    FREESTYLE = "hudson.model.FreeStyleProject"
    PIPELINE = "org.jenkinsci.plugins.workflow.job.WorkflowJob"
    FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
    MULTIBRANCH = "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject"

    @property
    def holds_jobs(self) -> bool:
        return self in {JobKind.FOLDER, JobKind.MULTIBRANCH}


@dataclass
class Build:
    """One build. ``timestamp`` is in milliseconds since 1970; ``result`` is None while it runs."""

    number: int
    artifacts: dict[str, bytes] = field(default_factory=dict)
    result: str | None = "SUCCESS"
    timestamp: int = 1_795_418_632_906
    branch: str | None = None
    commit: str | None = None

    @property
    def is_building(self) -> bool:
        return self.result is None

    @property
    def is_successful(self) -> bool:
        return self.result in {"SUCCESS", "UNSTABLE"}


@dataclass
class Job:
    """A job with its builds, or a folder with its jobs. A branch's job is named as Jenkins does: ``feature%2Fx``."""

    name: str
    kind: JobKind = JobKind.FREESTYLE
    description: str | None = None
    jobs: dict[str, "Job"] = field(default_factory=dict)
    builds: dict[int, Build] = field(default_factory=dict)

    def add(self, build: Build) -> Build:
        self.builds[build.number] = build
        return build

    def add_job(self, job: "Job") -> "Job":
        self.jobs[job.name] = job
        return job

    def build(self, named: str) -> Build | None:
        """The build of that number or permalink."""
        if named.isascii() and named.isdecimal():
            return self.builds.get(int(named))
        fitting = [build for build in self.builds.values() if fits_permalink(build, named)]
        return max(fitting, key=lambda build: build.number, default=None)


def fits_permalink(build: Build, permalink: str) -> bool:
    """Whether Jenkins would count the build under that permalink."""
    return {
        "lastBuild": True,
        "lastCompletedBuild": not build.is_building,
        "lastSuccessfulBuild": build.is_successful,
        "lastStableBuild": build.result == "SUCCESS",
        "lastUnstableBuild": build.result == "UNSTABLE",
        "lastFailedBuild": build.result == "FAILURE",
        "lastUnsuccessfulBuild": not build.is_building and build.result != "SUCCESS",
    }.get(permalink, False)


@dataclass
class JenkinsState:
    """All of it. Without users everybody may read; ``compresses_always`` ignores what the client accepts."""

    root: Job = field(default_factory=lambda: Job(name="", kind=JobKind.FOLDER))
    users: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    compresses_always: bool = False
    crumb: str = field(default_factory=lambda: secrets.token_hex(32))
    queue: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    @property
    def session(self) -> str:
        return hashlib.sha256(self.crumb.encode()).hexdigest()[:8]

    def job(self, path: str, kind: JobKind = JobKind.FREESTYLE) -> Job:
        """The job at ``team/webshop/main``; it and the folders above are made when they are missing."""
        *folders, name = path.split("/")
        here = self.root
        for folder in folders:
            here = here.jobs.get(folder) or here.add_job(Job(name=folder, kind=JobKind.FOLDER))
        return here.jobs.get(name) or here.add_job(Job(name=name, kind=kind))

    def knows(self, user: str, token: str) -> bool:
        return secrets.compare_digest(self.users.get(user, secrets.token_hex()).encode(), token.encode())
