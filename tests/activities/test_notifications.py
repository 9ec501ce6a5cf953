"""Mails are sent once, whatever happens between sending and writing it down; and by the other way when one fails."""

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.notifications import (
    AskApprover,
    Claim,
    DeliveryStatus,
    IssuedLink,
    Letter,
    LetterKind,
    MailNotTaken,
    MailRefused,
    MailReport,
    MailUnderWay,
    Notifications,
    SenderRefused,
    TellDecisionWanted,
    TellNoRelease,
    TellUnreachable,
)

ASK = AskApprover(
    approval_id="webshop/41/prod/1/before",
    approver="group:ops",
    members=("ana@example.com", "bo@example.com"),
    release_name="webshop-41",
    pipeline="webshop",
    stage="prod",
    moment="before",
    requested_by="rita@example.com",
    digest="d" * 64,
    expires_at=datetime(2026, 11, 26, 14, 0, tzinfo=UTC),
)
ANA, BO = ASK.members
TOLD = TellUnreachable(
    approval_id="webshop/41/prod/1/before",
    people=("rita@example.com", "remo@example.com"),
    approver="ana@example.com",
    reason="no mail reaches ana@example.com",
    release_name="webshop-41",
    pipeline="webshop",
    stage="prod",
    moment="before",
)


WANTED = TellDecisionWanted(
    run_id="webshop/41/prod/1/deploy/2/1",
    deployment="webshop/41/prod/1",
    people=("rita@example.com",),
    title="Smoke test",
    question="Smoke test failed: exit code 7",
    choices=("run it again", "let the job fail"),
    expires_at=ASK.expires_at,
    release_name="webshop-41",
    pipeline="webshop",
    stage="prod",
)


class Links:
    """One for each place, person and round."""

    async def issue(self, ask: AskApprover, person: str) -> IssuedLink:
        return IssuedLink(url=f"https://slipway.example.com/{ask.approver}/{person}/{ask.round}")


class Letters:
    """As short as they can be."""

    def approval_wanted(self, ask: AskApprover, person: str, link: IssuedLink, delivery_id: str) -> Letter:
        return Letter(delivery_id=delivery_id, to=person, subject=ask.kind, text=link.url, html="")

    def approver_unreachable(self, told: TellUnreachable, person: str, delivery_id: str) -> Letter:
        return Letter(delivery_id=delivery_id, to=person, subject=LetterKind.UNREACHABLE, text=told.reason, html="")

    def no_release(self, told: TellNoRelease, person: str, delivery_id: str) -> Letter:
        return Letter(delivery_id=delivery_id, to=person, subject=LetterKind.NO_RELEASE, text=told.reason, html="")

    def decision_wanted(self, told: TellDecisionWanted, person: str, delivery_id: str) -> Letter:
        return Letter(delivery_id=delivery_id, to=person, subject=LetterKind.DECISION, text=told.question, html="")


@dataclass
class Deliveries:
    """In memory. ``dies_at_sent`` is a worker killed before it wrote down that it had sent."""

    dies_at_sent: int = 0
    status: dict[str, DeliveryStatus] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    decided: set[str] = field(default_factory=set)

    async def claim(self, approval_id: str, person: str, kind: str) -> Claim | None:
        key = f"{approval_id} {kind} {person}"
        if self.status.setdefault(key, DeliveryStatus.PENDING) != DeliveryStatus.PENDING:
            return None
        if key in self.under_way:
            raise MailUnderWay(key)
        self.tries[key] += 1
        self.under_way.add(key)
        return Claim(delivery_id=key, tries=self.tries[key] - 1)

    async def is_decided(self, approval_id: str) -> bool:
        return approval_id in self.decided

    async def sent(self, delivery_id: str, message_id: str) -> None:
        if self.dies_at_sent:
            self.dies_at_sent -= 1
            raise ConnectionError(f"the database is gone, and {message_id} with it")
        self._end(delivery_id, DeliveryStatus.SENT)

    async def failed(self, delivery_id: str, error: str, *, for_good: bool) -> None:
        self.errors[delivery_id] = error
        self._end(delivery_id, DeliveryStatus.FAILED if for_good else DeliveryStatus.PENDING)

    async def refused(self, approval_id: str, people: tuple[str, ...]) -> tuple[str, ...]:
        lost = {key for key, status in self.status.items() if status.is_refused}
        return tuple(person for person in people if any(key.endswith(f" {person}") for key in lost))

    def forget_who_sends(self) -> None:
        """As time does."""
        self.under_way.clear()

    def _end(self, delivery_id: str, status: DeliveryStatus) -> None:
        self.under_way.discard(delivery_id)
        self.status[delivery_id] = status


@dataclass
class Transport:
    """``ends`` says how the next mails to a person end: an error, or None for well."""

    ends: dict[str, list[Exception | None]] = field(default_factory=dict)
    sent: list[Letter] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)

    def send(self, letter: Letter) -> str:
        self.tried[letter.to] += 1
        ends = self.ends.get(letter.to, [])
        error = ends.pop(0) if ends else None
        if error is not None:
            raise error
        self.sent.append(letter)
        return f"message-{len(self.sent)}"

    @property
    def people(self) -> list[str]:
        return sorted(letter.to for letter in self.sent)


@dataclass
class World:
    """The activities and what is around them."""

    deliveries: Deliveries = field(default_factory=Deliveries)
    first: Transport = field(default_factory=Transport)
    second: Transport | None = None

    async def ask(self, ask: AskApprover = ASK, *, attempt: int = 1) -> MailReport:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=attempt)
        report = await environment.run(self._notifications().ask_approver, ask)
        assert isinstance(report, MailReport)
        return report

    async def tell(self, told: TellUnreachable = TOLD) -> None:
        await ActivityEnvironment().run(self._notifications().tell_unreachable, told)

    async def tell_decision(self, told: TellDecisionWanted = WANTED) -> None:
        await ActivityEnvironment().run(self._notifications().tell_decision_wanted, told)

    def _notifications(self) -> Notifications:
        return Notifications(Links(), Letters(), self.deliveries, self.first, fallback=self.second)


@pytest.fixture
def world() -> World:
    return World()


async def test_each_member_gets_one_mail_with_a_link_of_their_own(world):
    """And nobody else's."""
    assert MailReport() == await world.ask()
    assert [ANA, BO] == world.first.people
    assert [f"https://slipway.example.com/group:ops/{person}/0" for person in ASK.members] == sorted(
        letter.text for letter in world.first.sent
    )


async def test_run_again_it_sends_nothing_again(world):
    """As after a worker that died just before it reported."""
    await world.ask()
    await world.ask()
    assert [ANA, BO] == world.first.people


async def test_what_was_sent_and_not_written_down_is_sent_once_more(world):
    """With the same delivery id and the same link, so that mail programs and approvals see one."""
    world.deliveries.dies_at_sent = 1
    alone = ASK.model_copy(update={"members": (ANA,)})
    with pytest.raises(ConnectionError):
        await world.ask(alone)
    world.deliveries.forget_who_sends()
    await world.ask(alone)
    await world.ask(alone)
    first, second = world.first.sent
    assert first == second


async def test_a_mail_that_somebody_else_is_sending_is_left_to_them(world):
    """The activity comes again, and by then knows what became of it."""
    world.deliveries.under_way.add(f"{ASK.approval_id} approval wanted {ANA}")
    with pytest.raises(MailUnderWay):
        await world.ask()
    assert [BO] == world.first.people


async def test_trouble_with_one_keeps_no_mail_from_another(world):
    """And is raised in the end, so that it is tried again."""
    world.first.ends[ANA] = [MailNotTaken("SendGrid answered 503")]
    with pytest.raises(MailNotTaken):
        await world.ask()
    assert [BO] == world.first.people
    assert ["SendGrid answered 503"] == list(world.deliveries.errors.values())
    await world.ask()
    assert [ANA, BO] == world.first.people


async def test_a_refused_mail_is_reported_and_fails_nothing(world):
    """The approval goes on, and somebody else can be asked."""
    world.first.ends[ANA] = [MailRefused("no such mailbox")]
    assert MailReport(refused=(ANA,)) == await world.ask()
    assert MailReport(refused=(ANA,)) == await world.ask()
    assert (1, [BO]) == (world.first.tried[ANA], world.first.people)


async def test_the_service_that_says_when_to_come_back_is_heard(world):
    """Before other troubles, which say nothing of it."""
    busy = ApplicationError("busy", next_retry_delay=timedelta(seconds=60))
    world.first.ends = {ANA: [MailNotTaken("503")], BO: [busy]}
    with pytest.raises(ApplicationError) as raised:
        await world.ask()
    assert timedelta(seconds=60) == raised.value.next_retry_delay


async def test_the_text_of_an_error_that_is_not_ours_is_not_kept(world):
    """Nobody knows what it holds."""
    world.first.ends[ANA] = [RuntimeError("SG.secret-key")]
    with pytest.raises(RuntimeError):
        await world.ask()
    assert ["RuntimeError"] == list(world.deliveries.errors.values())


async def test_a_reminder_a_new_round_and_a_deputy_are_mails_of_their_own(world):
    """The same one twice is one."""
    alone = ASK.model_copy(update={"members": (ANA,)})
    changes = [
        {"kind": LetterKind.REMINDER, "number": 1},
        {"kind": LetterKind.REMINDER, "number": 2},
        {"round": 1},
        {"kind": LetterKind.REMINDER, "number": 1, "round": 1},
        {"kind": LetterKind.DEPUTY},
    ]
    for change in [{}, *changes, *changes]:
        await world.ask(alone.model_copy(update=change))
    assert 6 == len(world.first.sent)


async def test_a_person_who_is_named_twice_gets_one_mail(world):
    """As somebody may be both member and deputy."""
    await world.ask(ASK.model_copy(update={"members": (ANA, BO, ANA)}))
    assert [ANA, BO] == world.first.people


async def test_requesters_are_told_once_for_each_approver(world):
    """However often it is found."""
    for approver in (ANA, BO, ANA):
        await world.tell(TOLD.model_copy(update={"approver": approver}))
    assert ["remo@example.com"] * 2 + ["rita@example.com"] * 2 == world.first.people


async def test_requesters_are_told_once_of_each_question(world):
    """Of another run of the step again."""
    for run in ("deploy/2/1", "deploy/2/2", "deploy/2/1"):
        await world.tell_decision(WANTED.model_copy(update={"run_id": f"{WANTED.deployment}/{run}"}))
    assert ["rita@example.com"] * 2 == world.first.people


async def test_after_three_failed_tries_the_other_way_is_taken(world):
    """Not before."""
    world.second = Transport()
    alone = ASK.model_copy(update={"members": (ANA,)})
    world.first.ends[ANA] = [MailNotTaken("503")] * 9
    for _ in range(3):
        with pytest.raises(MailNotTaken):
            await world.ask(alone)
        assert [] == world.second.people
    await world.ask(alone)
    assert (3, [ANA]) == (world.first.tried[ANA], world.second.people)


async def test_from_then_on_the_two_ways_take_turns(world):
    """The first may be well again while the second is not."""
    world.second = Transport(ends={ANA: [MailNotTaken("451")] * 9})
    alone = ASK.model_copy(update={"members": (ANA,)})
    world.first.ends[ANA] = [MailNotTaken("503")] * 4
    for _ in range(6):
        with pytest.raises(MailNotTaken):
            await world.ask(alone)
    await world.ask(alone)
    assert (5, 2, [ANA]) == (world.first.tried[ANA], world.second.tried[ANA], world.first.people)


async def test_a_service_that_refuses_us_is_passed_by_at_once(world):
    """A bad key is no reason to wait."""
    world.second = Transport()
    world.first.ends[ANA] = [SenderRefused("401")]
    await world.ask()
    assert ([BO], [ANA]) == (world.first.people, world.second.people)


async def test_without_another_way_a_mail_waits_for_the_key_to_be_mended(world):
    """It is not lost: nothing is wrong with it, or with the person."""
    world.first.ends[ANA] = [SenderRefused("SendGrid takes no mail from us (401)")]
    with pytest.raises(SenderRefused):
        await world.ask()
    assert MailReport() == await world.ask()
    assert [ANA, BO] == world.first.people


async def test_a_mail_that_is_refused_is_not_tried_the_other_way(world):
    """It is the mail or its address that is wrong."""
    world.second = Transport()
    world.first.ends[ANA] = [MailRefused("no such mailbox")]
    assert MailReport(refused=(ANA,)) == await world.ask()
    assert [] == world.second.people


async def test_once_it_is_decided_no_mail_asks_for_an_answer(world):
    """One that the service did not take before is not tried again; who requested it is told all the same."""
    world.first.ends[ANA] = [MailNotTaken("SendGrid answered 503")]
    with pytest.raises(MailNotTaken):
        await world.ask()
    world.deliveries.decided.add(ASK.approval_id)
    assert MailReport() == await world.ask(attempt=2)
    await world.tell()
    assert [BO, "remo@example.com", "rita@example.com"] == world.first.people


async def test_what_only_the_other_way_refuses_waits_for_the_first(world):
    """That one has said nothing against the person yet; the reason is kept until it takes the mail."""
    world.second = Transport(ends={ANA: [MailRefused("550 we relay for nobody else")]})
    alone = ASK.model_copy(update={"members": (ANA,)})
    world.first.ends[ANA] = [MailNotTaken("503")] * 3
    for _ in range(4):
        with pytest.raises(MailNotTaken):
            await world.ask(alone)
    assert ["550 we relay for nobody else"] == list(world.deliveries.errors.values())
    assert MailReport() == await world.ask(alone)
    assert (1, [ANA]) == (world.second.tried[ANA], world.first.people)


async def test_whom_all_ways_refuse_is_reported(world):
    """Whichever was asked first."""
    world.second = Transport(ends={ANA: [MailRefused("550 no such user")]})
    world.first.ends[ANA] = [SenderRefused("401"), MailRefused("no such mailbox")]
    alone = ASK.model_copy(update={"members": (ANA,)})
    with pytest.raises(MailNotTaken):
        await world.ask(alone)
    assert MailReport(refused=(ANA,)) == await world.ask(alone)
    assert (2, 1) == (world.first.tried[ANA], world.second.tried[ANA])


class Stuck:
    """A transport that sends nothing until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()

    def send(self, letter: Letter) -> str:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        self.let_go.wait(10)
        with self._lock:
            self._at_once -= 1
        return letter.delivery_id


async def test_a_mail_that_takes_too_long_is_given_up_and_tried_again():
    """Whatever the transport thinks of time-outs."""
    deliveries, stuck = Deliveries(), Stuck()
    notifications = Notifications(Links(), Letters(), deliveries, stuck, send_within_seconds=0.05)
    with pytest.raises(TimeoutError):
        await ActivityEnvironment().run(notifications.ask_approver, ASK)
    stuck.let_go.set()
    assert {"TimeoutError"} == set(deliveries.errors.values())
    assert MailReport() == await ActivityEnvironment().run(notifications.ask_approver, ASK)


async def test_only_a_few_mails_are_under_way_at_once(eventually):
    """The rest of the worker needs threads, too."""
    stuck = Stuck()
    notifications = Notifications(Links(), Letters(), Deliveries(), stuck)
    many = ASK.model_copy(update={"members": tuple(f"p{number}@example.com" for number in range(20))})
    asking = asyncio.create_task(ActivityEnvironment().run(notifications.ask_approver, many))
    await eventually(lambda: stuck.most_at_once == 4)
    stuck.let_go.set()
    await asking
    assert 4 == stuck.most_at_once


async def test_of_a_trigger_that_failed_each_is_told_once(world):
    """However often the workflow asks; another event is another mail."""
    told = TellNoRelease(event_id="e1", pipeline="webshop", people=(ANA,), what="jenkins ci", reason="no such variable")
    notifications = world._notifications()
    for one in (told, told, told.model_copy(update={"event_id": "e2"})):
        await ActivityEnvironment().run(notifications.tell_no_release, one)
    assert [ANA, ANA] == world.first.people
