"""A stand-in for GitHub: the part of its REST interface from which releases come, and the host of their bytes."""

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.faults import FaultyApp
from local.github_state import Asset, GithubCommit, GithubRelease, GithubState, Repository

Document = dict[str, object]
Answer = Callable[[Request, Repository], Response]
Endpoint = Callable[[Request], Awaitable[Response]]
_RANGE = re.compile(r"bytes=(\d+)-")
_DEFAULT_PAGE = "30"
_MOST_PER_PAGE = 100


def create_app(state: GithubState) -> ASGIApp:
    """The interface's own host; change ``state`` at any time."""
    stand_in = _Github(state)
    here = "/repos/{owner}/{name}"
    routes = [
        Route(f"{here}/releases", stand_in.guarded(stand_in.releases)),
        Route(f"{here}/releases/tags/{{tag:path}}", stand_in.guarded(stand_in.release)),
        Route(f"{here}/releases/assets/{{asset:int}}", stand_in.guarded(stand_in.asset)),
        Route(f"{here}/commits/{{reference:path}}", stand_in.guarded(stand_in.commit)),
        Route(f"{here}/compare/{{pair:path}}", stand_in.guarded(stand_in.compare)),
    ]
    return FaultyApp(Starlette(routes=routes), state.faults)


def create_content_app(state: GithubState) -> ASGIApp:
    """The other host. As the real store does, it refuses who shows a token beside the signature in the address."""

    async def content(request: Request) -> Response:
        state.content_requests.append(dict(request.headers))
        if "authorization" in request.headers:
            return Response("<Error><Code>InvalidAuthenticationInfo</Code></Error>", 400, media_type="application/xml")
        for repository in state.repositories.values():
            if request.path_params["asset"] in repository.assets:
                return _bytes(request, repository.assets[request.path_params["asset"]])
        return Response(status_code=404)

    route = Route("/github-production-release-asset/{asset:int}", content)
    return FaultyApp(Starlette(routes=[route]), state.content_faults)


class _Github:
    """Answers requests from the state."""

    def __init__(self, state: GithubState) -> None:
        self._state = state

    def guarded(self, answer: Answer) -> Endpoint:
        """Let nobody in with a wrong token, and show private repositories to nobody without one."""

        async def guarded(request: Request) -> Response:
            self._state.seen.append(request.url.path)
            if self._state.requests_left <= 0:
                return _error(403, "API rate limit exceeded", {"X-RateLimit-Remaining": "0"})
            self._state.requests_left -= 1
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            is_known = any(secrets.compare_digest(token.encode(), one.encode()) for one in self._state.tokens)
            if token and not is_known:
                return _error(401, "Bad credentials")
            repository = self._state.repositories.get(f"{request.path_params['owner']}/{request.path_params['name']}")
            if repository is None or (repository.is_private and not is_known):
                return _error(404, "Not Found")
            return answer(request, repository)

        return guarded

    def releases(self, request: Request, repository: Repository) -> Response:
        """The one that was made last is first."""
        asked = request.query_params
        size = min(int(asked.get("per_page", _DEFAULT_PAGE)), _MOST_PER_PAGE)
        start = (int(asked.get("page", "1")) - 1) * size
        newest_first = list(reversed(repository.releases))
        return _json([_release(request, repository, one) for one in newest_first[start : start + size]])

    def release(self, request: Request, repository: Repository) -> Response:
        """Drafts have no tag yet."""
        for one in repository.releases:
            if one.tag == unquote(request.path_params["tag"]) and not one.draft:
                return _json(_release(request, repository, one))
        return _error(404, "Not Found")

    def asset(self, request: Request, repository: Repository) -> Response:
        """What it is; its bytes, if those are asked for, are elsewhere."""
        asset = repository.assets.get(request.path_params["asset"])
        if asset is None:
            return _error(404, "Not Found")
        if request.headers.get("Accept") != "application/octet-stream":
            return _json(_asset(request, repository, asset))
        where = f"{self._state.content_url}/github-production-release-asset/{asset.id}?sig={secrets.token_hex(8)}"
        return RedirectResponse(where, 302)

    def commit(self, request: Request, repository: Repository) -> Response:
        """Of a tag, as its hash alone where that is asked for."""
        index = repository.head(unquote(request.path_params["reference"]))
        if index is None:
            return _error(422, "No commit found for SHA")
        commit = repository.commits[index]
        if request.headers.get("Accept") == "application/vnd.github.sha":
            return Response(commit.sha, media_type="application/vnd.github.sha")
        return _json(_commit(commit))

    def compare(self, request: Request, repository: Repository) -> Response:
        """What the second has more than the first, oldest first."""
        first, _, second = unquote(request.path_params["pair"]).partition("...")
        base, head = repository.head(first), repository.head(second)
        if base is None or head is None:
            return _error(404, "Not Found")
        more = repository.commits[base + 1 : head + 1]
        size = min(int(request.query_params.get("per_page", "250")), _MOST_PER_PAGE)
        start = (int(request.query_params.get("page", "1")) - 1) * size
        return _json(
            {
                "status": "ahead" if more else ("identical" if base == head else "behind"),
                "ahead_by": len(more),
                "behind_by": max(0, base - head),
                "total_commits": len(more),
                "commits": [_commit(one) for one in more[start : start + size]],
            }
        )


def _release(request: Request, repository: Repository, one: GithubRelease) -> Document:
    number = int(hashlib.sha256(one.tag.encode()).hexdigest()[:8], 16)
    return {
        "id": number,
        "url": f"{_here(request, repository)}/releases/{number}",
        "html_url": f"https://github.com/{repository.name}/releases/tag/{one.tag}",
        "tag_name": one.tag,
        "target_commitish": one.target,
        "name": one.name,
        "draft": one.draft,
        "prerelease": one.prerelease,
        "immutable": False,
        "created_at": _date(one.published_at),
        "published_at": None if one.draft else _date(one.published_at),
        "author": _user(one.author),
        "body": "",
        "assets": [_asset(request, repository, asset) for asset in one.assets],
    }


def _asset(request: Request, repository: Repository, asset: Asset) -> Document:
    return {
        "id": asset.id,
        "url": f"{_here(request, repository)}/releases/assets/{asset.id}",
        "name": asset.name,
        "label": None,
        "content_type": "application/octet-stream",
        "state": asset.state,
        "size": len(asset.content),
        "digest": asset.digest,
        "download_count": 0,
        "browser_download_url": f"https://github.com/{repository.name}/releases/download/{asset.id}/{asset.name}",
        "uploader": _user("octo-ada"),
    }


def _commit(commit: GithubCommit) -> Document:
    signature = {"name": commit.author, "email": "ada@example.com", "date": _date(commit.at)}
    return {
        "sha": commit.sha,
        "html_url": f"https://github.com/octo/shop/commit/{commit.sha}",
        "commit": {"message": commit.message, "author": signature, "committer": signature},
        "author": None,
    }


def _user(login: str) -> Document:
    return {"login": login, "id": 1, "type": "User"}


def _here(request: Request, repository: Repository) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/repos/{repository.name}"


def _date(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%FT%TZ}"


def _bytes(request: Request, asset: Asset) -> Response:
    """All, or from a place on, if the file is still the one that is meant."""
    size, tag = len(asset.content), f'"{hashlib.sha256(asset.content).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes"}
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    if wanted is None or request.headers.get("If-Range", tag) != tag:
        return Response(asset.content, 200, headers, "application/octet-stream")
    start = int(wanted[1])
    if start >= size:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    return Response(asset.content[start:], 206, headers, "application/octet-stream")


def _json(document: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    answer = JSONResponse(document, status, {"X-GitHub-Media-Type": "github.v3; format=json", **(headers or {})})
    answer.headers["Content-Type"] = "application/json; charset=utf-8"
    return answer


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    document = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    return _json(document, status, headers)
