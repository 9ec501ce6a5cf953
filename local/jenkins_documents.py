"""What Jenkins says of its jobs, builds and fingerprints under ``/api``."""

from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote

from local.jenkins_state import Build, Commit, JenkinsState, Job, JobKind
from local.jenkins_tree import Document, Linked, OnlyIfAsked

_PERMALINKS = (
    "lastBuild",
    "lastCompletedBuild",
    "lastFailedBuild",
    "lastStableBuild",
    "lastSuccessfulBuild",
    "lastUnstableBuild",
    "lastUnsuccessfulBuild",
)
_BUILD_CLASS = {
    JobKind.FREESTYLE: "hudson.model.FreeStyleBuild",
    JobKind.PIPELINE: "org.jenkinsci.plugins.workflow.job.WorkflowRun",
}
_NEWEST_BUILDS = 100  # more of them show only in allBuilds
_COLOUR = {"SUCCESS": "blue", "UNSTABLE": "yellow", "FAILURE": "red", "ABORTED": "aborted"}


class _Sight(NamedTuple):
    """A file that a build recorded. ``job`` is the path of its job."""

    job: str
    build: Build
    file_name: str


class Documents:
    """Documents of one Jenkins reached at ``base`` (no slash at the end)."""

    def __init__(self, state: JenkinsState, base: str) -> None:
        self._state = state
        self._base = base

    def root(self) -> Document:
        view = {"_class": "hudson.model.AllView", "name": "all", "url": f"{self._base}/"}
        return {
            "_class": "hudson.model.Hudson",
            "assignedLabels": [{"name": "master"}],
            "mode": "NORMAL",
            "nodeDescription": "the master Jenkins node",
            "nodeName": "",
            "numExecutors": 2,
            "description": None,
            "jobs": [self._link_to_job(job, ()) for job in self._state.root.jobs.values()],
            "overallLoad": {},
            "primaryView": view,
            "quietingDown": False,
            "slaveAgentPort": -1,
            "unlabeledLoad": {"_class": "jenkins.model.UnlabeledLoadStatistics"},
            "url": f"{self._base}/",
            "useCrumbs": True,
            "useSecurity": bool(self._state.users),
            "views": [view],
        }

    def job(self, job: Job, above: tuple[str, ...]) -> Document:
        """``above`` names the folders over the job."""
        named: Document = {
            "_class": job.kind.value,
            "actions": [{}],
            "description": job.description,
            "displayName": job.name,
            "displayNameOrNull": None,
            "fullDisplayName": " » ".join((*above, job.name)),
            "fullName": "/".join((*above, job.name)),
            "name": job.name,
            "url": self._job_url((*above, job.name)),
        }
        return {**named, **(self._folder(job, above) if job.kind.holds_jobs else self._buildable(job, above))}

    def _folder(self, job: Job, above: tuple[str, ...]) -> Document:
        url = self._job_url((*above, job.name))
        view = {"_class": "hudson.model.AllView", "name": "all", "url": url}
        jobs = [self._link_to_job(inner, (*above, job.name)) for inner in job.jobs.values()]
        return {"healthReport": [], "jobs": jobs, "primaryView": view, "views": [view]}

    def _buildable(self, job: Job, above: tuple[str, ...]) -> Document:
        newest_first = sorted(job.builds.values(), key=lambda build: -build.number)
        builds = [self._link_to_build(build, job, above) for build in newest_first]
        return {
            "buildable": not job.disabled,
            "builds": builds[:_NEWEST_BUILDS],
            "allBuilds": OnlyIfAsked(lambda: builds),
            "color": _colour(job),
            "firstBuild": self._link_to_build(newest_first[-1], job, above) if newest_first else None,
            "healthReport": [],
            "inQueue": False,
            "keepDependencies": False,
            **{name: self._permalink(name, job, above) for name in _PERMALINKS},
            "nextBuildNumber": job.last_number + 1,
            "property": [],
            "queueItem": None,
            "concurrentBuild": False,
            "disabled": job.disabled,
            "downstreamProjects": [],
            "labelExpression": None,
            "scm": {"_class": "hudson.scm.NullSCM"},
            "upstreamProjects": [],
        }

    def build(self, build: Build, job: Job, above: tuple[str, ...]) -> Document:
        return {
            "_class": _BUILD_CLASS[job.kind],
            "actions": _actions(build),
            "artifacts": [_artifact(path) for path in build.artifacts],
            "building": build.is_building,
            "description": build.description,
            "displayName": f"#{build.number}",
            "duration": 0 if build.is_building else 6253,
            "estimatedDuration": 6253,
            "executor": {} if build.is_building else None,
            "fingerprint": OnlyIfAsked(lambda: self._fingerprints(build)),
            "fullDisplayName": f"{' » '.join((*above, job.name))} #{build.number}",
            "id": str(build.number),
            "keepLog": build.kept,
            "number": build.number,
            "queueId": build.number,
            "result": build.result,
            "timestamp": build.timestamp,
            "url": f"{self._job_url((*above, job.name))}{build.number}/",
            **_changes(build, job.kind),
            "culprits": [self._person(name) for name in dict.fromkeys(commit.author for commit in build.commits)],
        }

    def fingerprint(self, md5: str) -> Document | None:
        """Where a file was seen; None when it never was. It comes from the build that recorded it first."""
        seen = self._seen.get(md5)
        if seen is None:
            return None
        first = min(seen, key=lambda one: (one.build.timestamp, one.build.number))
        jobs = dict.fromkeys(one.job for one in seen)
        return {
            "_class": "hudson.model.Fingerprint",
            "fileName": first.file_name,
            "hash": md5,
            "original": {"name": first.job, "number": first.build.number},
            "timestamp": first.build.timestamp,
            "usage": [_usage(job, [one.build.number for one in seen if one.job == job]) for job in jobs],
        }

    def _fingerprints(self, build: Build) -> list[Document]:
        """As they stand in a build: without their class."""
        found = (self.fingerprint(md5) or {} for md5 in build.recorded.values())
        return [{key: value for key, value in document.items() if key != "_class"} for document in found]

    @cached_property
    def _seen(self) -> dict[str, list[_Sight]]:
        """Every build that recorded a file, by the file's MD5."""
        found = dict[str, list[_Sight]]()
        for job, held in self._state.all_jobs():
            for build in held.builds.values():
                for file_name, md5 in build.recorded.items():
                    found.setdefault(md5, []).append(_Sight(job, build, file_name))
        return found

    def _person(self, name: str) -> Document:
        return {"absoluteUrl": f"{self._base}/user/{quote(name.lower(), safe='')}", "fullName": name}

    def _permalink(self, name: str, job: Job, above: tuple[str, ...]) -> Linked | None:
        build = job.build(name)
        return self._link_to_build(build, job, above) if build else None

    def _link_to_build(self, build: Build, job: Job, above: tuple[str, ...]) -> Linked:
        return Linked(lambda: self.build(build, job, above), ("_class", "number", "url"))

    def _link_to_job(self, job: Job, above: tuple[str, ...]) -> Linked:
        return Linked(lambda: self.job(job, above), ("_class", "name", "url", "color"))

    def _job_url(self, names: tuple[str, ...]) -> str:
        return self._base + "".join(f"/job/{quote(name, safe='')}" for name in names) + "/"


def _colour(job: Job) -> str:
    if not job.builds:
        return "notbuilt"
    completed = job.build("lastCompletedBuild")
    running = job.builds[max(job.builds)].is_building
    colour = _COLOUR.get(completed.result or "", "notbuilt") if completed else "notbuilt"
    colour = "disabled" if job.disabled else colour
    return colour + ("_anime" if running else "")


def _actions(build: Build) -> list[Document]:
    """Among them empty objects, as in the real one."""
    actions: list[Document] = [{"_class": "hudson.model.CauseAction", "causes": [_cause(build)]}, {}]
    if build.commit is None:
        return actions
    revision = {"SHA1": build.commit, "branch": [{"SHA1": build.commit, "name": f"origin/{build.branch or 'main'}"}]}
    git = {"_class": "hudson.plugins.git.util.BuildData", "buildsByBranchName": {}, "lastBuiltRevision": revision}
    return [*actions, {**git, "remoteUrls": ["https://git.example/webshop.git"], "scmName": ""}]


def _cause(build: Build) -> Document:
    if build.upstream is None:
        return {
            "_class": "hudson.model.Cause$UserIdCause",
            "shortDescription": "Started by user anonymous",
            "userId": None,
            "userName": "anonymous",
        }
    job, number = build.upstream
    return {
        "_class": "hudson.model.Cause$UpstreamCause",
        "shortDescription": f'Started by upstream project "{job}" build number {number}',
        "upstreamBuild": number,
        "upstreamProject": job,
        "upstreamUrl": "".join(f"job/{quote(name, safe='')}/" for name in job.split("/")),
    }


def _changes(build: Build, kind: JobKind) -> Document:
    """One set for a freestyle build, and a list of them for that of a pipeline."""
    items = [_commit(commit) for commit in build.commits]
    found: Document = {"_class": "hudson.plugins.git.GitChangeSetList", "items": items, "kind": "git"}
    if kind == JobKind.PIPELINE:
        return {"changeSets": [found] if items else []}
    none: Document = {"_class": "hudson.scm.EmptyChangeLogSet", "items": [], "kind": None}
    return {"builtOn": "", "changeSet": found if items else none}


def _commit(commit: Commit) -> Document:
    at = datetime.fromtimestamp(commit.timestamp / 1000, UTC)
    name = commit.author.lower().replace(" ", ".")
    return {
        "_class": "hudson.plugins.git.GitChangeSet",
        "affectedPaths": [],
        "commitId": commit.id,
        "timestamp": commit.timestamp,
        "author": {"absoluteUrl": f"user/{name}", "fullName": commit.author},
        "authorEmail": f"{name}@example.com",
        "comment": f"{commit.message}\n",
        "date": at.strftime("%Y-%m-%d %H:%M:%S %z"),
        "id": commit.id,
        "msg": commit.message.partition("\n")[0],
        "paths": [],
    }


def _usage(job: str, numbers: list[int]) -> Document:
    """Numbers in a row are one range, whose end is the first that is not in it."""
    ranges = list[dict[str, int]]()
    for number in sorted(set(numbers)):
        if ranges and ranges[-1]["end"] == number:
            ranges[-1]["end"] = number + 1
        else:
            ranges.append({"end": number + 1, "start": number})
    return {"name": job, "ranges": {"ranges": ranges}}


def _artifact(path: str) -> Document:
    name = path.rsplit("/", 1)[-1]
    return {"displayPath": name, "fileName": name, "relativePath": path}
