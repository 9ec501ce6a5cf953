"""What the API answers about changes: what a release brings to a stage, and what it takes away."""

from datetime import datetime

from api.view import View
from api.views import ArtifactView
from domain.changes import ArtifactChange, StageChanges, Way
from domain.release import ReleasePlan


class CommitView(View):
    """A commit, and ``version``, the build with which it first came."""

    commit: str
    message: str
    author: str | None
    at: datetime | None
    url: str | None
    version: str


class ArtifactChangeView(View):
    """One artifact: ``before`` is in the stage now, ``after`` is this release's; None where there is none.

    ``commits`` come with it, newest first, or are taken away (``is_taken_away``) by a rollback. ``left_out`` counts
    those that are not listed; ``unknown`` says why there are none. ``note`` is what nobody expects of it.
    """

    alias: str
    way: Way
    before: ArtifactView | None
    after: ArtifactView | None
    note: str
    is_taken_away: bool
    commits: list[CommitView]
    left_out: int
    unknown: str


class BaseView(View):
    """The last good deployment of another release at the stage."""

    release: str
    name: str
    deployment: str
    finished_at: datetime | None


class ChangesView(View):
    """What a release changes in a stage, beside ``base``, which is None for the first deployment there.

    ``deployment`` began with these changes; None for a preview of what would change now. ``is_there``: the release
    that is previewed is what is in the stage already. ``summary`` is one sentence.
    """

    release: str
    name: str
    stage: str
    deployment: str | None
    is_preview: bool
    is_there: bool
    is_first: bool
    is_rollback: bool
    summary: str
    base: BaseView | None
    artifacts: list[ArtifactChangeView]


class NotesView(View):
    """Release notes: the release in a few words, and what it changes in a stage."""

    release: str
    name: str
    stage: str
    description: str
    requested_by: str
    requested_for: str
    created_at: datetime
    changes: ChangesView


def changes_view(changes: StageChanges, deployment: str | None, *, is_there: bool = False) -> ChangesView:
    """The view of these changes; without a deployment they are a preview."""
    base = changes.base
    return ChangesView(
        release=changes.release,
        name=changes.name,
        stage=changes.stage,
        deployment=deployment,
        is_preview=deployment is None,
        is_there=is_there,
        is_first=changes.is_first,
        is_rollback=changes.is_rollback,
        summary=changes.summary,
        base=BaseView.model_validate(base.model_dump()) if base else None,
        artifacts=[_artifact(artifact) for artifact in changes.artifacts],
    )


def notes_view(plan: ReleasePlan, changes: ChangesView) -> NotesView:
    """The same as the text says."""
    return NotesView(
        release=str(plan.id),
        name=changes.name,
        stage=changes.stage,
        description=plan.description,
        requested_by=plan.requested_by,
        requested_for=plan.requested_for,
        created_at=plan.requested_at,
        changes=changes,
    )


def _artifact(change: ArtifactChange) -> ArtifactChangeView:
    before, after = (
        ArtifactView.model_validate(pin.model_dump()) if pin else None for pin in (change.before, change.after)
    )
    return ArtifactChangeView(
        alias=change.alias,
        way=change.way,
        before=before,
        after=after,
        note=change.note,
        is_taken_away=change.is_taken_away,
        commits=[CommitView.model_validate(commit.model_dump()) for commit in change.commits],
        left_out=change.left_out,
        unknown=change.unknown,
    )
