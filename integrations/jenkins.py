"""Artifacts of Jenkins: a build is one request, a file is streamed and counted, nothing is trusted.

A version is the number of a build. Where the job of the source is a multibranch job, its branches count each for
itself, so there a version is ``main#142``.
"""

import weakref
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, unquote

import requests
from pydantic import ValidationError

from activities.artifact_source import (
    ArtifactNotFound,
    FileOffer,
    ResolvedVersion,
    SourceUnreachable,
    UnsafeArtifact,
)
from domain.artifact import Change, VersionOffer
from domain.connection import Connection
from domain.pipeline import JenkinsSource, LatestOf
from integrations.allowance import Allowance, Limits
from integrations.jenkins_body import body_from
from integrations.jenkins_documents import GOOD, HISTORY, STABLE, WHOLE, BuildDocument, JobDocument
from integrations.jenkins_server import JenkinsServer, translated
from integrations.path_patterns import chosen
from integrations.safe_path import safe_path

LATEST = "latest"
_LAST_SUCCESSFUL = "lastSuccessfulBuild"
_LAST_STABLE = "lastStableBuild"
_BETWEEN = "//"  # of job and path in a locator; neither a job nor a safe path has an empty name in it
_BRANCH_END = "#"
_PAGE = 100  # builds in one answer; Jenkins reads each from its disk
_MOST_PAGES = 20


Kind = TypeVar("Kind", BuildDocument, JobDocument)


class _Place(NamedTuple):
    """A build: its job, and its number or a permalink. ``branch`` is given where it tells builds apart."""

    job: str
    named: str
    branch: str | None

    def version(self, number: int) -> str:
        return str(number) if self.branch is None else f"{self.branch}{_BRANCH_END}{number}"


class JenkinsArtifacts:
    """Implements ArtifactSource for one job. Not for use by two threads at once."""

    def __init__(self, source: JenkinsSource, connection: Connection, limits: Limits) -> None:
        self._source = source
        self._connection = connection
        self._limits = limits
        self._server = JenkinsServer(connection)
        self._files: dict[str, frozenset[str]] = {}
        self.close = weakref.finalize(self, self._server.session.close)

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        place = self._place(version)
        found = self._build(place, WHOLE)
        where = f"build {found.number} of the job {place.job}"
        if found.building:
            raise ArtifactNotFound(f"{where} is still running")
        paths = chosen([safe_path(file.path) for file in found.artifacts], self._source.paths, where)
        return ResolvedVersion(
            version=place.version(found.number),
            files=tuple(FileOffer(path=path, locator=f"{place.job}{_BETWEEN}{path}") for path in paths),
            branch=found.branch or place.branch,
            commit=found.commit,
            author=found.author,
            built_at=found.built_at,
            url=self._build_url(place.job, found.number),
        )

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        job, _, path = locator.rpartition(_BETWEEN)
        number = _number(version.rpartition(_BRANCH_END)[2])
        what = f"{path} of build {number} of the job {job}"
        allowance = Allowance(self._limits, path)
        url = self._file_url(job, number, path)
        with translated(self._connection), closing(self._server.get(url, start)) as answer:
            if not _is_past_the_end(answer, start):
                self._server.check(answer, what)
                yield from body_from(answer, start, allowance, path)

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:
        job = self._job_of(wanted)
        fields = f"builds[{HISTORY}]{{0,{_PAGE}}}"
        found = self._job(job, f"name,{fields},jobs[name,{fields}]")
        if found.has_branches:
            builds: list[tuple[BuildDocument, str | None]] = [
                (build, unquote(inner.name)) for inner in found.jobs for build in inner.builds
            ]
        else:
            builds = [(build, wanted.branch) for build in found.builds]
        good = STABLE if wanted.stable else GOOD
        fitting = [(build, branch) for build, branch in builds if not build.building and build.result in good]
        fitting.sort(key=lambda one: one[0].timestamp, reverse=True)
        return tuple(self._offer(build, branch) for build, branch in fitting[:most])

    def changes(self, since: str, until: str) -> tuple[Change, ...]:
        first, last = self._place(since), self._place(until)
        if first.job != last.job:
            return ()
        after, newest = int(first.named), int(last.named)
        builds = self._history(first.job, after, newest)
        for missing in {after, newest} - {build.number for build in builds}:
            raise ArtifactNotFound(f"the job {first.job} at {self._connection.name} has no build {missing}")
        found = dict[str, Change]()
        for build in reversed([build for build in builds if after < build.number <= newest]):
            for commit in reversed(list(build.commits())):
                if commit.id is not None and commit.id not in found:
                    found[commit.id] = Change(
                        version=last.version(build.number),
                        commit=commit.id,
                        message=commit.message,
                        author=commit.author_name,
                        at=commit.at,
                        url=f"{self._build_url(first.job, build.number)}changes",
                    )
        return tuple(reversed(found.values()))

    def _offer(self, build: BuildDocument, branch: str | None) -> VersionOffer:
        """``branch`` is given where it is the name of the job."""
        job = self._source.job if branch is None else self._branch_job(branch)
        return VersionOffer(
            version=_Place(job, "", branch).version(build.number),
            label=f"#{build.number}",
            branch=build.branch or branch,
            commit=build.commit,
            author=build.author,
            built_at=build.built_at,
            url=self._build_url(job, build.number),
        )

    def _history(self, job: str, after: int, newest: int) -> list[BuildDocument]:
        """The builds from ``newest`` down to ``after``, both with it; those that were discarded are not among them."""
        found = list[BuildDocument]()
        for page in range(_MOST_PAGES):
            tree = f"allBuilds[{HISTORY}]{{{page * _PAGE},{(page + 1) * _PAGE}}}"
            builds = self._job(job, tree).builds
            found += [build for build in builds if after <= build.number <= newest]
            if len(builds) < _PAGE or builds[-1].number <= after:
                break
        return found

    def _place(self, version: str | LatestOf) -> _Place:
        if isinstance(version, LatestOf):
            named = _LAST_STABLE if version.stable else _LAST_SUCCESSFUL
            return _Place(self._job_of(version), named, version.branch)
        branch, found, number = version.rpartition(_BRANCH_END)
        if not found:
            return _Place(self._source.job, _LAST_SUCCESSFUL if version == LATEST else _number(version), None)
        return _Place(self._branch_job(branch), _number(number), branch)

    def _job_of(self, wanted: LatestOf) -> str:
        if wanted.tags:
            raise ArtifactNotFound("builds of Jenkins have no tags; choose by branch or number")
        return self._source.job if wanted.branch is None else self._branch_job(wanted.branch)

    def _branch_job(self, branch: str) -> str:
        """A branch is a job of the multibranch folder, its slashes quoted in its name."""
        return f"{self._source.job}/{quote(branch, safe='')}"

    def _build_url(self, job: str, number: int) -> str:
        return f"{self._server.job_url(job)}/{number}/"

    def _build(self, place: _Place, tree: str) -> BuildDocument:
        """One request; raises ArtifactNotFound naming the job, or the build."""
        try:
            answer = self._server.build(place.job, place.named, tree)
        except ArtifactNotFound:
            self._job(place.job, "name")
            if place.named.isdecimal():
                raise
            kind = "stable" if place.named == _LAST_STABLE else "successful"
            raise ArtifactNotFound(f"the job {place.job} at {self._connection.name} has no {kind} build") from None
        return self._read(BuildDocument, answer)

    def _job(self, job: str, tree: str) -> JobDocument:
        return self._read(JobDocument, self._server.document(self._server.job_url(job), tree, f"the job {job}"))

    def _read(self, kind: type[Kind], answer: Any) -> Kind:
        try:
            return kind.model_validate(answer)
        except ValidationError as error:
            raise SourceUnreachable(f"{self._connection.name} does not answer as Jenkins does") from error

    def _file_url(self, job: str, number: str, path: str) -> str:
        """Composed of the path; raises ArtifactNotFound when the build lacks the file."""
        where = f"{job}{_BETWEEN}{number}"
        if where not in self._files:
            build = self._build(_Place(job, number, None), WHOLE)
            self._files[where] = frozenset(file.path for file in build.artifacts)
        if safe_path(path) not in self._files[where]:
            raise ArtifactNotFound(f"build {number} of the job {job} has no file {path}")
        return f"{self._server.job_url(job)}/{number}/artifact/{quote(path)}"


def _number(version: str) -> str:
    if not (version.isascii() and version.isdecimal()):
        raise ArtifactNotFound(f"{version!r} is no build number of Jenkins")
    return version


def _is_past_the_end(answer: requests.Response, start: int) -> bool:
    """Whether all of the file had come already; raises UnsafeArtifact when it is shorter than that now."""
    if not start or answer.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return False
    if answer.headers.get("Content-Range") != f"bytes */{start}":
        raise UnsafeArtifact(f"the server gives other bytes than those from {start} on, which were asked for")
    return True
