"""Every error as RFC 9457 problem+json: refusals by their kind, bad input with pointers, our own bugs without a word.

``error`` is the class name, which clients may branch on; ``detail`` is for people; ``trace_id`` finds the log lines.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.status import HTTP_401_UNAUTHORIZED

from api.auth import NotAuthenticated
from api.pages.error_page import error_page, wants_page
from domain.refusal import Kind, Refusal
from storage import outage
from storage.logs import LogGap

PROBLEM_JSON = "application/problem+json"
_STATUS_OF = {
    Kind.INVALID: 422,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.UNAVAILABLE: 503,
}
_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Invalid",
    500: "Our fault",
    503: "Unavailable",
}
_RETRY_AFTER_SECONDS = "5"
_MOST_FLAWS = 100
_log = structlog.get_logger("slipway.api")


class Flaw(BaseModel):
    """One thing that is wrong with the input. ``pointer`` is a JSON pointer into the body."""

    model_config = ConfigDict(frozen=True)

    message: str
    pointer: str | None = None
    parameter: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: str | None = None
    suggestion: str | None = None


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    error: str
    trace_id: str | None = None
    errors: list[Flaw] | None = None
    size: int | None = None


class Flawed(Refusal):
    """The input has flaws, each named."""

    def __init__(self, detail: str, flaws: Sequence[Flaw]) -> None:
        super().__init__(detail)
        self.flaws = tuple(flaws)


def answer_errors(app: FastAPI) -> None:
    """Let this application answer every error as a problem."""
    handlers = {
        Refusal: _refused,
        LogGap: _log_gap,
        NotAuthenticated: _not_authenticated,
        RequestValidationError: _invalid,
        HTTPException: _http_error,
        OperationalError: _database_gone,
        InterfaceError: _database_gone,
        DBAPIError: _database_error,
        PoolTimeout: _database_gone,
        ConnectionError: _database_gone,
        TimeoutError: _database_gone,
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)


def problem(  # noqa: PLR0913  all but the request are named
    request: Request,
    status: int,
    detail: str,
    *,
    error: str,
    flaws: Sequence[Flaw] | None = None,
    size: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer in problem+json; a page for people who opened one."""
    title = _TITLES.get(status, "Error")
    if wants_page(request):
        return error_page(request, status=status, title=title, detail=detail, headers=headers)
    told = Problem(
        type=f"urn:slipway:problem:{error}",
        title=title,
        status=status,
        detail=detail,
        error=error,
        trace_id=request.scope.get("trace_id"),
        errors=list(flaws) if flaws is not None else None,
        size=size,
    )
    content = told.model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, status, headers, media_type=PROBLEM_JSON)


def problem_of(refusal: Refusal) -> Problem:
    """A refusal as a problem, for an answer of which it is only a part."""
    status, name = _STATUS_OF[refusal.kind], type(refusal).__name__
    title = _TITLES.get(status, "Error")
    return Problem(type=f"urn:slipway:problem:{name}", title=title, status=status, detail=str(refusal), error=name)


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    status = _STATUS_OF[refusal.kind]
    flaws = refusal.flaws if isinstance(refusal, Flawed) else None
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if refusal.kind == Kind.UNAVAILABLE else None
    return problem(request, status, str(refusal), error=type(refusal).__name__, flaws=flaws, headers=headers)


async def _log_gap(request: Request, gap: Exception) -> Response:
    assert isinstance(gap, LogGap)
    return problem(request, _STATUS_OF[gap.kind], str(gap), error="LogGap", size=gap.size)


async def _not_authenticated(request: Request, refusal: Exception) -> Response:
    headers = {"WWW-Authenticate": "Bearer"}
    return problem(request, HTTP_401_UNAUTHORIZED, str(refusal), error="NotAuthenticated", headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """Never repeats the input: it may hold a secret."""
    assert isinstance(error, RequestValidationError)
    flaws = [_flaw(found) for found in error.errors()[:_MOST_FLAWS]]
    detail = "; ".join(f"{flaw.pointer or flaw.parameter}: {flaw.message}" for flaw in flaws[:5])
    return problem(request, _STATUS_OF[Kind.INVALID], detail, error="Invalid", flaws=flaws)


def _flaw(found: Mapping[str, Any]) -> Flaw:
    place, *path = found["loc"]
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "json_invalid":
        return Flaw(message=f"this is no JSON: {found['ctx']['error']} at character {path[0]}", pointer="#")
    if place == "body":
        pointer = "#" + "".join(f"/{_escaped(str(part))}" for part in path)
        return Flaw(message=message, pointer=pointer)
    return Flaw(message=message, parameter=".".join(str(part) for part in path) or str(place))


def _escaped(part: str) -> str:
    """As RFC 6901 wants it."""
    return part.replace("~", "~0").replace("/", "~1")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = _TITLES.get(error.status_code, "Error").title().replace(" ", "")
    return problem(request, error.status_code, str(error.detail), error=name, headers=error.headers)


async def _database_error(request: Request, error: Exception) -> Response:
    """What is not passing is ours."""
    assert isinstance(error, DBAPIError)
    if outage.is_passing(error):
        return await _database_gone(request, error)
    raise error


async def _database_gone(request: Request, error: Exception) -> Response:
    _log.error("database unavailable", error=type(error).__name__)
    headers = {"Retry-After": _RETRY_AFTER_SECONDS}
    text = "the database does not answer; try again in a moment"
    return problem(request, 503, text, error="DatabaseUnavailable", headers=headers)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route for OpenAPI; what any route may answer is added by itself."""
    return {status: {"description": _TITLES[status], "content": _CONTENT} for status in statuses}


_CONTENT = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
