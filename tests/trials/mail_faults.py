"""Mail services at their worst: every approver gets a mail, and no more than one and one for each lost answer.

SendGrid's stand-in is busy, breaks, hangs, drops connections, or takes a mail and loses its answer; for some people it
is down altogether, or refuses the sender. The mail server that steps in then has faults of its own.
"""

import asyncio
import json
import random
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fakes.served import served
from fakes.smtp_server import SmtpFault, SmtpState, smtp_server
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from trials.verdict import Verdict

from activities.notifications import (
    AskApprover,
    IssuedLink,
    Letter,
    MailNotTaken,
    MailTransport,
    MailUnderWay,
    Notifications,
)
from integrations.letters import HtmlLetters
from integrations.sendgrid_mail import SendGridTransport
from integrations.smtp_mail import SmtpServer, SmtpTransport, Tls
from local import sendgrid
from local.faults import Fault, Faults, FaultyApp
from local.sendgrid import SendGridState
from storage.clock import utc_now
from storage.database import Database
from storage.deliveries import SqlDeliveries, deliveries

_SENDER = "slipway@example.com"
_PATIENCE_SECONDS = 0.15
_HANG_SECONDS = 0.3
_MOST_ATTEMPTS = 60
_PAUSE_SECONDS = 0.01
_CALM = 5
_DOWN, _REFUSES_US = "down", "refuses us"

# By name, so that the verdict can tell which of them happened.
_FAULTS: dict[str, Callable[[random.Random], Fault]] = {
    "429": lambda _: Fault(status=429, headers={"X-RateLimit-Reset": str(int(utc_now().timestamp()) + 1)}),
    "5xx": lambda rng: Fault(status=rng.choice([500, 502, 503, 504])),
    "hang": lambda _: Fault(delay=_HANG_SECONDS, reset="before"),
    "late": lambda _: Fault(delay=_HANG_SECONDS),
    "reset": lambda _: Fault(reset="before"),
    "202, then lost": lambda _: Fault(reset="after"),
    _REFUSES_US: lambda _: Fault(status=401),
}
_PASSING = [name for name in _FAULTS if name != _REFUSES_US]
_SMTP_FAULTS: dict[str, Callable[[str], SmtpFault]] = {
    "smtp 451": lambda person: SmtpFault("RCPT", "451 4.3.0 later", recipient=person),
    "smtp lost": lambda person: SmtpFault("END", answer=None, is_taken=True, recipient=person),
    "smtp hang": lambda person: SmtpFault("END", "250 late", delay=_HANG_SECONDS, is_taken=True, recipient=person),
}


@dataclass
class _Person:
    """One approver: what SendGrid does to each try of their mail, and for how long."""

    address: str
    troubles: deque[str]
    always: str = ""

    def next_trouble(self) -> str:
        if self.troubles:
            return self.troubles.popleft()
        return self.always


@dataclass
class _Troubles:
    """The stand-in, with a fault for each request by whom its mail is to."""

    app: ASGIApp
    people: dict[str, _Person]
    rng: random.Random
    fired: Counter[str] = field(default_factory=Counter)
    under_way: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        faults = Faults()
        trouble = self.people[json.loads(body)["personalizations"][0]["to"][0]["email"]].next_trouble()
        if trouble == _DOWN:
            trouble = self.rng.choice(["5xx", "429", "reset"])
        if trouble:
            faults.add(_FAULTS[trouble](self.rng))
            self.fired[trouble] += 1
        self.under_way += 1
        try:
            await FaultyApp(self.app, faults)(scope, _once(body), send)
        finally:
            self.under_way -= 1


def _once(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


@dataclass
class _Watched:
    """A transport, and how often its answer to a mail was lost: then nobody can know whether the mail was taken."""

    transport: MailTransport
    lost: Counter[str]

    def send(self, letter: Letter) -> str:
        try:
            return self.transport.send(letter)
        except MailNotTaken as error:
            if isinstance(error.__cause__, OSError) and not hasattr(error.__cause__, "status_code"):
                self.lost[letter.to] += 1
            raise


class _Links:
    """One link a person, as the real ones."""

    async def issue(self, ask: AskApprover, person: str) -> IssuedLink:
        return IssuedLink(url=f"https://slipway.example.com/approve/{ask.approval_id}/{person}")


async def run(seed: int, mails: int) -> Verdict:
    """So many mails, to groups of up to five people."""
    rng = random.Random(seed)
    people = {person.address: person for person in (_person(number, rng) for number in range(mails))}
    state = SendGridState(mails=deque())
    troubles = _Troubles(sendgrid.create_app(state), people, rng)
    with served(troubles) as url, smtp_server() as smtp, tempfile.TemporaryDirectory() as folder:
        for number, address in enumerate(person.address for person in people.values() if person.always):
            smtp.add(list(_SMTP_FAULTS.values())[number % len(_SMTP_FAULTS)](address))
        database = Database(f"sqlite:///{Path(folder) / 'slipway.db'}")
        await database.migrate()
        trial = _Trial(database, url, smtp)
        asks = list(_asks(list(people), rng))
        # Both workers begin with the same, as when an attempt is handed out again while the first still works.
        twice, rest = asks[::4], [ask for number, ask in enumerate(asks) if number % 4]
        shares = ([*twice, *rest[::2]], [*twice, *rest[1::2]])
        await asyncio.gather(*(trial.ask(ask, worker) for worker, share in enumerate(shares) for ask in share))
        while troubles.under_way:
            await asyncio.sleep(_PAUSE_SECONDS)
        violations = [*trial.violations, *await _violations(trial, people, state)]
        await database.close()
    fired = dict.fromkeys([*_FAULTS, *_SMTP_FAULTS], 0) | troubles.fired | _fired(smtp)
    fired["asked twice at once"] = trial.waits
    return Verdict(
        trial="mail_faults",
        seed=seed,
        counts={"mails": mails, "sent by SendGrid": len(state.mails), "sent by SMTP": len(smtp.mails)}
        | {"answers lost": trial.lost.total(), "attempts": trial.attempts},
        fired=fired,
        violations=tuple(violations),
    )


def _person(number: int, rng: random.Random) -> _Person:
    """The first meet no trouble, the next each trouble there is, so that nothing is missed in a small trial."""
    address = f"p{number}@example.com"
    if number < _CALM:
        return _Person(address, deque())
    if number < _CALM + len(_PASSING):
        return _Person(address, deque([_PASSING[number - _CALM]]))
    if number % 8 == 0:
        return _Person(address, deque(), always=_DOWN)
    if number % 8 == 1:
        return _Person(address, deque(), always=_REFUSES_US)
    return _Person(address, deque(rng.choices(_PASSING, k=rng.choice([0, 1, 1, 2, 3, 5]))))


def _asks(people: list[str], rng: random.Random) -> Iterator[AskApprover]:
    while people:
        size = rng.randint(1, 5)
        members, people[:size] = tuple(people[:size]), []
        yield AskApprover(
            approval_id=f"webshop/{len(people)}/prod/1/before",
            approver="group:ops",
            members=members,
            release_name="webshop",
            pipeline="webshop",
            stage="prod",
            moment="before",
            requested_by="rita@example.com",
            digest="d" * 64,
            expires_at=utc_now() + timedelta(days=1),
        )


def _fired(smtp: SmtpState) -> dict[str, int]:
    names = {("RCPT", 0): "smtp 451", ("END", 0): "smtp lost", ("END", _HANG_SECONDS): "smtp hang"}
    count: Counter[str] = Counter()
    for fault in smtp.faults:
        count[names[fault.verb, fault.delay]] += fault.fired
    return dict(count)


class _Trial:
    """The activity of two workers on a real database, tried again as Temporal would, only sooner."""

    def __init__(self, database: Database, url: str, smtp: SmtpState) -> None:
        self.database = database
        self.smtp = smtp
        self.lost: Counter[str] = Counter()
        self.attempts = self.waits = 0
        self.violations: list[str] = []
        first = SendGridTransport(SecretStr("SG.any"), url, _SENDER, allow_http=True, timeout_seconds=_PATIENCE_SECONDS)
        server = SmtpServer(host=smtp.host, port=smtp.port, tls=Tls.NONE)
        second = SmtpTransport(server, _SENDER, timeout_seconds=_PATIENCE_SECONDS)
        letters = HtmlLetters("https://slipway.example.com")
        self._workers = [
            Notifications(
                _Links(),
                letters,
                SqlDeliveries(database),
                _Watched(first, self.lost),
                fallback=_Watched(second, self.lost),
            )
            for _ in range(2)
        ]

    async def ask(self, ask: AskApprover, worker: int) -> None:
        attempts = 0
        while attempts < _MOST_ATTEMPTS:
            self.attempts += 1
            try:
                report = await ActivityEnvironment().run(self._workers[worker].ask_approver, ask)
            except MailUnderWay:
                self.waits += 1
                await asyncio.sleep(_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001  as Temporal takes it: it tries again unless told not to
                if isinstance(error, ApplicationError) and error.non_retryable:
                    self.violations.append(f"{ask.approval_id} failed for good: {error}")
                    return
                attempts += 1
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self.violations += [f"{person} was given up" for person in report.refused]
                return
        self.violations.append(f"{ask.approval_id} was tried {_MOST_ATTEMPTS} times")


async def _violations(trial: _Trial, people: dict[str, _Person], state: SendGridState) -> list[str]:
    by_sendgrid = Counter(mail.to for mail in state.mails)
    by_smtp = Counter(mail.recipient for mail in trial.smtp.mails)
    found = []
    for address, person in people.items():
        got, most = by_sendgrid[address] + by_smtp[address], 1 + trial.lost[address]
        if not 1 <= got <= most:
            found.append(f"{address} got {got} mails, with {most - 1} answers lost")
        if person.always and not by_smtp[address]:
            found.append(f"{address} got none by SMTP, and SendGrid was no way to them")
    async with trial.database.reading() as session:
        rows = [row for ask in _approvals(len(people)) for row in await deliveries(session, ask)]
    tries = {row.person: row.tries for row in rows}
    found += [f"{row.person}'s mail is {row.status}: {row.error}" for row in rows if row.status != "sent"]
    found += [f"{address} has no delivery" for address in people if address not in tries]
    return found


def _approvals(people: int) -> Iterator[str]:
    return (f"webshop/{number}/prod/1/before" for number in range(people))
