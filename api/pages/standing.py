"""Where a release stands, in one sentence: what each stage that is under way waits for."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.views import ReleaseView
from domain.status import RunStatus, StageStatus

_MOST_NAMED = 3


@dataclass(frozen=True)
class Underway:
    """One deployment that waits or runs: for something, or because of an obstacle, which is a sentence."""

    stage: str
    status: StageStatus
    waiting_for: str
    obstacle: str = ""


def sentence(waiting_for: str, underway: Iterable[Underway]) -> str:
    """The release's own word first; empty when nothing is under way."""
    if waiting_for:
        return f"Waits for {waiting_for}."
    parts = [_part(one) for one in underway]
    more = len(parts) - _MOST_NAMED
    text = "; ".join(parts[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
    return f"{text}." if text else ""


def _part(one: Underway) -> str:
    if one.obstacle:
        return f"{one.stage} waits: {one.obstacle}"
    if one.waiting_for:
        return f"{one.stage} waits for {one.waiting_for}"
    return f"{one.stage} waits" if one.status == StageStatus.WAITING else f"{one.stage} is being deployed"


def underway_of(release: ReleaseView) -> list[Underway]:
    """Of a whole release; a job that waits for an agent speaks for its deployment."""
    found = []
    for deployment in release.deployments:
        if deployment.status.is_running:
            waiting = next((j.waiting_for for j in deployment.jobs if j.status == RunStatus.WAITING), "")
            obstacle = "" if deployment.waiting_for else waiting
            found.append(Underway(deployment.stage, deployment.status, deployment.waiting_for, obstacle))
    return found
