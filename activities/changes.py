"""Find what a deployment changes, with the commits that the sources know. Never stands in a deployment's way."""

import asyncio
import logging
from typing import Protocol

from temporalio import activity

from activities.source_desk import SourceDesk, spoken
from domain.change_outline import Outline, outline
from domain.changes import ArtifactChange, Found, StageChanges, span, with_found
from domain.frozen import Frozen
from domain.ids import DeploymentId
from domain.pipeline import Source
from domain.refusal import Refusal
from domain.release import ReleasePlan

_LONGEST_REASON = 300
_logger = logging.getLogger(__name__)


class Comparison(Frozen):
    """A release beside what is in the stage, as far as the tables know."""

    plan: ReleasePlan
    changes: StageChanges


class ChangeStore(Protocol):
    """Where releases and their deployments are kept, and what was found of their changes."""

    async def compared(self, deployment: DeploymentId) -> Comparison | None:
        """None for a release that is not in the tables."""
        ...

    async def keep(self, deployment: DeploymentId, changes: StageChanges) -> None:
        """Instead of what was kept of this deployment before."""
        ...


class FindChanges(Frozen):
    """Of which deployment."""

    deployment: str


class Changes:
    """Runs on the release worker. Safe to run twice: the same is found and kept."""

    def __init__(self, desk: SourceDesk, store: ChangeStore) -> None:
        self._desk = desk
        self._store = store

    @activity.defn
    async def find_changes(self, wanted: FindChanges) -> Outline | None:
        deployment = DeploymentId.parse(wanted.deployment)
        compared = await self._store.compared(deployment)
        if compared is None:
            return None
        changes = await with_commits(self._desk, compared)
        await self._store.keep(deployment, changes)
        return outline(changes)


async def with_commits(desk: SourceDesk, compared: Comparison) -> StageChanges:
    """Ask the source of each artifact that changes, all at once; what one does not say is told in its place."""
    artifacts = compared.plan.pipeline.artifacts
    asked = [
        _with_commits(desk, artifacts[change.alias].source if change.alias in artifacts else None, change)
        for change in compared.changes.artifacts
    ]
    return compared.changes.model_copy(update={"artifacts": tuple(await asyncio.gather(*asked))})


async def _with_commits(desk: SourceDesk, source: Source | None, change: ArtifactChange) -> ArtifactChange:
    wanted = span(change)
    if source is None or wanted is None:
        return change
    try:
        commits = await desk.ask(source, lambda opened: opened.changes(wanted.since, wanted.until))
    except Refusal as refusal:
        return with_found(change, Found(unknown=f"{str(refusal)[:_LONGEST_REASON]}, commits unknown"))
    except Exception:
        _logger.exception("a source could not tell its commits", extra={"artifact": change.alias})
        return with_found(change, Found(unknown=f"{spoken(source)} could not be understood, commits unknown"))
    return with_found(change, Found(commits=tuple(commits)))
