"""What Jenkins says of its jobs and builds under ``/api``, with ``tree`` filters as Stapler applies them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from local.jenkins_state import Build, JenkinsState, Job, JobKind

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
_COLOUR = {"SUCCESS": "blue", "UNSTABLE": "yellow", "FAILURE": "red", "ABORTED": "aborted"}

Document = dict[str, object]
Tree = dict[str, "Tree | None"]


@dataclass
class Linked:
    """Another object: a few of its fields are shown, but a tree may ask for any of them."""

    document: Callable[[], Document]
    shown: tuple[str, ...]


@dataclass
class OnlyIfAsked:
    """A field that a document without a tree does not show."""

    value: object


class BadTree(ValueError):  # noqa: N818  reads as what happened
    """The ``tree`` parameter cannot be read; the real one answers 500."""


def parse_tree(text: str) -> Tree:
    """Read ``number,artifacts[*],builds[number]{0,5}``; raises BadTree."""
    tokens = re.findall(r"[^\[\],{}]+|\{\d*,?\d*\}|.", text)
    tree = _members(tokens)
    if tokens:
        raise BadTree(text)
    return tree


def _members(tokens: list[str]) -> Tree:
    found: Tree = {}
    while tokens and tokens[0] != "]":
        name = tokens.pop(0)
        if name in "[,{}":
            raise BadTree(name)
        found[name] = _inner(tokens)
        if tokens and tokens[0].startswith("{"):
            tokens.pop(0)
        if tokens and tokens[0] == ",":
            tokens.pop(0)
    return found


def _inner(tokens: list[str]) -> Tree | None:
    if not tokens or tokens[0] != "[":
        return None
    tokens.pop(0)
    inner = _members(tokens)
    if not tokens:
        raise BadTree("a bracket is not closed")
    tokens.pop(0)
    return inner


def rendered(value: object, tree: Tree | None) -> object:
    """The value as it goes over the wire: what the tree asks for, or what is shown without one."""
    if isinstance(value, Linked):
        document = value.document()
        whole = tree is None or "*" in tree
        return rendered({k: v for k, v in document.items() if k in value.shown} if whole else document, tree)
    if isinstance(value, list):
        return [rendered(item, tree) for item in value]
    if isinstance(value, dict):
        return {k: rendered(v, (tree or {}).get(k)) for k, v in value.items() if _is_wanted(k, v, tree)}
    return rendered(value.value, tree) if isinstance(value, OnlyIfAsked) else value


def _is_wanted(key: str, value: object, tree: Tree | None) -> bool:
    if tree is not None and key in tree:
        return True
    return key == "_class" or (not isinstance(value, OnlyIfAsked) and (tree is None or "*" in tree))


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
            "buildable": True,
            "builds": builds,
            "allBuilds": OnlyIfAsked(builds),
            "color": _colour(job),
            "firstBuild": self._link_to_build(newest_first[-1], job, above) if newest_first else None,
            "healthReport": [],
            "inQueue": False,
            "keepDependencies": False,
            **{name: self._permalink(name, job, above) for name in _PERMALINKS},
            "nextBuildNumber": max(job.builds, default=0) + 1,
            "property": [],
            "queueItem": None,
            "concurrentBuild": False,
            "disabled": False,
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
            "description": None,
            "displayName": f"#{build.number}",
            "duration": 0 if build.is_building else 6253,
            "estimatedDuration": 6253,
            "executor": {} if build.is_building else None,
            "fullDisplayName": f"{' » '.join((*above, job.name))} #{build.number}",
            "id": str(build.number),
            "keepLog": False,
            "number": build.number,
            "queueId": build.number,
            "result": build.result,
            "timestamp": build.timestamp,
            "url": f"{self._job_url((*above, job.name))}{build.number}/",
            "builtOn": "",
            "changeSet": {"_class": "hudson.scm.EmptyChangeLogSet", "items": [], "kind": None},
            "culprits": [],
        }

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
    return colour + ("_anime" if running else "")


def _actions(build: Build) -> list[Document]:
    """Among them empty objects, as in the real one."""
    cause = {
        "_class": "hudson.model.Cause$UserIdCause",
        "shortDescription": "Started by user anonymous",
        "userId": None,
        "userName": "anonymous",
    }
    actions: list[Document] = [{"_class": "hudson.model.CauseAction", "causes": [cause]}, {}]
    if build.commit is None:
        return actions
    revision = {"SHA1": build.commit, "branch": [{"SHA1": build.commit, "name": f"origin/{build.branch or 'main'}"}]}
    git = {"_class": "hudson.plugins.git.util.BuildData", "buildsByBranchName": {}, "lastBuiltRevision": revision}
    return [*actions, {**git, "remoteUrls": ["https://git.example/webshop.git"], "scmName": ""}]


def _artifact(path: str) -> Document:
    name = path.rsplit("/", 1)[-1]
    return {"displayPath": name, "fileName": name, "relativePath": path}
