"""What the Jenkins stand-in holds: folders, jobs, builds with their files, users, and the faults switched on."""

import hashlib
import secrets
from collections.abc import Iterator
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
class Commit:
    """A change in version control. ``timestamp`` is in milliseconds since 1970."""

    id: str
    message: str = ""
    author: str = "Rita Rivers"
    timestamp: int = 1_795_418_000_000


@dataclass
class Build:
    """One build. ``timestamp`` is in milliseconds since 1970; ``result`` is None while it runs.

    ``fingerprints`` are the MD5s that were recorded, by the name of the file; ``is_fingerprinted`` records those of
    all archived files. A build that is ``kept`` is never discarded. ``upstream`` is the job and build that began it.
    """

    number: int
    artifacts: dict[str, bytes] = field(default_factory=dict)
    result: str | None = "SUCCESS"
    timestamp: int = 1_795_418_632_906
    branch: str | None = None
    commit: str | None = None
    commits: list[Commit] = field(default_factory=list)
    description: str | None = None
    kept: bool = False
    upstream: tuple[str, int] | None = None
    is_fingerprinted: bool = False
    fingerprints: dict[str, str] = field(default_factory=dict)

    @property
    def recorded(self) -> dict[str, str]:
        """MD5s by the name of the file, without its folders."""
        own = self.artifacts if self.is_fingerprinted else {}
        return {path.rpartition("/")[2]: _md5(content) for path, content in own.items()} | self.fingerprints

    @property
    def is_building(self) -> bool:
        return self.result is None

    @property
    def is_successful(self) -> bool:
        return self.result in {"SUCCESS", "UNSTABLE"}


@dataclass
class Job:
    """A job with its builds, or a folder with its jobs. A branch's job is named as Jenkins does: ``feature%2Fx``.

    Whoever it is ``hidden_from`` is told that it does not exist; whoever it is ``denied_to`` is told no, and whoever
    its ``files_denied_to`` is told so of archived files. Anonymous is ``anonymous``.
    """

    name: str
    kind: JobKind = JobKind.FREESTYLE
    description: str | None = None
    jobs: dict[str, "Job"] = field(default_factory=dict)
    builds: dict[int, Build] = field(default_factory=dict)
    disabled: bool = False
    hidden_from: set[str] = field(default_factory=set)
    denied_to: set[str] = field(default_factory=set)
    files_denied_to: set[str] = field(default_factory=set)
    last_number: int = 0

    def add(self, build: Build) -> Build:
        self.builds[build.number] = build
        self.last_number = max(self.last_number, build.number)
        return build

    def discard(self, most: int) -> None:
        """Keep the newest ones and those that are kept for ever, as a discarder of old builds does."""
        for number in sorted(self.builds)[:-most]:
            if not self.builds[number].kept:
                del self.builds[number]

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


def _below(folder: Job, above: str) -> Iterator[tuple[str, Job]]:
    for job in folder.jobs.values():
        if job.kind.holds_jobs:
            yield from _below(job, f"{above}{job.name}/")
        else:
            yield f"{above}{job.name}", job


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass
class JenkinsState:
    """All of it. Without users everybody may read, and with ``anonymous_reads``.

    ``compresses_always`` ignores what the client accepts; without ``knows_ranges`` all of a file comes, whatever was
    asked, as through some proxies.
    """

    root: Job = field(default_factory=lambda: Job(name="", kind=JobKind.FOLDER))
    users: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    compresses_always: bool = False
    anonymous_reads: bool = False
    knows_ranges: bool = True
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

    def rename(self, path: str, new: str) -> None:
        """The job goes on under another name, in the same folder."""
        above, _, old = path.rpartition("/")
        folder = self.job(above) if above else self.root
        job = folder.jobs.pop(old)
        job.name = new
        folder.add_job(job)

    def all_jobs(self) -> Iterator[tuple[str, Job]]:
        """Everything that has builds, by its path."""
        yield from _below(self.root, "")

    def knows(self, user: str, token: str) -> bool:
        return secrets.compare_digest(self.users.get(user, secrets.token_hex()).encode(), token.encode())
