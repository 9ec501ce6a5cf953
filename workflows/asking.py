"""Asking the people of one approval: mails, reminders, deputies. The approval never waits for a mail."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from temporalio import workflow

from activities.notifications import AskApprover, LetterKind, MailReport, Notifications, TellUnreachable
from activities.reminding import BusinessClock, RemindingRequest
from domain.answering import is_one_of
from domain.approval import Approval, Asked, Moment, asked_now, clock, is_requester
from domain.approval_actions import escalate, mail_came_back
from domain.approval_policy import LinkLevel, Order
from domain.artifact import PinnedArtifact
from domain.awaiting import able
from domain.change_outline import Outline
from domain.duration import render
from domain.ids import DeploymentId, approval_id
from domain.person import Requester, is_same_person
from domain.release import ReleasePlan
from domain.reminding import Reminding, plan_reminding
from workflows.abandoned import let_go
from workflows.options import (
    MAIL_HEARTBEAT,
    MAIL_RETRY,
    MAIL_TIMEOUT,
    RECORD_RETRY,
    RECORD_TIMEOUT,
)


class _Place:
    """How far one who was asked has been told. When they are reminded is planned a moment later."""

    def __init__(self, asked_at: datetime) -> None:
        self.asked_at = asked_at
        self.reminding = Reminding()
        self.reminded = 0
        self.is_escalated = False
        self.deputies_told: tuple[str, ...] = ()
        self.why_deputies = ""
        self.is_given_up = False

    def plan(self, reminding: Reminding) -> None:
        """What was escalated before is not escalated again."""
        self.reminding = reminding.model_copy(update={"escalate_at": None}) if self.is_escalated else reminding


class Asking:
    """The mails about one approval. ``replace`` changes the approval when a mail's end comes to be known."""

    def __init__(
        self,
        moment: Moment,
        plan: ReleasePlan,
        deployment: DeploymentId,
        requester: Requester,
        replace: Callable[[Moment, Callable[[Approval], Approval]], None],
        outline: Outline | None = None,
    ) -> None:
        self.plan = plan
        self._moment = moment
        self._deployment = deployment
        self._requester = requester
        self._replace = replace
        self._outline = outline
        self._places: dict[tuple[str, int], _Place] = {}
        self._unreachable: list[str] = []

    async def tell(self, approval: Approval) -> None:
        """Mail those who are asked now and were not told yet; all mails are on their way before anything is awaited."""
        new = [asked for asked in asked_now(approval) if _key(asked) not in self._places]
        for asked in new:
            self._places[_key(asked)] = _Place(workflow.now())
            self._mail(approval, asked, LetterKind.WANTED, asked.members, because=_why_asked(asked))
            if not able(approval, asked, asked.members):
                self._replace(self._moment, partial(self._nobody_able, asked))
        for asked in asked_now(approval):
            self._tell_deputies(approval, asked)
        if new:
            reminding = await self._reminding(approval)
            for asked in new:
                self._places[_key(asked)].plan(reminding)

    def _tell_deputies(self, approval: Approval, asked: Asked) -> None:
        place = self._places[_key(asked)]
        new = tuple(person for person in asked.deputies if person not in place.deputies_told)
        if new:
            place.deputies_told += new
            self._mail(approval, asked, LetterKind.DEPUTY, new, because=place.why_deputies)

    def coming(self, approval: Approval) -> Iterator[tuple[datetime, str]]:
        """The next moment of everybody who is asked, and what happens then."""
        for asked in asked_now(approval):
            place = self._places[_key(asked)]
            at = place.reminding.next_moment(place.reminded)
            if at is not None:
                yield at, f"{'deputies for' if at == place.reminding.escalate_at else 'reminder of'} {asked.approver}"

    def on_time(self, approval: Approval) -> Approval:
        """Remind and escalate where it is time to."""
        now = workflow.now()
        for asked in asked_now(approval):
            place = self._places.get(_key(asked))
            if place is None:
                continue
            due = [at for at in place.reminding.reminders[place.reminded :] if at <= now]
            if due:
                place.reminded += len(due)
                since = f"Asked since {clock(place.asked_at)}."
                self._mail(approval, asked, LetterKind.REMINDER, asked.people, because=since, number=place.reminded)
            if place.reminding.escalate_at is not None and place.reminding.escalate_at <= now:
                wait = render(approval.policy.escalate.after) if approval.policy.escalate else ""
                approval = self._with_deputies(approval, asked, place, f"{asked.approver} has not answered for {wait}")
        return approval

    def unreachable(self, approval: Approval, person: str, reason: str) -> Approval:
        """A mail came back: where nobody can be reached any more, ask the deputies, or tell the requesters."""
        if person in self._unreachable:
            return approval
        self._unreachable.append(person)
        approval = mail_came_back(approval, person, reason, workflow.now())
        for asked in asked_now(approval):
            is_told = _key(asked) in self._places
            members = able(approval, asked, asked.members)
            if not is_told or not all(is_one_of((member,), self._unreachable) for member in members):
                continue
            if all(is_one_of((deputy,), self._unreachable) for deputy in asked.deputies):
                approval = self._needs_others(approval, asked, f"No mail reaches {asked.approver}")
        return approval

    def _nobody_able(self, asked: Asked, approval: Approval) -> Approval:
        """Waiting for them would be waiting in vain."""
        return self._needs_others(
            approval, asked, f"Nobody can answer as {asked.approver}: {_why_not(approval, asked)}"
        )

    def _needs_others(self, approval: Approval, asked: Asked, why: str) -> Approval:
        """Ask the deputies; where there are none (left), tell the requesters, once."""
        place = self._places[_key(asked)]
        after = self._with_deputies(approval, asked, place, why)
        if after == approval and not place.is_given_up:
            place.is_given_up = True
            self._tell_requesters(approval, asked, why)
        return after

    def _with_deputies(self, approval: Approval, asked: Asked, place: _Place, why: str) -> Approval:
        """Let the deputies answer too, those whom nothing keeps from it; that is done once."""
        place.is_escalated = True
        place.plan(place.reminding)
        place.why_deputies = f"{why}."
        policy = approval.policy
        named = self.plan.members(policy.escalate.to) if policy.escalate else ()
        deputies = able(approval, asked.model_copy(update={"deputies": named}), named)
        return escalate(approval, asked.approver, deputies, why, workflow.now())

    async def _reminding(self, approval: Approval) -> Reminding:
        now, policy = workflow.now(), approval.policy
        if policy.business_hours is None:
            return plan_reminding(policy, now, approval.expires_at)
        return await workflow.execute_local_activity_method(
            BusinessClock.plan_reminding,
            RemindingRequest(policy=policy, asked_at=now, expires_at=approval.expires_at),
            start_to_close_timeout=RECORD_TIMEOUT,
            retry_policy=RECORD_RETRY,
            summary="business hours",
        )

    def _mail(
        self,
        approval: Approval,
        asked: Asked,
        kind: LetterKind,
        people: tuple[str, ...],
        *,
        because: str,
        number: int = 0,
    ) -> None:
        wanted = _not_yet_heard(approval, able(approval, asked, people))
        if not wanted:
            return
        ask = self._ask(approval, asked).model_copy(
            update={"kind": kind, "members": wanted, "because": because, "number": number}
        )
        mail = workflow.start_activity_method(
            Notifications.ask_approver,
            ask,
            schedule_to_close_timeout=approval.policy.timeout,
            start_to_close_timeout=min(MAIL_TIMEOUT, approval.policy.timeout),
            heartbeat_timeout=MAIL_HEARTBEAT,
            retry_policy=MAIL_RETRY,
            summary=f"{ask.delivery_kind}: {asked.approver}",
        )
        let_go(mail)
        mail.add_done_callback(self._mailed)

    def _mailed(self, mail: "workflow.ActivityHandle[MailReport]") -> None:
        """Those whom the mail service refused are as unreachable as those whose mail came back."""
        if mail.cancelled() or mail.exception() is not None:
            return
        for person in mail.result().refused:
            self._replace(self._moment, partial(self._refused, person))

    def _refused(self, person: str, approval: Approval) -> Approval:
        return self.unreachable(approval, person, "the mail service refused it")

    def _tell_requesters(self, approval: Approval, asked: Asked, reason: str) -> None:
        names = tuple(name for name in approval.requesters if "@" in name)
        told = workflow.start_activity_method(
            Notifications.tell_unreachable,
            TellUnreachable(
                approval_id=approval_id(self._deployment, self._moment),
                people=names or approval.requester_addresses[:1],
                approver=asked.approver,
                reason=reason,
                release_name=self.plan.name,
                pipeline=self.plan.id.pipeline,
                stage=self._deployment.stage,
                moment=self._moment,
            ),
            schedule_to_close_timeout=approval.policy.timeout,
            start_to_close_timeout=min(MAIL_TIMEOUT, approval.policy.timeout),
            heartbeat_timeout=MAIL_HEARTBEAT,
            retry_policy=MAIL_RETRY,
            summary=f"{LetterKind.UNREACHABLE}: {asked.approver}",
        )
        let_go(told)

    def _ask(self, approval: Approval, asked: Asked) -> AskApprover:
        return AskApprover(
            approval_id=approval_id(self._deployment, self._moment),
            approver=asked.approver,
            members=asked.members,
            round=asked.round,
            place=_place_in_sequence(approval, asked),
            level=LinkLevel.LOGIN if approval.policy.reauthenticate else approval.policy.link,
            release_name=self.plan.name,
            pipeline=self.plan.id.pipeline,
            stage=self._deployment.stage,
            moment=self._moment,
            requested_by=self._requester.name,
            instructions=approval.policy.instructions,
            description=self.plan.description,
            artifacts=tuple(_spell(pin) for pin in self.plan.artifacts),
            changes=self._outline,
            digest=approval.digest,
            expires_at=approval.expires_at,
        )


def _why_not(approval: Approval, asked: Asked) -> str:
    """Why nobody could answer in this place."""
    if not asked.members:
        return f"{asked.approver} has no members"
    if all(is_requester(approval, (member,)) for member in asked.members):
        return f"{asked.approver} requested it"
    return f"everybody in {asked.approver} who did not request it is asked by name"


def _not_yet_heard(approval: Approval, people: tuple[str, ...]) -> tuple[str, ...]:
    """Without those who have answered, for whichever approver: nobody counts twice."""
    voters = [address for counted in approval.votes for address in counted.vote.addresses]
    return tuple(person for person in people if not is_same_person((person,), voters))


def _key(asked: Asked) -> tuple[str, int]:
    return asked.approver, asked.round


def _place_in_sequence(approval: Approval, asked: Asked) -> int:
    """0 for the first, and where all are asked at once: then one mail tells a person of all their places."""
    if approval.policy.order != Order.IN_SEQUENCE:
        return 0
    return [one.approver for one in approval.asked].index(asked.approver)


def _why_asked(asked: Asked) -> str:
    if asked.instead_of:
        return f"You are asked instead of {asked.instead_of}."
    return "What is deployed has changed since you were asked first." if asked.round else ""


def _spell(pin: PinnedArtifact) -> str:
    return f"{pin.alias} {pin.version}"
