"""Artifacts of Azure Pipelines, over REST: one artifact of one build, listed as the files in its zip.

Azure packs that zip anew for every download, so its bytes never repeat; the files in it do. An opened source fetches
the zip of a build at most once and keeps it in a nameless temporary file.
"""

import stat
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO
from urllib.parse import quote

import httpx2

from activities.artifact_source import (
    ArtifactNotFound,
    FileOffer,
    ResolvedVersion,
    SourceUnreachable,
    UnsafeArtifact,
)
from domain.artifact import Change, VersionOffer
from domain.connection import Connection
from domain.pipeline import AzurePipelinesSource, LatestOf
from integrations.allowance import CHUNK, Allowance, Limits
from integrations.azure_documents import (
    ChangeDocument,
    ChangesDocument,
    DefinitionDocument,
    DefinitionsDocument,
    PublishedDocument,
    RunDocument,
    RunsDocument,
    date_of,
)
from integrations.azure_server import AzureServer
from integrations.http_download import body, opened, skipping
from integrations.safe_path import safe_path

LATEST = "latest"
_MOST_FILES = 100_000
_MOST_RUNS_BETWEEN = 1000
_MOST_CHANGES = 1000
_CHANGES_VERSION = "6.0-preview.2"  # still a preview in 7.1
_GOOD = "succeeded,partiallySucceeded"
_STABLE = "succeeded"
_CONTAINER = "Container"
_PIPELINE_ARTIFACT = "PipelineArtifact"


class AzureArtifacts:
    """Implements ArtifactSource for one artifact of one pipeline. Not for use by two threads at once."""

    def __init__(self, source: AzurePipelinesSource, connection: Connection, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._server = AzureServer(connection, source.project, limits.seconds)
        self._zips: dict[str, IO[bytes]] = {}
        self.close = weakref.finalize(self, _close_all, self._server.client, self._zips)

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        run = self._run(version)
        with _read(self._zip(str(run.id)), self._what(str(run.id))) as packed:
            files = self._offers(packed)
        return ResolvedVersion(
            version=str(run.id),
            files=files,
            branch=run.branch,
            commit=run.commit,
            author=run.author,
            built_at=run.finished_at,
            url=self._page(run),
        )

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        allowance = Allowance(self._limits, locator)
        with _read(self._zip(version), self._what(version)) as packed:
            if locator not in packed.namelist():
                raise ArtifactNotFound(f"{self._what(version)} has no file {locator}")
            yield from skipping(start, allowance.over(_unpacked(packed, locator)), locator)

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:
        return tuple(
            VersionOffer(
                version=str(run.id),
                label=run.number,
                branch=run.branch,
                commit=run.commit,
                author=run.author,
                built_at=run.finished_at,
                url=self._page(run),
                tags=run.tags,
            )
            for run in self._good_runs(self._pipeline(), wanted, most)
        )

    def changes(self, since: str, until: str) -> tuple[Change, ...]:
        """Azure tells the commits between two runs, but not with which run each came: that is found by their heads."""
        pipeline = self._pipeline()
        first, last = self._named_run(pipeline, since), self._named_run(pipeline, until)
        if first.id >= last.id:
            return ()
        asked = {
            "fromBuildId": str(first.id),
            "toBuildId": str(last.id),
            "$top": str(_MOST_CHANGES),
            "api-version": _CHANGES_VERSION,
        }
        what = f"the changes between run {since} and run {until} of {pipeline.name}"
        found = self._server.get("changes", asked, ChangesDocument, what).value
        return tuple(_with_their_runs(found, last, self._runs_between(pipeline, first, last)))

    def _runs_between(self, pipeline: DefinitionDocument, first: RunDocument, last: RunDocument) -> list[RunDocument]:
        query = {"statusFilter": "completed", "queryOrder": "finishTimeDescending"} | (
            {"branchName": last.ref} if last.ref else {}
        )
        runs = self._runs(pipeline, {**query, "$top": str(_MOST_RUNS_BETWEEN)})
        return [run for run in runs if first.id < run.id < last.id]

    def _page(self, run: RunDocument) -> str:
        return f"{self._server.project}/_build/results?buildId={run.id}"

    def _what(self, run: str) -> str:
        return f"the artifact {self._source.artifact} of run {run} of {self._source.pipeline}"

    def _run(self, version: str | LatestOf) -> RunDocument:
        """The one run that is meant; raises ArtifactNotFound in words."""
        pipeline = self._pipeline()
        if isinstance(version, str) and version != LATEST:
            return _completed(self._named_run(pipeline, version))
        wanted = version if isinstance(version, LatestOf) else LatestOf()
        found = self._good_runs(pipeline, wanted, 1)
        if not found:
            raise ArtifactNotFound(f"no run of {pipeline.name} has succeeded{_condition(wanted)}")
        return found[0]

    def _good_runs(self, pipeline: DefinitionDocument, wanted: LatestOf, most: int) -> tuple[RunDocument, ...]:
        """As with Jenkins, whose builds may be unstable: what succeeded in part is good, but not stable."""
        good = _STABLE if wanted.stable else _GOOD
        query = {"statusFilter": "completed", "resultFilter": good, "queryOrder": "finishTimeDescending"}
        if wanted.branch is not None:
            query["branchName"] = wanted.branch if wanted.branch.startswith("refs/") else f"refs/heads/{wanted.branch}"
        if wanted.tags:
            query["tagFilters"] = ",".join(wanted.tags)
        return self._runs(pipeline, {**query, "$top": str(most)})

    def _named_run(self, pipeline: DefinitionDocument, version: str) -> RunDocument:
        """By the run's id, which is what is pinned, or by the number that people see."""
        if version.isascii() and version.isdecimal():
            try:
                run = self._server.get(f"builds/{version}", {}, RunDocument, f"run {version}")
            except ArtifactNotFound:
                run = None
            if run is not None and run.definition.id == pipeline.id:
                return run
        found = self._runs(pipeline, {"buildNumber": version})
        if not found:
            raise ArtifactNotFound(f"{pipeline.name} has no run {version}")
        return found[0]

    def _runs(self, pipeline: DefinitionDocument, query: Mapping[str, str]) -> tuple[RunDocument, ...]:
        asked = {"definitions": str(pipeline.id), "$top": "1", **query}
        return self._server.get("builds", asked, RunsDocument, f"the runs of {pipeline.name}").value

    def _pipeline(self) -> DefinitionDocument:
        """By name (``folder/name`` where the name alone is not unique) or by id."""
        wanted = self._source.pipeline
        if wanted.isascii() and wanted.isdecimal():
            return self._server.get(f"definitions/{wanted}", {}, DefinitionDocument, f"pipeline {wanted}")
        folder, _, name = wanted.replace("\\", "/").rpartition("/")
        what = f"the project {self._source.project}"
        found = self._server.get("definitions", {"name": name}, DefinitionsDocument, what).value
        fitting = [one for one in found if one.name.casefold() == name.casefold() and one.is_in(folder)]
        if not fitting:
            raise ArtifactNotFound(f"{what} has no pipeline {wanted}")
        if len(fitting) > 1:
            places = ", ".join(f"{one.path} (id {one.id})" for one in fitting)
            raise ArtifactNotFound(f"{what} has more than one pipeline {wanted}: {places}; name its folder, or its id")
        return fitting[0]

    def _zip(self, run: str) -> IO[bytes]:
        """The artifact as it was downloaded, once for this opened source."""
        if run not in self._zips:
            self._zips[run] = self._download(run)
        return self._zips[run]

    def _download(self, run: str) -> IO[bytes]:
        what = self._what(run)
        allowance = Allowance(self._limits, what)
        content = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as this source
        try:
            with opened(self._server.client, self._download_url(run, what), self._server.headers, what) as answer:
                for chunk in body(answer, allowance, what):
                    content.write(chunk)
            _read(content, what).close()
        except BaseException:
            content.close()
            raise
        return content

    def _download_url(self, run: str, what: str) -> str:
        """A Container's address is composed here; a PipelineArtifact's is known to Azure only, and on another host."""
        where = f"builds/{quote(run, safe='')}/artifacts"
        published = self._server.get(where, {"artifactName": self._source.artifact}, PublishedDocument, what).resource
        if published.type == _CONTAINER:
            return self._server.url(where, {"artifactName": self._source.artifact, "$format": "zip"})
        if published.type != _PIPELINE_ARTIFACT or published.download_url is None:
            raise ArtifactNotFound(f"{what} is of the type {published.type}, which cannot be downloaded")
        return published.download_url

    def _offers(self, packed: zipfile.ZipFile) -> tuple[FileOffer, ...]:
        """Plain files only, without the folder that Azure puts around them."""
        members = [member for member in packed.infolist() if not member.is_dir()]
        if len(members) > _MOST_FILES:
            raise UnsafeArtifact(f"the artifact {self._source.artifact} has more than {_MOST_FILES} files")
        if not members:
            raise ArtifactNotFound(f"the artifact {self._source.artifact} has no files")
        around = f"{self._source.artifact}/"
        drop = len(around) if all(member.filename.startswith(around) for member in members) else 0
        offers = [
            FileOffer(path=_safe_member(member)[drop:], locator=member.filename, size=member.file_size)
            for member in members
        ]
        if len({offer.path for offer in offers}) != len(offers):
            raise UnsafeArtifact(f"the artifact {self._source.artifact} has a file twice")
        return tuple(sorted(offers, key=lambda offer: offer.path))


def _close_all(client: httpx2.Client, files: dict[str, IO[bytes]]) -> None:
    client.close()
    for file in files.values():
        file.close()


def _condition(wanted: LatestOf) -> str:
    branch = f" on {wanted.branch}" if wanted.branch else ""
    return branch + (f" with the tags {', '.join(wanted.tags)}" if wanted.tags else "")


def _with_their_runs(
    changes: tuple[ChangeDocument, ...], last: RunDocument, runs: list[RunDocument]
) -> Iterator[Change]:
    """From the newest on: each commit that an earlier run was built of begins what came with that run."""
    heads = {run.commit: run for run in sorted(runs, key=lambda run: run.id, reverse=True)}
    came_with = last
    for change in changes:
        came_with = heads.get(change.id, came_with)
        yield Change(
            version=str(came_with.id),
            commit=change.id,
            message=change.message or "",
            author=change.person.name if change.person else None,
            at=date_of(change.timestamp),
            url=change.page,
        )


def _completed(run: RunDocument) -> RunDocument:
    if run.status != "completed":
        raise ArtifactNotFound(f"run {run.id} ({run.number}) has not completed")
    return run


def _read(content: IO[bytes], what: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(content)
    except zipfile.BadZipFile as error:
        raise SourceUnreachable(f"{what} did not come as a zip") from error


def _safe_member(member: zipfile.ZipInfo) -> str:
    """``orig_filename`` is the name before zipfile cuts and turns it."""
    if stat.S_ISLNK(member.external_attr >> 16) or member.flag_bits & 1:
        raise UnsafeArtifact(f"{member.filename[:200]!r} is a link, or encrypted")
    return safe_path(member.orig_filename)


def _unpacked(packed: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The zipfile module checks the CRC at the end of a member."""
    try:
        with packed.open(name) as member:
            yield from iter(lambda: member.read(CHUNK), b"")
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise SourceUnreachable(f"{name} came broken") from error
    except (NotImplementedError, RuntimeError) as error:
        raise UnsafeArtifact(f"{name} is packed in a way that is not supported") from error
