"""A stand-in for Azure DevOps: the part of its REST interface from which build artifacts come, and the content host."""

import base64
import io
import json
import secrets
import time
import uuid
import zipfile
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.azure_state import (
    ArtifactKind,
    AzureState,
    BuildRun,
    Project,
    PublishedArtifact,
    SourceChange,
    blob_id,
)
from local.faults import FaultyApp
from local.pages import page

Document = dict[str, object]
Answer = Callable[[Request, Project], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(state: AzureState) -> ASGIApp:
    """The organisation's own host; change ``state`` at any time."""
    stand_in = _Azure(state)
    here = f"/{state.organisation}/{{project}}/_apis/build"
    routes = [
        Route("/", stand_in.status_page),
        Route(f"{here}/definitions", stand_in.guarded(stand_in.definitions)),
        Route(f"{here}/definitions/{{definition:int}}", stand_in.guarded(stand_in.definition)),
        Route(f"{here}/changes", stand_in.guarded(stand_in.changes)),
        Route(f"{here}/builds", stand_in.guarded(stand_in.builds)),
        Route(f"{here}/builds/{{build:int}}", stand_in.guarded(stand_in.build)),
        Route(f"{here}/builds/{{build:int}}/artifacts", stand_in.guarded(stand_in.artifacts)),
    ]
    return FaultyApp(Starlette(routes=routes), state.faults)


def create_content_app(state: AzureState) -> ASGIApp:
    """The other host, from which PipelineArtifacts come. It keeps the headers it was sent, to catch leaked tokens."""

    async def content(request: Request) -> Response:
        state.content_requests.append(dict(request.headers))
        project, build, artifact = _read_content_id(request.path_params["id"])
        run = state.projects[project].builds.get(build) if project in state.projects else None
        if run is None or artifact not in run.artifacts:
            return Response(status_code=404)
        return _zip(run.artifacts[artifact])

    return FaultyApp(Starlette(routes=[Route("/_apis/artifact/{id}/content", content)]), state.content_faults)


class _NotThere(Exception):  # noqa: N818  reads as what happened
    """Azure's 404, with its sentence and the name of its exception."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


class _Azure:
    """Answers requests from the state."""

    def __init__(self, state: AzureState) -> None:
        self._state = state

    async def status_page(self, _: Request) -> Response:
        return page("azure.html", organisation=self._state.organisation, projects=list(self._state.projects.values()))

    def guarded(self, answer: Answer) -> Endpoint:
        """Let in only those with a token, and turn what is not there into Azure's 404."""

        async def guarded(request: Request) -> Response:
            self._state.seen.append(str(request.url.path))
            if self._state.tokens and not self._is_known(request):
                return _unauthorized(request)
            try:
                return answer(request, self._project(request))
            except _NotThere as missing:
                return _error(404, missing.message, missing.kind)

        return guarded

    def _is_known(self, request: Request) -> bool:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        token = base64.b64decode(value).decode(errors="replace").partition(":")[2]
        return any(secrets.compare_digest(token.encode(), known.encode()) for known in self._state.tokens)

    def _project(self, request: Request) -> Project:
        name = request.path_params["project"]
        for project in self._state.projects.values():
            if name.casefold() in {project.name.casefold(), project.id}:
                return project
        message = (
            f"TF200016: The following project does not exist: {name}. Verify that the name of the project is correct."
        )
        raise _NotThere(message, "ProjectDoesNotExistWithNameException")

    def definitions(self, request: Request, project: Project) -> Response:
        wanted = request.query_params.get("name", "*").casefold()
        fitting = [n for n, (_, name) in project.pipelines.items() if wanted in {"*", name.casefold()}]
        return _list([_definition(project, number) for number in fitting])

    def definition(self, request: Request, project: Project) -> Response:
        number = request.path_params["definition"]
        if number not in project.pipelines:
            raise _NotThere(f"Definition {number} was not found.", "DefinitionNotFoundException")
        return _json(_definition(project, number))

    def builds(self, request: Request, project: Project) -> Response:
        asked = request.query_params
        fitting = [run for run in project.builds.values() if _fits(run, dict(asked))]
        newest_first = sorted(fitting, key=lambda run: (run.finished_at, run.id), reverse=True)
        return _list([_build(project, run) for run in newest_first[: int(asked.get("$top", "1000"))]])

    def build(self, request: Request, project: Project) -> Response:
        return _json(_build(project, self._run(request, project)))

    def _run(self, request: Request, project: Project) -> BuildRun:
        number = request.path_params["build"]
        if number not in project.builds:
            raise _NotThere(f"The requested build {number} could not be found.", "BuildNotFoundException")
        return project.builds[number]

    def changes(self, request: Request, project: Project) -> Response:
        """Between two runs of a pipeline on one branch; only previews of this interface exist."""
        asked = request.query_params
        if "-preview" not in asked.get("api-version", ""):
            return _preview_only(asked.get("api-version", ""))
        first, last = (project.builds.get(int(asked[name])) for name in ("fromBuildId", "toBuildId"))
        if first is None or last is None:
            raise _NotThere("The requested build could not be found.", "BuildNotFoundException")
        between = [
            run
            for run in project.builds.values()
            if first.id < run.id <= last.id and (run.pipeline, run.branch) == (last.pipeline, last.branch)
        ]
        newest_first = sorted(between, key=lambda run: run.id, reverse=True)
        found = [_change(change) for run in newest_first for change in run.changes]
        return _list(found[: int(asked.get("$top", "50"))])

    def artifacts(self, request: Request, project: Project) -> Response:
        run = self._run(request, project)
        here = f"{request.url.scheme}://{request.url.netloc}/{self._state.organisation}/{project.id}"
        name = request.query_params.get("artifactName")
        if name is None:
            return _list([self._artifact(project, run, artifact, here) for artifact in run.artifacts.values()])
        if name not in run.artifacts:
            raise _NotThere(f"Artifact {name} not found for build {run.id}.", "ArtifactNotFoundException")
        if request.query_params.get("$format") == "zip":
            return _zip(run.artifacts[name])
        if "fileId" in request.query_params:
            return _file(run.artifacts[name], request.query_params["fileId"])
        return _json(self._artifact(project, run, run.artifacts[name], here))

    def _artifact(self, project: Project, run: BuildRun, artifact: PublishedArtifact, here: str) -> Document:
        url = f"{here}/_apis/build/builds/{run.id}/artifacts?artifactName={quote(artifact.name)}&api-version=6.0"
        size = {"artifactsize": str(sum(map(len, artifact.files.values())))} if artifact.has_size else {}
        resource: Document
        if artifact.kind == ArtifactKind.GIT_REF:
            resource = {"_links": {"web": {"href": f"{here}/_git/..."}}, "type": "GitRef"}
            return {"id": artifact.number, "name": artifact.name, "resource": resource}
        if artifact.kind == ArtifactKind.CONTAINER:
            data = f"#/2992449/{artifact.name}"
            resource = {"type": "Container", "data": data, "properties": {"localpath": "/home/vsts/a", **size}}
            download = f"{url}&%24format=zip"
        else:
            properties = {"RootId": "DC04A61F02", **size, "HashType": "DEDUPNODEORCHUNK"}
            resource = {"type": "PipelineArtifact", "data": artifact.manifest_id, "properties": properties}
            where = _content_id(project.name, run.id, artifact.name)
            download = f"{self._state.content_url}/_apis/artifact/{where}/content?format=zip"
        resource |= {"url": url} | ({"downloadUrl": download} if artifact.has_download_url else {})
        return {"id": artifact.number, "name": artifact.name, "source": project.id, "resource": resource}


def _fits(run: BuildRun, asked: dict[str, str]) -> bool:
    """Whether the run passes the filters of the query."""
    status = "inProgress" if run.result is None else "completed"
    tags = [tag for tag in asked.get("tagFilters", "").split(",") if tag]
    return (
        str(run.pipeline) in asked.get("definitions", str(run.pipeline)).split(",")
        and asked.get("statusFilter", status) == status
        and ("resultFilter" not in asked or run.result in asked["resultFilter"].split(","))
        and asked.get("branchName", run.branch) == run.branch
        and asked.get("buildNumber", run.number) == run.number
        and all(tag in run.tags for tag in tags)
    )


def _definition(project: Project, number: int) -> Document:
    folder, name = project.pipelines[number]
    reference = {"id": project.id, "name": project.name, "state": "wellFormed", "visibility": "private"}
    return {"id": number, "name": name, "path": folder, "type": "build", "revision": 1, "project": reference}


def _build(project: Project, run: BuildRun) -> Document:
    """Azure leaves out what is not known, and writes seven digits of a second."""
    finished = {} if run.result is None else {"result": run.result, "finishTime": f"{run.finished_at:%FT%T}.1234567Z"}
    return {
        "_links": {"web": {"href": f"https://dev.azure.com/contoso/{project.name}/_build/results?buildId={run.id}"}},
        "tags": list(run.tags),
        "id": run.id,
        "buildNumber": run.number,
        "status": "inProgress" if run.result is None else "completed",
        **finished,
        "definition": _definition(project, run.pipeline),
        "project": {"id": project.id, "name": project.name},
        "sourceBranch": run.branch,
        "sourceVersion": run.commit,
        "requestedFor": _person(run.requested_for),
        "reason": "individualCI",
    }


def _person(name: str) -> Document:
    number = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
    address = f"{name.casefold().replace(' ', '.')}@example.com"
    return {"displayName": name, "id": number, "uniqueName": address, "descriptor": f"aad.{number}"}


def _change(change: SourceChange) -> Document:
    return {
        "id": change.id,
        "message": change.message,
        "type": "TfsGit",
        "author": _person(change.author),
        "timestamp": f"{change.at:%FT%T}Z",
        "location": f"https://dev.azure.com/contoso/_apis/git/repositories/shop/commits/{change.id}",
    }


def _list(found: list[Document]) -> Response:
    return _json({"count": len(found), "value": found})


def _json(document: Document, status: int = 200) -> Response:
    answer = JSONResponse(document, status, {"ActivityId": str(uuid.uuid4()), "X-VSS-E2EID": str(uuid.uuid4())})
    answer.headers["Content-Type"] = "application/json; charset=utf-8; api-version=6.0"
    return answer


def _error(status: int, message: str, kind: str) -> Response:
    return _json(
        {
            "$id": "1",
            "innerException": None,
            "message": message,
            "typeName": f"Microsoft.TeamFoundation.Build.WebApi.{kind}, Microsoft.TeamFoundation.Build2.WebApi",
            "typeKey": kind,
            "errorCode": 0,
            "eventId": 3000,
        },
        status,
    )


def _preview_only(version: str) -> Response:
    message = (
        f'The requested version "{version}" of the resource is under preview. '
        "The -preview flag must be supplied in the api-version for such requests."
    )
    return _error(400, message, "VssInvalidPreviewVersionException")


def _file(artifact: PublishedArtifact, number: str) -> Response:
    """One file of a pipeline artifact, or the list of them, by the id of its content."""
    if artifact.kind == ArtifactKind.PIPELINE_ARTIFACT and artifact.has_manifest:
        if number == artifact.manifest_id:
            return Response(json.dumps(artifact.manifest), 200, media_type="application/octet-stream")
        for data in artifact.files.values():
            if number == blob_id(data):
                return Response(data, 200, media_type="application/octet-stream")
    raise _NotThere(f"File {number} of artifact {artifact.name} was not found.", "ArtifactNotFoundException")


def _unauthorized(request: Request) -> Response:
    """A browser without a token is sent to sign in; who sends a wrong one, or asks not to be sent there, gets 401."""
    if "Authorization" in request.headers or request.headers.get("X-TFS-FedAuthRedirect") == "Suppress":
        challenge = {"WWW-Authenticate": 'Basic realm="https://tfsprodweu1.visualstudio.com/"'}
        return Response("<html><title>Access Denied</title></html>", 401, challenge, "text/html; charset=utf-8")
    place = f"https://spsprodweu1.vssps.visualstudio.com/_signin?realm=dev.azure.com&reply_to={quote(str(request.url))}"
    return Response(status_code=302, headers={"Location": place})


def _zip(artifact: PublishedArtifact) -> Response:
    """Made anew for every request, so its bytes differ from one download to the next; the files below do not."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, data in artifact.files.items():
            packed.writestr(zipfile.ZipInfo(f"{artifact.name}/{path}", time.gmtime()[:6]), data)
        packed.comment = secrets.token_bytes(8)
    disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(artifact.name)}.zip"}
    return Response(content.getvalue(), 200, disposition, "application/zip")


def _content_id(project: str, build: int, artifact: str) -> str:
    return base64.urlsafe_b64encode(f"{project}/{build}/{artifact}".encode()).decode().rstrip("=")


def _read_content_id(text: str) -> tuple[str, int, str]:
    project, build, artifact = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split("/", 2)
    return project, int(build), artifact
