"""Secrets that steps set for the steps and jobs after them, sealed until their deployment ends."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.outputs import environment_spelling, split_secret_reference
from storage.sealing import Sealing
from storage.secrets import SecretMissing
from storage.tables import JobRow, SecretOutputRow, StepRunRow
from storage.upsert import put

_NAMELESS = "#"


async def keep(  # noqa: PLR0913  what a row is made of; all named
    session: AsyncSession,
    sealing: Sealing,
    *,
    run: StepRunRow,
    job: JobRow,
    variables: Mapping[str, str],
    masks: Sequence[str],
    now: datetime,
) -> None:
    """Keep what one run set, instead of what it told before. ``masks`` have no name and are only masked."""
    plain = {environment_spelling(name): value for name, value in variables.items()}
    if masks:
        plain[_NAMELESS] = json.dumps(list(masks))
    rows = [
        {
            "run_id": run.id,
            "name": name,
            "job_id": job.id,
            "deployment": job.deployment,
            "sealed": sealing.seal(value.encode(), _row(run.id, name)),
            "created_at": now,
        }
        for name, value in plain.items()
    ]
    await put(session, SecretOutputRow, *rows)


async def values(session: AsyncSession, sealing: Sealing, deployment: str, references: Iterable[str]) -> dict[str, str]:
    """The values by reference; raises SecretMissing for what no step of this deployment set."""
    wanted = {split_secret_reference(reference): reference for reference in references}
    rows = await session.scalars(
        select(SecretOutputRow).where(
            SecretOutputRow.deployment == deployment, SecretOutputRow.run_id.in_([run_id for run_id, _ in wanted])
        )
    )
    found = {wanted[key]: _open(sealing, row) for row in rows if (key := (row.run_id, row.name)) in wanted}
    absent = sorted({name for (_, name), reference in wanted.items() if reference not in found})
    if absent:
        raise SecretMissing(f"the step that should have set {', '.join(absent)} left no value for it")
    return found


async def of_deployment(session: AsyncSession, sealing: Sealing, deployment: str) -> list[str]:
    """Everything that steps of this deployment keep secret, with or without a name."""
    rows = await session.scalars(select(SecretOutputRow).where(SecretOutputRow.deployment == deployment))
    return [value for row in rows for value in _values(sealing, row)]


async def forget(session: AsyncSession, deployment: str) -> None:
    """The deployment has ended: nobody may ask for them any more."""
    await session.execute(
        delete(SecretOutputRow)
        .where(SecretOutputRow.deployment == deployment)
        .execution_options(synchronize_session=False)
    )


def _values(sealing: Sealing, row: SecretOutputRow) -> list[str]:
    opened = _open(sealing, row)
    return list(json.loads(opened)) if row.name == _NAMELESS else [opened]


def _open(sealing: Sealing, row: SecretOutputRow) -> str:
    return sealing.open(row.sealed, _row(row.run_id, row.name)).decode()


def _row(run_id: str, name: str) -> str:
    return f"secret-outputs/{run_id}/{name}"
