"""The application: every router, every error as a problem, the sweeps beside it. Deny by default."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI

from api import (
    agent_care,
    agent_prefetch,
    agent_work,
    agents,
    approvals,
    changes,
    deployment_logs,
    deployments,
    health,
    hooks,
    interventions,
    log_retention,
    logs,
    mail_events,
    outbox,
    people,
    pipelines,
    releases,
    tokens,
    triggers,
    vault,
    versions,
)
from api.edge import Edge
from api.errors import answer_errors
from api.health import installed_version
from api.links import PREFIX
from api.log_retention import remove_old_logs_for_ever
from api.openapi import document
from api.pages.router import router as pages
from api.release_start import sweep_for_ever
from api.rights import require_declared_rights
from api.schedules import keep_schedules_for_ever
from api.services import Services
from api.triggering import make_waiting_for_ever

_OPENAPI = f"{PREFIX}/openapi.json"
_IN_THE_API = (
    releases,
    changes,
    deployments,
    deployment_logs,
    log_retention,
    interventions,
    approvals,
    pipelines,
    versions,
    agents,
    agent_care,
    agent_work,
    agent_prefetch,
    logs,
    vault,
    people,
    tokens,
    hooks,
    triggers,
    outbox,
)
_BESIDE = (sweep_for_ever, make_waiting_for_ever, keep_schedules_for_ever, remove_old_logs_for_ever)


def create_app(services: Services) -> FastAPI:
    """The whole application. Raises UndeclaredRight rather than serve a route that forgot its right."""
    app = FastAPI(
        title="Slipway",
        summary="Release management on Temporal.",
        version=installed_version(),
        openapi_url=_OPENAPI,
        docs_url=None,  # their pages load scripts from elsewhere, which our content policy forbids
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.services = services
    app.openapi = partial(document, app)  # type: ignore[method-assign]  # the way that FastAPI's guide takes
    answer_errors(app)
    for module in _IN_THE_API:
        app.include_router(module.router, prefix=PREFIX)
    app.include_router(health.router)
    app.include_router(mail_events.router)
    app.include_router(pipelines.schemas)
    app.include_router(pages)
    app.add_middleware(Edge)
    require_declared_rights(app, open_paths=frozenset({_OPENAPI}))
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services = app.state.services
    beside = [asyncio.create_task(sweep(services)) for sweep in _BESIDE]
    try:
        yield
    finally:
        for sweep in beside:
            sweep.cancel()
        for sweep in beside:
            with suppress(asyncio.CancelledError):
                await sweep
