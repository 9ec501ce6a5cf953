"""Making a release: one row however often and however concurrently it is asked for, then its workflow.

Row and idempotency key are one transaction. Should the workflow not start then, the row stays and the sweep starts
it: starting twice is starting once, because the release's id is the workflow's.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import timedelta

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from api.services import Services
from domain.ids import ReleaseId
from domain.nearest import did_you_mean
from domain.person import Requester
from domain.pipeline import Pipeline
from domain.refusal import Kind, NotFound, Refusal
from domain.release import ReleasePlan, ReleaseRequest, freeze
from domain.trigger import TriggerOutcome
from storage import groups, people, pipelines, releases, triggers

_SWEEP_EVERY_SECONDS = 5.0
_UNSTARTED_FOR = timedelta(seconds=5)
KEY_REUSED = "this Idempotency-Key was used for another request; use a new one"
_log = structlog.get_logger("slipway.api")


class NoSuchPipeline(NotFound):
    """There is no pipeline of that name."""


class KeyReused(Refusal):
    """The Idempotency-Key was used with another request before."""


class EventOver(Refusal):
    """What started the release made one before, or came to nothing."""

    kind = Kind.CONFLICT


class _KeyTaken(Exception):  # noqa: N818  reads as what happened
    """Another request with the same key got there first, after we had looked."""


@dataclass(frozen=True)
class Order:
    """A request for a release, by whom, and the key under which its answer is remembered.

    ``event`` is what started it, where nobody did: the release is made only while that waits, and ends its waiting.
    """

    pipeline: str
    request: ReleaseRequest
    requester: Requester
    key: str | None = None
    event: str | None = None

    @property
    def hash(self) -> str:
        """What a repeated request must equal; the same as it was before anybody could be named in it."""
        unnamed = set() if self.request.requested_for else {"requested_for"}
        request = self.request.model_dump_json(exclude=unnamed)
        return hashlib.sha256(f"{self.pipeline}\0{request}".encode()).hexdigest()


@dataclass(frozen=True)
class Made:
    """The release; ``is_new`` is False when an earlier request with the same key had made it."""

    release: ReleaseId
    is_new: bool


async def make_release(services: Services, order: Order) -> Made:
    """Keep the release and start it; raises NoSuchPipeline, KeyReused, EventOver, or a Refusal that names the flaw."""
    try:
        plan = await _keep(services, order)
    except _KeyTaken:
        plan = None
    if plan is None:
        return Made(await _made_before(services, order), is_new=False)
    await start(services, plan)
    return Made(plan.id, is_new=True)


async def _keep(services: Services, order: Order) -> ReleasePlan | None:
    """The new release's plan; None when the key is known already."""
    async with services.database.transaction() as session:
        if order.key and await releases.remembered(session, order.requester.name, order.key):
            return None
        await _end_waiting(session, services, order)
        plan = await _freeze(session, services, order)
        await releases.add(session, plan, plan.requested_at)
        if order.event:
            await triggers.made(session, order.event, str(plan.id))
        if order.key and not await releases.remember(
            session, order.requester.name, order.key, order.hash, plan.id, plan.requested_at
        ):
            raise _KeyTaken
        return plan


async def _end_waiting(session: AsyncSession, services: Services, order: Order) -> None:
    """First of all, because it makes others who are at the same event wait for us. Raises EventOver."""
    if order.event is None:
        return
    if not await triggers.decide(session, order.event, outcome=TriggerOutcome.MADE, now=services.clock()):
        raise EventOver(f"the event {order.event} of {order.pipeline} does not wait (any more)")


async def _freeze(session: AsyncSession, services: Services, order: Order) -> ReleasePlan:
    revision = await pipelines.latest(session, order.pipeline)
    if revision is None:
        known = [row.name for row in await pipelines.all_pipelines(session)]
        raise NoSuchPipeline(f"there is no pipeline {order.pipeline}{did_you_mean(order.pipeline, known)}")
    number = await releases.next_number(session, order.pipeline)
    return freeze(
        Pipeline.model_validate(revision.definition),
        order.request,
        release=ReleaseId(pipeline=order.pipeline, number=number),
        revision=revision.revision,
        requester=order.requester,
        now=services.clock(),
        groups=await groups.all_groups(session),
        people=await people.primary_of(session),
    )


async def _made_before(services: Services, order: Order) -> ReleaseId:
    async with services.database.reading() as session:
        known = await releases.remembered(session, order.requester.name, order.key or "")
    assert known is not None, "the key was there a moment ago, and is kept for a day"
    if known.request_hash != order.hash:
        raise KeyReused(KEY_REUSED)
    return ReleaseId.parse(known.release)


async def start(services: Services, plan: ReleasePlan) -> None:
    """Start the release's workflow. Failing is no refusal: the sweep tries again."""
    try:
        run_id = await services.orchestrator.start_release(plan)
        async with services.database.transaction() as session:
            await releases.mark_started(session, plan.id, run_id, services.clock())
    except Exception as error:  # noqa: BLE001  recorded, and made good by the sweep
        _log.warning("release not started yet", release=str(plan.id), error=type(error).__name__)


async def start_unstarted(services: Services) -> None:
    """Start every release that was accepted a while ago and whose workflow nobody has seen."""
    async with services.database.reading() as session:
        rows = await releases.unstarted(session, services.clock() - _UNSTARTED_FOR)
    for row in rows:
        try:
            plan = ReleasePlan.model_validate(row.plan)
        except ValidationError as error:
            # One plan that this version cannot read must not keep the others waiting.
            _log.error("release cannot be started", release=row.id, flaws=error.error_count())
            continue
        await start(services, plan)


async def sweep_for_ever(services: Services) -> None:
    """Runs beside the application."""
    while True:
        try:
            await start_unstarted(services)
        except Exception as error:  # noqa: BLE001  recorded; the next round comes
            _log.warning("sweep failed", error=type(error).__name__)
        await asyncio.sleep(_SWEEP_EVERY_SECONDS)
