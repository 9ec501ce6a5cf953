"""Pipelines and their revisions."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.pipeline import Pipeline
from storage.column_types import LARGEST_INTEGER
from storage.tables import PipelineRevisionRow, PipelineRow
from storage.upsert import insert_new


async def save_revision(
    session: AsyncSession, pipeline: Pipeline, text: str, author: str, now: datetime
) -> PipelineRevisionRow:
    """Keep a new revision; the same text and definition as the latest one is that one."""
    row = await _locked(session, pipeline.pipeline, now)
    definition = pipeline.model_dump(mode="json")
    known = await revision(session, row.name, row.revision)
    if known is not None and (known.text, known.definition) == (text, definition):
        return known
    row.revision += 1
    row.updated_at = now
    new = PipelineRevisionRow(
        pipeline=row.name, revision=row.revision, text=text, definition=definition, author=author, created_at=now
    )
    session.add(new)
    await session.flush()
    return new


async def latest(session: AsyncSession, name: str) -> PipelineRevisionRow | None:
    """The newest revision."""
    return await session.scalar(
        select(PipelineRevisionRow)
        .join(PipelineRow, PipelineRow.name == PipelineRevisionRow.pipeline)
        .where(PipelineRow.name == name, PipelineRevisionRow.revision == PipelineRow.revision)
    )


async def all_latest(session: AsyncSession) -> Sequence[PipelineRevisionRow]:
    """The newest revision of every pipeline, by name."""
    found = await session.scalars(
        select(PipelineRevisionRow)
        .join(PipelineRow, PipelineRow.name == PipelineRevisionRow.pipeline)
        .where(PipelineRevisionRow.revision == PipelineRow.revision)
        .order_by(PipelineRow.name)
    )
    return found.all()


async def revision(session: AsyncSession, name: str, number: int) -> PipelineRevisionRow | None:
    """One revision by its number, counted from 1."""
    if number > LARGEST_INTEGER:
        return None
    return await session.get(PipelineRevisionRow, (name, number))


async def revisions(session: AsyncSession, name: str) -> Sequence[PipelineRevisionRow]:
    """Newest first."""
    found = await session.scalars(
        select(PipelineRevisionRow)
        .where(PipelineRevisionRow.pipeline == name)
        .order_by(PipelineRevisionRow.revision.desc())
    )
    return found.all()


async def all_pipelines(session: AsyncSession) -> Sequence[PipelineRow]:
    """By name."""
    return (await session.scalars(select(PipelineRow).order_by(PipelineRow.name))).all()


async def _locked(session: AsyncSession, name: str, now: datetime) -> PipelineRow:
    """The pipeline's row, made if there is none, and ours until the transaction ends."""
    await insert_new(session, PipelineRow, {"name": name, "revision": 0, "last_number": 0, "updated_at": now})
    found = await session.scalars(select(PipelineRow).where(PipelineRow.name == name).with_for_update())
    return found.one()
