"""The first page: releases, newest first, each with its stages and what it waits for."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Viewer
from api.inputs import Cursor
from api.pages.rendering import render
from api.pages.standing import Underway, sentence
from api.services import ServicesHere
from domain.release import ReleasePlan
from domain.status import ReleaseStatus, StageStatus
from storage import deployments, pipelines, releases
from storage.tables import ReleaseRow

router = APIRouter(include_in_schema=False)
_AT_ONCE = 25


@router.get("/")
async def release_list(
    request: Request,
    caller: Viewer,
    services: ServicesHere,
    pipeline: Annotated[str, Query(max_length=63)] = "",
    status: Annotated[str, Query(max_length=30)] = "",
    cursor: Cursor = None,
) -> Response:
    """An unknown status shows all, as none does."""
    wanted = ReleaseStatus(status) if status in set(ReleaseStatus) else None
    async with services.database.reading() as session:
        rows = await releases.page(session, pipeline=pipeline or None, status=wanted, limit=_AT_ONCE + 1, before=cursor)
        shown = await _lines(session, rows[:_AT_ONCE])
        names = [row.name for row in await pipelines.all_pipelines(session)]
    filters = {"pipeline": pipeline, "status": wanted or ""}
    older = releases.cursor_of(rows[_AT_ONCE - 1]) if len(rows) > _AT_ONCE else ""
    return render(
        request,
        "releases.html",
        caller=caller,
        section="Releases",
        releases=shown,
        pipelines=names,
        pipeline=pipeline,
        status=filters["status"],
        statuses=[status.value for status in ReleaseStatus],
        is_live=cursor is None and any(not line["status"].is_final for line in shown),
        newest_href=_address(filters) if cursor else "",
        older_href=_address(filters | {"cursor": older}) if older else "",
    )


def _address(query: dict[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"/?{urlencode(given)}" if given else "/"


async def _lines(session: AsyncSession, rows: Sequence[ReleaseRow]) -> list[dict[str, Any]]:
    """What the list says of each release, read in as many queries for fifty as for one."""
    ids = [row.id for row in rows]
    statuses: dict[str, dict[str, StageStatus]] = defaultdict(dict)
    for stage in await releases.stages_of(session, ids):
        statuses[stage.release][stage.stage] = StageStatus(stage.status)
    underway: dict[str, list[Underway]] = defaultdict(list)
    for one in await deployments.running_of(session, ids):
        underway[one.release].append(Underway(one.stage, StageStatus(one.status), one.waiting_for))
    return [_line(row, statuses[row.id], underway[row.id]) for row in rows]


def _line(row: ReleaseRow, statuses: dict[str, StageStatus], underway: list[Underway]) -> dict[str, Any]:
    plan = ReleasePlan.model_validate(row.plan)
    return {
        "pipeline": row.pipeline,
        "number": row.number,
        "name": row.name,
        "status": ReleaseStatus(row.status),
        "reason": row.reason,
        "waiting_for": sentence(row.waiting_for, underway),
        "requested_by": row.requested_by,
        "requested_for": plan.requested_for,
        "created_at": row.created_at,
        "description": plan.description,
        "stages": [{"stage": s.stage, "status": statuses[s.stage]} for s in plan.pipeline.stages],
    }
