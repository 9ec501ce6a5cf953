"""Artifacts of Azure Pipelines, over REST: the files of one artifact of one build."""

import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from urllib.parse import quote

from activities.artifact_source import (
    ArtifactNotFound,
    FileOffer,
    ResolvedVersion,
)
from domain.artifact import Change, VersionOffer
from domain.connection import Connection
from domain.pipeline import AzurePipelinesSource, LatestOf
from integrations.allowance import Allowance, Limits
from integrations.azure_documents import (
    ChangeDocument,
    ChangesDocument,
    DefinitionDocument,
    DefinitionsDocument,
    PublishedDocument,
    PublishedListDocument,
    RunDocument,
    RunsDocument,
    date_of,
)
from integrations.azure_manifest import ManifestContent
from integrations.azure_server import AzureServer
from integrations.guarded_addresses import AllowedHosts
from integrations.http_download import body, opened
from integrations.path_patterns import chosen
from integrations.zipped_content import ZippedContent

LATEST = "latest"
_MOST_RUNS_BETWEEN = 1000
_MOST_CHANGES = 1000
_CHANGES_VERSION = "6.0-preview.2"  # still a preview in 7.1
_GOOD = "succeeded,partiallySucceeded"
_STABLE = "succeeded"
_CONTAINER = "Container"
_PIPELINE_ARTIFACT = "PipelineArtifact"


Content = ManifestContent | ZippedContent


class AzureArtifacts:
    """Implements ArtifactSource for one artifact of one pipeline. Not for use by two threads at once."""

    def __init__(
        self, source: AzurePipelinesSource, connection: Connection, limits: Limits, allowed: AllowedHosts
    ) -> None:
        self._source = source
        self._limits = limits
        self._server = AzureServer(connection, source.project, limits.seconds, allowed)
        self._contents: dict[str, Content] = {}
        self.close = weakref.finalize(self, self._server.client.close)

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        run = self._run(version)
        what, sizes = self._what(str(run.id)), self._content(str(run.id)).sizes()
        paths = chosen(sorted(sizes), self._source.paths, what)
        return ResolvedVersion(
            version=str(run.id),
            files=tuple(FileOffer(path=path, locator=path, size=sizes[path]) for path in paths),
            branch=run.branch,
            commit=run.commit,
            author=run.author,
            built_at=run.finished_at,
            url=self._page(run),
        )

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        yield from Allowance(self._limits, locator).over(self._content(version).stream(locator, start))

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

    def _content(self, run: str) -> Content:
        """The files of the artifact; what Azure says of it is asked once for this opened source."""
        if run not in self._contents:
            self._contents[run] = self._find_content(run)
        return self._contents[run]

    def _find_content(self, run: str) -> Content:
        """Of a pipeline artifact each file comes for itself, where the server can do that; else it comes as a zip."""
        what, where = self._what(run), f"builds/{quote(run, safe='')}/artifacts"
        resource = self._published(run, where).resource
        url = resource.download_url
        if resource.type == _CONTAINER:
            # Composed here: what answers say is Azure's own idea of its address, and may be missing.
            url = self._server.url(where, {"artifactName": self._source.artifact, "$format": "zip"})
        elif resource.type == _PIPELINE_ARTIFACT and resource.data is not None:
            listed = ManifestContent(self._server, self._limits, what, (run, self._source.artifact))
            if listed.read(resource.data):
                return listed
        if url is None or resource.type not in {_CONTAINER, _PIPELINE_ARTIFACT}:
            raise ArtifactNotFound(
                f"{what} is of the type {resource.type}, which cannot be downloaded; publish it as a pipeline artifact"
            )
        key = (self._server.connection, self._source.project, self._source.artifact, run)
        # Without a reference to this source, which would keep the zip from going when the source goes.
        download = partial(_download, self._server, self._limits, url, what)
        return ZippedContent(what, self._source.artifact, key, download)

    def _published(self, run: str, where: str) -> PublishedDocument:
        """What the run published under the name; raises ArtifactNotFound with the names that there are."""
        name, what = self._source.artifact, self._what(run)
        try:
            return self._server.get(where, {"artifactName": name}, PublishedDocument, what)
        except ArtifactNotFound as missing:
            others = self._server.get(where, {}, PublishedListDocument, f"the artifacts of run {run}").value
            if any(one.name == name for one in others):
                raise
            there_is = ", ".join(one.name for one in others) or "none"
            raise ArtifactNotFound(f"{missing}; there is {there_is}") from None


def _download(server: AzureServer, limits: Limits, url: str, what: str) -> Iterator[bytes]:
    with opened(server.client, url, server.headers, what) as answer:
        yield from body(answer, Allowance(limits, what), what)


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
    if run.deleted:
        raise ArtifactNotFound(f"run {run.id} ({run.number}) was deleted in Azure DevOps")
    return run
