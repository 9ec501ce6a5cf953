"""What a deployment changes in its stage: the artifact versions of this release beside those that are there now."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from domain.artifact import PinnedArtifact
from domain.ids import DeploymentId, ReleaseId
from domain.release import ReleasePlan
from storage import deployments, releases


@dataclass(frozen=True)
class Change:
    """One artifact. ``before`` is None where none is there, ``after`` where this release has none."""

    alias: str
    before: str | None
    after: str | None
    is_same: bool
    digest: str
    detail: str
    url: str = ""


@dataclass(frozen=True)
class Changes:
    """``since`` is the name of the release that was deployed there last; empty for none."""

    since: str
    rows: tuple[Change, ...]


async def changes_of(session: AsyncSession, plan: ReleasePlan, deployment: DeploymentId) -> Changes:
    """Against the last deployment to this stage that went well before this one did."""
    there = await deployments.last_good(session, plan.id.pipeline, deployment.stage, than=deployment)
    row = await releases.get(session, ReleaseId.parse(there.release)) if there is not None else None
    if row is None:
        return Changes(since="", rows=tuple(compare((), plan.artifacts)))
    old = ReleasePlan.model_validate(row.plan)
    return Changes(since=old.name, rows=tuple(compare(old.artifacts, plan.artifacts)))


def compare(old: Iterable[PinnedArtifact], new: Iterable[PinnedArtifact]) -> list[Change]:
    """Artifact by artifact, in the order of the new release, then those that are gone."""
    before = {pin.alias: pin for pin in old}
    after = {pin.alias: pin for pin in new}
    return [_change(alias, before.get(alias), after.get(alias)) for alias in (*after, *(before.keys() - after.keys()))]


def _change(alias: str, old: PinnedArtifact | None, new: PinnedArtifact | None) -> Change:
    pin = new or old
    assert pin is not None, "it is in one of them"
    return Change(
        alias=alias,
        before=old.version if old else None,
        after=new.version if new else None,
        is_same=old is not None and new is not None and old.digest == new.digest,
        digest=pin.digest,
        detail=_detail(old, new),
        url=(new.url or "") if new else "",
    )


def _detail(old: PinnedArtifact | None, new: PinnedArtifact | None) -> str:
    """Branch and commits of what comes; a change under an unchanged version number is what nobody expects."""
    if new is None or (old is not None and old.digest == new.digest):
        return ""
    is_rebuilt = old is not None and old.version == new.version
    parts = [new.branch or "", _commits(old, new), "other bytes" if is_rebuilt else ""]
    return ", ".join(part for part in parts if part)


def _commits(old: PinnedArtifact | None, new: PinnedArtifact) -> str:
    """From the commit that is there to the one that comes, as far as they are known."""
    if not new.commit:
        return ""
    before = old.commit if old else None
    return f"{before[:10]} → {new.commit[:10]}" if before and before != new.commit else new.commit[:10]
