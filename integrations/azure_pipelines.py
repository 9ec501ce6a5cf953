"""Artifacts of Azure Pipelines, over REST: one artifact of one build, listed as the files in its zip.

Azure packs that zip anew for every download, so its bytes never repeat; the files in it do. An opened source fetches
the zip of a build at most once and keeps it in a nameless temporary file.
"""

import base64
import stat
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import IO, TypeVar
from urllib.parse import quote, urlencode

import httpx2
from pydantic import Field, ValidationError

from activities.artifact_source import (
    ArtifactNotFound,
    FileOffer,
    ResolvedVersion,
    SourceUnreachable,
    UnsafeArtifact,
)
from domain.connection import Connection
from domain.frozen import Frozen
from domain.pipeline import AzurePipelinesSource, LatestOf
from integrations.allowance import CHUNK, Allowance, Limits
from integrations.http_download import Headers, body, new_client, opened, origin
from integrations.safe_path import safe_path

LATEST = "latest"
_API_VERSION = "6.0"  # the newest that Azure DevOps Server 2020 knows too
_LARGEST_ANSWER = 64 << 20
_MOST_FILES = 100_000
_CONTAINER = "Container"
_PIPELINE_ARTIFACT = "PipelineArtifact"


class _Definition(Frozen):
    id: int
    name: str
    path: str = ""


class _Definitions(Frozen):
    value: tuple[_Definition, ...]


class _Run(Frozen):
    """One run of a pipeline. Dates have up to seven digits of a second, of which six are kept."""

    id: int
    status: str
    build_number: str = Field(alias="buildNumber", default="")
    branch: str | None = Field(alias="sourceBranch", default=None)
    commit: str | None = Field(alias="sourceVersion", default=None)
    finished: str | None = Field(alias="finishTime", default=None)
    definition: _Definition

    @property
    def finished_at(self) -> datetime | None:
        whole, _, fraction = (self.finished or "").rstrip("Z").partition(".")
        return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00") if whole else None


class _Runs(Frozen):
    value: tuple[_Run, ...]


class _Resource(Frozen):
    type: str
    download_url: str | None = Field(alias="downloadUrl", default=None)


class _PublishedArtifact(Frozen):
    name: str
    resource: _Resource


Answer = TypeVar("Answer", bound=Frozen)


class AzureArtifacts:
    """Implements ArtifactSource for one artifact of one pipeline. Not for use by two threads at once."""

    def __init__(self, source: AzurePipelinesSource, connection: Connection, limits: Limits) -> None:
        self._source = source
        self._connection = connection
        self._limits = limits
        self._project = f"{connection.url.rstrip('/')}/{quote(source.project, safe='')}"
        self._client = new_client(connection.ca)
        self._zips: dict[str, IO[bytes]] = {}
        self.close = weakref.finalize(self, _close_all, self._client, self._zips)

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        run = self._run(version)
        with _read(self._zip(str(run.id)), self._what(str(run.id))) as packed:
            files = self._offers(packed)
        return ResolvedVersion(
            version=str(run.id),
            files=files,
            branch=run.branch and run.branch.removeprefix("refs/heads/"),
            commit=run.commit,
            built_at=run.finished_at,
            url=f"{self._project}/_build/results?buildId={run.id}",
        )

    def stream(self, version: str, locator: str) -> Iterator[bytes]:
        allowance = Allowance(self._limits, locator)
        with _read(self._zip(version), self._what(version)) as packed:
            if locator not in packed.namelist():
                raise ArtifactNotFound(f"{self._what(version)} has no file {locator}")
            yield from allowance.over(_unpacked(packed, locator))

    def _what(self, run: str) -> str:
        return f"the artifact {self._source.artifact} of run {run} of {self._source.pipeline}"

    def _run(self, version: str | LatestOf) -> _Run:
        """The one run that is meant; raises ArtifactNotFound in words."""
        pipeline = self._pipeline()
        if isinstance(version, str) and version != LATEST:
            return self._named_run(pipeline, version)
        wanted = version if isinstance(version, LatestOf) else LatestOf()
        query = {"statusFilter": "completed", "resultFilter": "succeeded", "queryOrder": "finishTimeDescending"}
        if wanted.branch is not None:
            query["branchName"] = wanted.branch if wanted.branch.startswith("refs/") else f"refs/heads/{wanted.branch}"
        if wanted.tags:
            query["tagFilters"] = ",".join(wanted.tags)
        found = self._runs(pipeline, query)
        if not found:
            raise ArtifactNotFound(f"no run of {pipeline.name} has succeeded{_condition(wanted)}")
        return found[0]

    def _named_run(self, pipeline: _Definition, version: str) -> _Run:
        """By the run's id, which is what is pinned, or by the number that people see."""
        if version.isascii() and version.isdecimal():
            try:
                run = self._get(f"builds/{version}", {}, _Run, f"run {version}")
            except ArtifactNotFound:
                run = None
            if run is not None and run.definition.id == pipeline.id:
                return _completed(run)
        found = self._runs(pipeline, {"buildNumber": version})
        if not found:
            raise ArtifactNotFound(f"{pipeline.name} has no run {version}")
        return _completed(found[0])

    def _runs(self, pipeline: _Definition, query: Mapping[str, str]) -> tuple[_Run, ...]:
        asked = {"definitions": str(pipeline.id), "$top": "1", **query}
        return self._get("builds", asked, _Runs, f"the runs of {pipeline.name}").value

    def _pipeline(self) -> _Definition:
        """By name (``folder/name`` where the name alone is not unique) or by id."""
        wanted = self._source.pipeline
        if wanted.isascii() and wanted.isdecimal():
            return self._get(f"definitions/{wanted}", {}, _Definition, f"pipeline {wanted}")
        folder, _, name = wanted.replace("\\", "/").rpartition("/")
        what = f"the project {self._source.project}"
        found = self._get("definitions", {"name": name}, _Definitions, what).value
        fitting = [one for one in found if one.name.casefold() == name.casefold() and _is_in(one, folder)]
        if not fitting:
            raise ArtifactNotFound(f"{what} has no pipeline {wanted}")
        if len(fitting) > 1:
            places = ", ".join(f"{one.path} (id {one.id})" for one in fitting)
            raise ArtifactNotFound(f"{what} has more than one pipeline {wanted}: {places}; name its folder, or its id")
        return fitting[0]

    def _get(self, path: str, query: Mapping[str, str], kind: type[Answer], what: str) -> Answer:
        """A small JSON document of the API."""
        url = f"{self._project}/_apis/build/{path}?{urlencode({**query, 'api-version': _API_VERSION}, quote_via=quote)}"
        allowance = Allowance(Limits(self._limits.seconds, _LARGEST_ANSWER), what)
        with opened(self._client, url, self._headers, what) as answer:
            text = b"".join(body(answer, allowance, what))
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            raise SourceUnreachable(f"{self._connection.name} does not answer as Azure DevOps does") from error

    def _headers(self, url: str) -> Headers:
        """The token goes to the connection's own host and nowhere else, whatever an answer says."""
        if origin(url) != origin(self._connection.url):
            return {}
        # Otherwise who is not known is sent to a page to sign in, which is no error to a program.
        headers = {"X-TFS-FedAuthRedirect": "Suppress"}
        token = self._connection.token.get_secret_value()
        if token:
            basic = base64.b64encode(f"{self._connection.user}:{token}".encode()).decode()
            headers["Authorization"] = f"Basic {basic}"
        return headers

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
            with opened(self._client, self._download_url(run, what), self._headers, what) as answer:
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
        published = self._get(where, {"artifactName": self._source.artifact}, _PublishedArtifact, what).resource
        if published.type == _CONTAINER:
            asked = {"artifactName": self._source.artifact, "api-version": _API_VERSION, "$format": "zip"}
            return f"{self._project}/_apis/build/{where}?{urlencode(asked, quote_via=quote)}"
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


def _is_in(definition: _Definition, folder: str) -> bool:
    return not folder or definition.path.replace("\\", "/").strip("/").casefold() == folder.strip("/").casefold()


def _condition(wanted: LatestOf) -> str:
    branch = f" on {wanted.branch}" if wanted.branch else ""
    return branch + (f" with the tags {', '.join(wanted.tags)}" if wanted.tags else "")


def _completed(run: _Run) -> _Run:
    if run.status != "completed":
        raise ArtifactNotFound(f"run {run.id} ({run.build_number}) has not completed")
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
