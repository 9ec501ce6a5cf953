"""Artifacts of Jenkins: a build is one request, a file is streamed and counted, nothing is trusted.

A version is the number of a build. Where the job of the source is a multibranch job, its branches count each for
itself, so there a version is ``main#142``.
"""

import weakref
from collections.abc import Iterator
from typing import NamedTuple, NoReturn, TypeVar
from urllib.parse import quote, unquote

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
from integrations.allowance import Limits
from integrations.jenkins_documents import (
    ABOUT,
    FILES,
    GOOD,
    HISTORY,
    NUMBERS,
    RECENT,
    STABLE,
    WHOLE,
    BuildDocument,
    JobDocument,
)
from integrations.jenkins_files import ArchivedFiles
from integrations.jenkins_server import JenkinsServer
from integrations.path_patterns import chosen
from integrations.safe_path import safe_path

LATEST = "latest"
_LAST_SUCCESSFUL = "lastSuccessfulBuild"
_LAST_STABLE = "lastStableBuild"
_BETWEEN = "//"  # of job and path in a locator; neither a job nor a safe path has an empty name in it
_BRANCH_END = "#"
_PAGE = 100  # builds in one answer; Jenkins reads each from its disk
_MOST_PAGES = 20
_MOST_FILES = 100_000
_LONGEST_NUMBER = 10

Kind = TypeVar("Kind", BuildDocument, JobDocument)


class _Place(NamedTuple):
    """A build: its job, and its number or a permalink. ``branch`` is given where it tells builds apart."""

    job: str
    named: str
    branch: str | None = None

    def version(self, number: int) -> str:
        return str(number) if self.branch is None else f"{self.branch}{_BRANCH_END}{number}"


class JenkinsArtifacts:
    """Implements ArtifactSource for one job. Not for use by two threads at once."""

    def __init__(self, source: JenkinsSource, connection: Connection, limits: Limits) -> None:
        self._source = source
        self._connection = connection
        self._server = JenkinsServer(connection, limits)
        self._files: dict[tuple[str, str], ArchivedFiles] = {}
        self.close = weakref.finalize(self, self._server.session.close)

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        place = self._place(version)
        found = self._build(place, WHOLE)
        where = f"build {found.number} of the job {place.job}"
        if found.building:
            raise ArtifactNotFound(f"{where} is still running")
        files, md5s = self._files_of(place.job, found), found.md5s(place.job)
        head = found.head(_last_name(place.job))
        return ResolvedVersion(
            version=place.version(found.number),
            files=tuple(
                FileOffer(path=path, locator=f"{place.job}{_BETWEEN}{path}", md5=md5s.get(path))
                for path in chosen(files.paths, self._source.paths, where)
            ),
            branch=place.branch or head.branch,
            commit=head.commit,
            author=found.author,
            built_at=found.built_at,
            url=self._build_url(place.job, found.number),
        )

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        job, _, path = locator.rpartition(_BETWEEN)
        number = _number(version.rpartition(_BRANCH_END)[2])
        files = self._files.get((job, number)) or self._files_of(job, self._build(_Place(job, number), FILES))
        yield from files.stream(safe_path(path), start)

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:
        job = self._job_of(wanted)
        # Failed ones may stand between those that are wanted.
        fields = f"builds[{RECENT}]{{0,{min(_PAGE, 3 * most + 20)}}}"
        found = self._job(job, f"name,{fields},jobs[name,{fields}]")
        builds: list[tuple[BuildDocument, str | None]] = [(build, wanted.branch) for build in found.builds]
        if found.has_branches:
            builds = [(build, unquote(inner.name)) for inner in found.jobs for build in inner.builds]
        elif found.jobs:
            self._refuse_folder(job, found)
        good = STABLE if wanted.stable else GOOD
        fitting = [(build, branch) for build, branch in builds if not build.building and build.result in good]
        fitting.sort(key=lambda one: one[0].timestamp, reverse=True)
        return tuple(self._offer(build, branch) for build, branch in fitting[:most])

    def changes(self, since: str, until: str) -> tuple[Change, ...]:
        first, last = self._place(since), self._place(until)
        if first.job != last.job:
            return ()
        after, newest = int(_number(first.named)), int(_number(last.named))
        found = dict[str, Change]()
        for build in reversed(self._history(first.job, after, newest)):
            for commit in reversed(list(build.commits())):
                if commit.id is not None and commit.id not in found:
                    found[commit.id] = Change(
                        version=last.version(build.number),
                        commit=commit.id,
                        message=commit.message or "",
                        author=commit.author_name,
                        at=commit.at,
                        url=f"{self._build_url(first.job, build.number)}changes",
                    )
        return tuple(reversed(found.values()))

    def _offer(self, build: BuildDocument, branch: str | None) -> VersionOffer:
        """``branch`` is given where it is the name of the job."""
        job = self._source.job if branch is None else self._branch_job(branch)
        head = build.head(_last_name(job))
        return VersionOffer(
            version=_Place(job, "", branch).version(build.number),
            label=f"#{build.number}",
            branch=branch or head.branch,
            commit=head.commit,
            author=build.author,
            built_at=build.built_at,
            url=self._build_url(job, build.number),
        )

    def _history(self, job: str, after: int, newest: int) -> list[BuildDocument]:
        """The builds that came after one, down from the newest; those that were discarded are not among them.

        Raises ArtifactNotFound when either end is gone.
        """
        found = list[BuildDocument]()
        missing = {after, newest}
        for page in range(_MOST_PAGES):
            asked = self._job(job, f"{NUMBERS},allBuilds[{HISTORY}]{{{page * _PAGE},{(page + 1) * _PAGE}}}")
            missing -= {build.number for build in asked.builds}
            found += [build for build in asked.builds if after < build.number <= newest]
            if not missing or len(asked.builds) < _PAGE:
                break
        for number in sorted(missing):
            raise ArtifactNotFound(self._missing(job, str(number), asked))
        return found

    def _place(self, version: str | LatestOf) -> _Place:
        if isinstance(version, LatestOf):
            named = _LAST_STABLE if version.stable else _LAST_SUCCESSFUL
            return _Place(self._job_of(version), named, version.branch)
        branch, found, number = version.rpartition(_BRANCH_END)
        if not found:
            return _Place(self._source.job, _LAST_SUCCESSFUL if version == LATEST else _number(version))
        return _Place(self._branch_job(branch), _number(number), branch)

    def _job_of(self, wanted: LatestOf) -> str:
        if wanted.tags:
            raise ArtifactNotFound("builds of Jenkins have no tags; choose by branch or number")
        return self._source.job if wanted.branch is None else self._branch_job(wanted.branch)

    def _branch_job(self, branch: str) -> str:
        """A branch is a job of the multibranch folder, its slashes quoted in its name."""
        return f"{self._source.job}/{quote(branch, safe='')}"

    def _build_url(self, job: str, number: int | str) -> str:
        return f"{self._server.job_url(job)}/{number}/"

    def _build(self, place: _Place, tree: str) -> BuildDocument:
        """One request; raises ArtifactNotFound naming the job, or the build."""
        url, what = f"{self._server.job_url(place.job)}/{place.named}", f"build {place.named} of the job {place.job}"
        try:
            answer = self._server.document(url, tree, what)
        except ArtifactNotFound:
            about = self._job(place.job, ABOUT)
            if about.has_branches or about.jobs:
                self._refuse_folder(place.job, about)
            raise ArtifactNotFound(self._missing(place.job, place.named, about)) from None
        return self._read(BuildDocument, answer)

    def _job(self, job: str, tree: str) -> JobDocument:
        what = f"the job {job}"
        return self._read(JobDocument, self._server.document(self._server.job_url(job), tree, what))

    def _read(self, kind: type[Kind], answer: object) -> Kind:
        try:
            return kind.model_validate(answer)
        except ValidationError as error:
            raise SourceUnreachable(f"{self._connection.name} does not answer as Jenkins does") from error

    def _refuse_folder(self, job: str, found: JobDocument) -> NoReturn:
        names = ", ".join(unquote(inner.name) for inner in found.jobs[:5]) or "none yet"
        if found.has_branches:
            raise ArtifactNotFound(
                f"the job {job} has branches, each with builds of its own; choose one ({names}), "
                "or a build of one, such as main#142"
            )
        raise ArtifactNotFound(f"{job} at {self._connection.name} is a folder; name a job in it ({names})")

    def _missing(self, job: str, named: str, about: JobDocument) -> str:
        where = f"the job {job} at {self._connection.name}"
        if not named.isdecimal():
            kind = "stable" if named == _LAST_STABLE else "successful"
            return f"{where} has no {kind} build{'; it is disabled' if about.disabled else ''}"
        if int(named) >= about.next_number:
            return f"{where} has no build {named}; the last one is {about.next_number - 1}"
        oldest = f"; the oldest that is left is {about.first.number}" if about.first else ""
        return (
            f"{where} has no build {named} any more: it was discarded, or deleted{oldest}. "
            "Jenkins keeps the builds that are marked to be kept for ever"
        )

    def _files_of(self, job: str, build: BuildDocument) -> ArchivedFiles:
        """Remembered, so that each file of the build costs one request."""
        number, what = str(build.number), f"build {build.number} of the job {job}"
        if len(build.artifacts) > _MOST_FILES:
            raise UnsafeArtifact(f"{what} has more than {_MOST_FILES} files")
        paths = [safe_path(file.path) for file in build.artifacts]
        url = f"{self._build_url(job, number)}artifact/"
        self._files[job, number] = ArchivedFiles(self._server, url, what, paths, self._source.paths)
        return self._files[job, number]


def _last_name(job: str) -> str:
    """Of a branch's job it is that of the branch."""
    return unquote(job.rpartition("/")[2])


def _number(version: str) -> str:
    if not (version.isascii() and version.isdecimal() and len(version) <= _LONGEST_NUMBER):
        raise ArtifactNotFound(f"{version[:100]!r} is no build number of Jenkins")
    return version
