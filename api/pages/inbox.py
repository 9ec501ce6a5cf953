"""The inbox: the approvals that wait for a person, and one answer to several of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from api.approval_actions import Author, author
from api.approval_filter import ApprovalFilter
from api.approval_views import ApprovalView
from api.auth import Approver, Caller, Viewer
from api.bulk_votes import AddressedBallot, BallotResult, cast_all
from api.inputs import Cursor
from api.pages.approval_forms import NotFilledIn, action_id, read_choice
from api.pages.forms import Form, SentForm
from api.pages.notices import status_of_result, told_of
from api.pages.rendering import render
from api.pages.viewer import is_awaited, require_own_form
from api.pages.wording import requester
from api.queries import approval_page, intervention_view
from api.services import Services, ServicesHere
from api.views import InterventionView
from domain.approval import Verdict
from domain.approval_policy import Proof
from domain.ids import DeploymentId, deployment_of_run, split_approval_id
from domain.role import Role
from storage import deployments, groups, pipelines, releases
from storage.tables import StepRunRow

router = APIRouter(prefix="/approvals", include_in_schema=False)
_AT_ONCE = 50
_ANY = "any"
_LONGEST_COMMENT = 2000


@dataclass(frozen=True)
class Wanted:
    """Which approvals are listed, as the address says: whatever makes no sense is left out."""

    everybody: Annotated[str, Query(max_length=10)] = ""
    pipeline: Annotated[str, Query(max_length=63)] = ""
    stage: Annotated[str, Query(max_length=63)] = ""
    group: Annotated[str, Query(max_length=63)] = ""
    verdict: Annotated[str, Query(max_length=20)] = ""
    cursor: Cursor = None

    @property
    def filter(self) -> ApprovalFilter:
        verdict = Verdict(self.verdict) if self.verdict in set(Verdict) else Verdict.PENDING
        return ApprovalFilter(
            pipeline=self.pipeline or None,
            stage=self.stage.strip() or None,
            group=self.group or None,
            verdict="any" if self.verdict == _ANY else verdict,
        )

    def address(self, **other: str) -> str:
        """The list with some things else."""
        asked = {name: getattr(self, name) for name in ("everybody", "pipeline", "stage", "group", "verdict")} | other
        given = {name: value for name, value in asked.items() if value}
        return f"/approvals?{urlencode(given)}" if given else "/approvals"


@dataclass(frozen=True)
class Line:
    """One approval in the list. ``is_weak``: one must sign in again first; ``wants`` is what an answer needs."""

    view: ApprovalView
    release_name: str
    may_answer: bool
    is_weak: bool = False
    wants: str = ""
    requesters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """A step whose job waits until somebody decides how it goes on."""

    run: StepRunRow
    release_name: str
    deployment: DeploymentId
    asked: InterventionView


@router.get("")
async def inbox(
    request: Request, caller: Viewer, services: ServicesHere, wanted: Annotated[Wanted, Depends()]
) -> Response:
    """What waits for this person; for a release manager who asks, what waits for anybody."""
    return await _page(request, services, caller, wanted)


@router.post("")
async def answer(
    request: Request, caller: Approver, services: ServicesHere, wanted: Annotated[Wanted, Depends()], form: SentForm
) -> Response:
    """Answer those that were ticked, each for the plan that was listed, and show what became of each."""
    require_own_form(request, form.text("csrf"))
    try:
        ballots = _ballots(form)
    except NotFilledIn as missing:
        return await _page(request, services, caller, wanted, form=form, problem=str(missing))
    given = await cast_all(services, await author(services, caller), ballots)
    return await _page(request, services, caller, wanted, results=given.results)


def _ballots(form: Form) -> tuple[AddressedBallot, ...]:
    """Raises NotFilledIn."""
    ticked = list(dict.fromkeys(form.texts("approval")))
    if not ticked:
        raise NotFilledIn("Tick the approvals that you answer first; nothing was sent.")
    choice = read_choice(form)
    name = f"{action_id(form)}-{choice}"
    comment = form.text("comment", _LONGEST_COMMENT)
    digests = form.below("digest.")
    try:
        return tuple(
            AddressedBallot(approval=one, digest=digests.get(one, ""), choice=choice, comment=comment, action_id=name)
            for one in ticked[:_AT_ONCE]
        )
    except ValidationError as invalid:
        raise NotFilledIn("This list is out of date; nothing was sent.") from invalid


async def _page(  # noqa: PLR0913  what differs between asking, asking again and answering
    request: Request,
    services: Services,
    caller: Caller,
    wanted: Wanted,
    *,
    form: Form | None = None,
    problem: str = "",
    results: Sequence[BallotResult] = (),
) -> Response:
    is_everybody = bool(wanted.everybody) and caller.role.includes(Role.RELEASE_MANAGER)
    me = await author(services, caller)
    async with services.database.reading() as session:
        person = None if is_everybody else me.person.address
        page = await approval_page(session, person=person, wanted=wanted.filter, limit=_AT_ONCE, cursor=wanted.cursor)
        listed = {item.release for item in page.items}
        names = await releases.names_of(session, listed)
        people = await releases.requested_for(session, listed)
        choices = {
            "pipelines": [row.name for row in await pipelines.all_pipelines(session)],
            "groups": list(await groups.all_groups(session)),
        }
        decisions = await _decisions(session, wanted.filter) if caller.role.includes(Role.RELEASER) else []
    is_mine = not is_everybody and wanted.filter.verdict == Verdict.PENDING
    lines = [
        _line(item, names[item.release], me, is_mine=is_mine, requested_for=people.get(item.release, ""))
        for item in page.items
    ]
    return render(
        request,
        "approvals.html",
        caller=caller,
        http_status=422 if problem else max(map(status_of_result, results), default=200),
        section="Approvals",
        wanted=wanted,
        verdicts=[_ANY, *(verdict.value for verdict in Verdict if verdict != Verdict.PENDING)],
        everybody=is_everybody,
        lines=lines if caller.role.includes(Role.APPROVER) else [replace(line, may_answer=False) for line in lines],
        decisions=decisions,
        choices=choices,
        told=[(result.approval, _named(result.approval), told_of(result)) for result in results],
        problem=problem,
        comment=form.text("comment") if form else "",
        ticked=form.texts("approval") if form else [],
        next_href=wanted.address(cursor=page.next_cursor) if page.next_cursor else "",
    )


async def _decisions(session: AsyncSession, wanted: ApprovalFilter) -> list[Decision]:
    """They are for every releaser, so neither asked of a group nor of a person."""
    if wanted.verdict != Verdict.PENDING or wanted.group:
        return []
    found = [
        (row, deployment_of_run(row.id), asked)
        for row in await deployments.asked_runs(session)
        if (asked := intervention_view(row))
    ]
    names = await releases.names_of(session, {str(deployment.release) for _, deployment, _ in found})
    return [
        Decision(row, names[str(deployment.release)], deployment, asked)
        for row, deployment, asked in found
        if wanted.pipeline in {None, deployment.release.pipeline} and wanted.stage in {None, deployment.stage}
    ]


def _named(approval: str) -> str:
    """``webshop/41 to prod, before the deployment``."""
    deployment, moment = split_approval_id(approval)
    return f"{deployment.release} to {deployment.stage}, {moment} the deployment"


def _line(view: ApprovalView, release_name: str, me: Author, *, is_mine: bool, requested_for: str) -> Line:
    may_answer = is_mine or is_awaited(me.person, view)
    order = list(Proof)
    is_weak = order.index(me.proof) < order.index(view.proof)
    wants = "needs a comment" if view.comment_required else ""
    return Line(
        view=view,
        release_name=release_name,
        may_answer=may_answer and not is_weak,
        is_weak=may_answer and is_weak,
        wants=wants if may_answer else "",
        requesters=_requesters(view, requested_for),
    )


def _requesters(view: ApprovalView, requested_for: str) -> tuple[str, ...]:
    """Who requested the release comes first, and with the person it was requested for."""
    first, others = view.requesters[:1], view.requesters[1:]
    return (*(requester(name, requested_for) for name in first), *others)
