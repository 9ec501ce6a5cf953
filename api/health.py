"""Whether this process lives, whether it can work, and which version it is."""

from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version

import structlog
from fastapi import APIRouter, Response
from sqlalchemy import text

from api.auth import PUBLIC
from api.services import Services, ServicesHere
from api.views import HealthView, ReadinessView, VersionView

router = APIRouter(tags=["health"], dependencies=[PUBLIC])
_log = structlog.get_logger("slipway.api")


@router.get("/healthz", operation_id="healthz", summary="Tell that the process lives")
async def healthz() -> HealthView:
    """Looks at nothing else."""
    return HealthView(status="ok")


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Tell whether the process can work",
    responses={503: {"model": ReadinessView, "description": "Something that is needed does not answer"}},
)
async def readyz(services: ServicesHere, response: Response) -> ReadinessView:
    """Each part that is needed, and how it is."""
    parts = {name: await _state(name, check, services) for name, check in _CHECKS.items()}
    is_ready = all(state == "ok" for state in parts.values())
    if not is_ready:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return ReadinessView(status="ok" if is_ready else "unavailable", parts=parts)


@router.get("/version", operation_id="version", summary="Tell the version")
async def show_version() -> VersionView:
    """Of the installed package."""
    return VersionView(version=installed_version())


def installed_version() -> str:
    """``0`` in a checkout that was never installed."""
    try:
        return version("slipway")
    except PackageNotFoundError:
        return "0"


async def _state(name: str, check: Callable[[Services], Awaitable[bool]], services: Services) -> str:
    try:
        return "ok" if await check(services) else "failed"
    except Exception as error:  # noqa: BLE001  recorded; that it fails is the answer
        _log.warning("not ready", part=name, error=type(error).__name__)
        return "failed"


async def _database_answers(services: Services) -> bool:
    async with services.database.reading() as session:
        await session.execute(text("SELECT 1"))
    return True


async def _schema_is_current(services: Services) -> bool:
    return await services.database.is_at_head()


async def _temporal_answers(services: Services) -> bool:
    return await services.orchestrator.is_healthy()


_CHECKS = {"database": _database_answers, "migrations": _schema_is_current, "temporal": _temporal_answers}
