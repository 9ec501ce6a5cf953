"""Mailed links against guessing, tampering, sending again, and time: nothing counts but the link, once, while it lasts.

Each part returns how often it did its worst, and what it found that must not be.
"""

import asyncio
import base64
import random
import re
import string
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
from fakes.api_world import World, api_world_in
from sqlalchemy import select
from structlog.testing import capture_logs
from trials.release_desk import Desk, asking, release_desk
from trials.verdict import Verdict

from domain.role import Role
from storage import approvals
from storage.approvals import MOST_WRONG_CODES
from storage.tables import ApprovalLinkRow
from storage.token_hash import token_hash

AT_ONCE = 200
_BY_LOOKUP = 100  # one guess in so many is looked up as the page does it
_BY_HTTP = 500  # and one in so many takes the whole way
_NOT_FOUND, _GONE, _OK = httpx2.codes.NOT_FOUND, httpx2.codes.GONE, httpx2.codes.OK
_LETTERS = string.ascii_letters + string.digits + "-_"
_COUNTED = "Your answer was counted"


@dataclass(frozen=True)
class Tried:
    """How often something was tried, and what should not have been."""

    times: int
    violations: tuple[str, ...] = ()


Part = Callable[[Desk, random.Random, int], Awaitable[Tried]]


async def _mailed(desk: Desk, **policy: object) -> tuple[str, str, str]:
    """An approval that Ana is asked for, and the path and the six digits in her mail. Bo is asked, too."""
    rita = await desk.caller(desk.address("rita"))
    asked = {"approvers": [desk.address("ana"), desk.address("bo")]} | policy
    approval = await desk.ask(await desk.release(rita, await desk.pipeline(asked)))
    link = await desk.link(approval, desk.address("ana"))
    return approval, link.url.removeprefix("http://slipway.test"), link.code


async def _nothing_counts(desk: Desk, approval: str) -> list[str]:
    votes = [c.vote.by for one in (desk.asked(approval), await desk.kept(approval)) for c in one.votes]
    return [f"votes of {votes} count"] if votes else []


async def _still_counts(desk: Desk, approval: str, path: str, **fields: str) -> list[str]:
    """The link that was not touched answers: the trial would notice if nothing did."""
    answer = await desk.send(await desk.browser(), path, **fields)
    is_counted = _COUNTED in answer.text and len((await desk.kept(approval)).votes) == 1
    return [] if is_counted else [f"the true link does not answer: {answer.status_code}"]


async def guess(desk: Desk, chosen: random.Random, amount: int) -> Tried:
    """Random tokens, as long and of such letters as true ones: none has the hash of a link.

    A part of them is looked up as the page does it, and a part of those over HTTP.
    """
    approval, path, _ = await _mailed(desk)
    browser, form = await desk.browser(), {"choice": "approve", "digest": desk.asked(approval).digest}
    tokens = [_made_up(chosen) for _ in range(amount)]
    async with desk.world.services.database.reading() as session:
        known = set(await session.scalars(select(ApprovalLinkRow.token_hash)))
        rows = [await approvals.link(session, token_hash(token)) for token in tokens[::_BY_LOOKUP]]
    found = [f"a made up token is {row.person}'s" for row in rows if row is not None]
    found += [f"{token} has the hash of a link" for token in tokens if token_hash(token) in known]
    found += [] if token_hash(path.removeprefix("/approve/")) in known else ["the true link is not known"]
    for number, token in enumerate(tokens[::_BY_HTTP]):
        way = browser.get(f"/approve/{token}") if number % 2 else browser.post(f"/approve/{token}", data=form)
        status = (await way).status_code
        found += [f"{token}: {status}"] if status != _NOT_FOUND else []
    found += [*await _nothing_counts(desk, approval), *await _still_counts(desk, approval, path)]
    return Tried(amount, tuple(found))


async def guess_bearer_tokens(desk: Desk, chosen: random.Random, amount: int) -> Tried:
    """Of the API: made up, cut, or altered in one place."""
    approval, _, _ = await _mailed(desk)
    ana = await desk.caller(desk.address("ana"), Role.APPROVER)
    true = ana.headers["authorization"].removeprefix("Bearer ")
    tokens = [
        *(f"slw_{_made_up(chosen)}" for _ in range(amount // 2000)),
        *_altered(true, chosen),
        token_hash(true),
        "",
        "null",
    ]
    ballot, found = desk.ballot(approval), []
    for token in tokens:
        client = desk.world.client({"Authorization": f"Bearer {token}"})
        answer = await client.post(f"/approvals/{approval}/votes", json=ballot)
        await client.aclose()
        found += [f"{token}: {answer.status_code}"] if answer.status_code != httpx2.codes.UNAUTHORIZED else []
    found += await _nothing_counts(desk, approval)
    counted = await desk.vote(ana, approval)
    found += [] if counted.json()["stands"] else [f"the true token does not answer: {counted.text}"]
    return Tried(len(tokens), tuple(found))


def _made_up(chosen: random.Random) -> str:
    return base64.urlsafe_b64encode(chosen.randbytes(32)).decode().rstrip("=")


def _altered(token: str, chosen: random.Random) -> list[str]:
    """With each letter another one, each letter in the other case, and without each letter."""
    other = [chosen.choice(_LETTERS.replace(letter, "")) for letter in token]
    changed = [f"{token[:at]}{letter}{token[at + 1 :]}" for at, letter in enumerate(other)]
    cased = [f"{token[:at]}{letter.swapcase()}{token[at + 1 :]}" for at, letter in enumerate(token)]
    cut = [f"{token[:at]}{token[at + 1 :]}" for at in range(len(token))]
    return [one for one in dict.fromkeys([*changed, *cased, *cut]) if one != token]


async def tamper(desk: Desk, chosen: random.Random, _: int) -> Tried:
    """A true token with a letter changed, a little more, or a little less around it is no token."""
    approval, path, _ = await _mailed(desk)
    token = path.removeprefix("/approve/")
    around = [f"{token}=", f"{token}.", f"%20{token}", f"{token}%20", f"{token}%0a", f"{token}%ef%bb%bf", f"{token}/"]
    around += [
        f"{token}/votes",
        f"x/{token}",
        f"../approve/{token}x",
        f"{token}%2f",
        f"{token};x",
        token * 2,
        token[:-1],
    ]
    swapped = token.translate(str.maketrans("-_", "+~"))
    tokens = [*_altered(token, chosen), *around, *([swapped] if swapped != token else []), token_hash(token)]
    browser, form = await desk.browser(), {"choice": "approve", "digest": desk.asked(approval).digest}
    found = []
    for other in tokens:
        answer = await browser.post(f"/approve/{other}", data=form)
        found += [f"{other}: {answer.status_code}"] if answer.status_code != _NOT_FOUND else []
    found += [*await _nothing_counts(desk, approval), *await _still_counts(desk, approval, path)]
    return Tried(len(tokens), tuple(found))


async def use_it_at_once(desk: Desk, chosen: random.Random, _: int) -> Tried:
    """One link two hundred times at the same moment, and again later: one vote, whichever was first."""
    approval, path, _ = await _mailed(desk)
    digest, browser = desk.asked(approval).digest, await desk.browser()

    async def answer(number: int) -> httpx2.Response:
        form = {"choice": chosen.choice(["approve", "approve", "reject"]), "digest": digest}
        return await browser.post(path, data=form | {"action_id": f"a{number % (AT_ONCE // 2)}"})

    first = await asyncio.gather(*(answer(number) for number in range(AT_ONCE)))
    after, lines = desk.asked(approval).votes, len(desk.asked(approval).history)
    later = [await answer(number) for number in range(10)]
    found = [f"{one.status_code}" for one in (*first, *later) if one.status_code not in {_OK, httpx2.codes.CONFLICT}]
    found += [f"{len(after)} votes count"] if len(after) != 1 else []
    found += ["the vote is another one later"] if desk.asked(approval).votes != after else []
    found += ["something else happened"] if len(desk.asked(approval).history) != lines else []
    found += ["the tables tell of other votes"] if (await desk.kept(approval)).votes != after else []
    told = sum(_COUNTED in one.text for one in first)
    found += [f"{told} were told that their answer was counted"] if not 1 <= told <= AT_ONCE // 2 else []
    return Tried(len(first), tuple(found))


async def use_it_after_the_decision(desk: Desk, _: random.Random, __: int) -> Tried:
    """It tells who decided, offers nothing, and changes nothing."""
    approval, path, _code = await _mailed(desk, need="any")
    bo = await desk.caller(desk.address("bo"), Role.APPROVER)
    await desk.vote(bo, approval)
    decided, browser = desk.asked(approval), await desk.browser()
    form = {"digest": decided.digest, "to": desk.address("cleo"), "sure": "yes", "vote_id": "x", "comment": "-"}
    page = await browser.get(path)
    sent = [
        await browser.post(path, data=form | more)
        for more in ({"choice": "approve"}, {"choice": "reject"}, {"do": "withdraw"}, {"do": "reassign"})
    ]
    found = [f"{one.status_code}: {one.text[:200]}" for one in sent if one.is_server_error or _COUNTED in one.text]
    found += ["the decision changed"] if desk.asked(approval) != decided else []
    found += [] if desk.address("bo") in page.text else ["the page does not say who decided"]
    found += ["the page has a form"] if "<form" in page.text else []
    return Tried(len(sent), tuple(found))


async def use_it_too_late(desk: Desk, _: random.Random, __: int) -> Tried:
    """In its last second it is over; a second before, it is not."""
    approval, path, _code = await _mailed(desk, timeout="3d")
    browser, form = await desk.browser(), {"choice": "approve", "digest": desk.asked(approval).digest}
    found, second = [], timedelta(seconds=1)
    for late in (timedelta(0), second, timedelta(days=400)):
        desk.world.clock.move(timedelta(days=3) + late)
        answers = [await browser.get(path), await browser.post(path, data=form)]
        desk.world.clock.move(-timedelta(days=3) - late)
        found += [f"{late} late: {answer.status_code}" for answer in answers if answer.status_code != _GONE]
    found += await _nothing_counts(desk, approval)
    desk.world.clock.move(timedelta(days=3) - second)
    found += await _still_counts(desk, approval, path)
    desk.world.clock.move(second - timedelta(days=3))
    return Tried(6, tuple(found))


async def use_it_when_revoked(desk: Desk, _: random.Random, __: int) -> Tried:
    """By a reassignment, or by a change of the plan; who is asked then has a link that answers."""
    approval, path, _code = await _mailed(desk)
    browser, ana = await desk.browser(), await desk.caller(desk.address("ana"), Role.APPROVER)
    moved = await ana.post(f"/approvals/{approval}/reassignments", json={"to": desk.address("cleo")})
    assert moved.json()["stands"], moved.text
    form = {"choice": "approve", "digest": desk.asked(approval).digest}
    answers = [await browser.get(path), await browser.post(path, data=form)]
    new = (await desk.link(approval, desk.address("cleo"))).url.removeprefix("http://slipway.test")
    await desk.change(await desk.caller(desk.address("dora")), _plan(desk, approval), approval)
    form = {"choice": "approve", "digest": desk.asked(approval).digest}
    answers += [await browser.get(new), await browser.post(new, data=form), await browser.post(path, data=form)]
    found = [f"{answer.status_code}" for answer in answers if answer.status_code != _GONE]
    found += await _nothing_counts(desk, approval)
    newest = (await desk.link(approval, desk.address("cleo"))).url.removeprefix("http://slipway.test")
    found += await _still_counts(desk, approval, newest)
    return Tried(len(answers), tuple(found))


def _plan(desk: Desk, approval: str) -> object:
    pipeline, number = approval.split("/")[:2]
    return next(plan for plan in desk.orchestrator.started if str(plan.id) == f"{pipeline}/{number}")


async def guess_the_digits(desk: Desk, _: random.Random, amount: int) -> Tried:
    """Up to two hundred at the same moment: five are looked at, then the true ones do not answer either."""
    approval, path, code = await _mailed(desk, link="code")
    browser, form = await desk.browser(), {"choice": "approve", "digest": desk.asked(approval).digest}
    wrong = [f"{(int(code) + number) % 10**6:06}" for number in range(1, min(AT_ONCE, amount // 2000) + 1)]
    answers = await asyncio.gather(*(browser.post(path, data=form | {"code": one}) for one in wrong))
    async with desk.world.services.database.reading() as session:
        row = await approvals.link(session, token_hash(path.removeprefix("/approve/")))
    assert row is not None
    told_so = sum("These are not the six digits" in answer.text for answer in answers)
    found = [f"{row.wrong_codes} were looked at"] if row.wrong_codes != MOST_WRONG_CODES else []
    found += [f"{told_so} were told that theirs were wrong"] if not 0 < told_so <= MOST_WRONG_CODES else []
    found += [f"{answer.status_code}" for answer in answers if answer.status_code not in {403, 409}]
    true = await browser.post(path, data=form | {"code": code})
    found += [f"the true digits answer: {true.status_code}"] if "tries" not in true.text else []
    found += await _nothing_counts(desk, approval)
    other = await desk.link(approval, desk.address("bo"))
    found += await _still_counts(desk, approval, other.url.removeprefix("http://slipway.test"), code=other.code)
    return Tried(len(wrong), tuple(found))


async def look_for_it(desk: Desk, _: random.Random, __: int) -> Tried:
    """Neither tables nor log nor any answer has a link's token, or its digits; pages that know it tell nobody."""
    approval, path, code = await _mailed(desk, link="code")
    browser, admin = await desk.browser(), desk.admin
    form = {"choice": "approve", "digest": desk.asked(approval).digest, "code": code, "comment": "fine"}
    with capture_logs() as lines:
        desk.orchestrator.is_reachable = False
        pages = [await browser.post(path, data=form)]
        desk.orchestrator.is_reachable = True
        pages += [
            await browser.get(path),
            await browser.post(path, data={}),
            await browser.post(path, data=form),
            await browser.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"}),
            await browser.put(path),
            await browser.get(f"{path}%00"),
            await browser.get(f"{path}x"),
        ]
    found = [f"{one.status_code} of the page may tell its address" for one in pages if not _tells_nobody(one)]
    found += [f"{one.status_code} leads away: {there}" for one in pages for there in _elsewhere(one.text)]
    release = "/".join(approval.split("/")[:2])
    deployment = approval.rsplit("/", 1)[0]
    ways = [f"/approvals/{approval}", "/approvals", f"/releases/{release}", f"/deployments/{deployment}", "/releases"]
    answers = [await admin.get(way) for way in (*ways, "/outbox", "/tokens", "/people", "/me")]
    token = path.removeprefix("/approve/")
    texts = [*(answer.text for answer in answers), *await _rows(desk.world), *map(str, lines)]
    secret = re.compile(rf"{re.escape(token)}|(?<![0-9a-f]){code}(?![0-9a-f])")
    found += [f"there it is: {text[:200]}" for text in texts if secret.search(text)]
    found += [] if any(token_hash(token) in text for text in texts) else ["its hash is not where it should be"]
    return Tried(len(texts) + len(pages), tuple(found))


def _tells_nobody(page: httpx2.Response) -> bool:
    headers = page.headers
    return headers["referrer-policy"] == "no-referrer" and headers["cache-control"] == "no-store"


def _elsewhere(html: str) -> Iterable[str]:
    """Addresses of other sites in a page, which would see where a visitor comes from."""
    return re.findall(r'(?:href|src|action)="((?:https?:)?//[^"]*)"', html)


async def _rows(world: World) -> list[str]:
    """All that the tables hold, as text."""
    async with world.services.database.reading() as session:
        connection = await session.connection()
        names = await connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        tables = [await connection.exec_driver_sql(f'SELECT * FROM "{name}"') for (name,) in names.all()]
        return [str(tuple(row)) for table in tables for row in table.all()]


PARTS: dict[str, Part] = {
    part.__name__: part
    for part in (
        guess,
        guess_bearer_tokens,
        tamper,
        use_it_at_once,
        use_it_after_the_decision,
        use_it_too_late,
        use_it_when_revoked,
        guess_the_digits,
        look_for_it,
    )
}


async def try_all(world: World, seed: int, amount: int) -> dict[str, Tried]:
    """Every part in this world, at a desk of its own, with so many guesses."""
    world, found = asking(world), dict[str, Tried]()
    for name, part in PARTS.items():
        async with release_desk(world) as desk:
            found[name] = await part(desk, random.Random(f"{seed} {name}"), amount)
    return found


async def run(seed: int, amount: int) -> Verdict:
    """With so many random tokens: 100,000 are enough for what is promised; a million send 2,000 of them over HTTP."""
    with tempfile.TemporaryDirectory() as folder:
        async with api_world_in(Path(folder)) as world:
            found = await try_all(world, seed, amount)
    return Verdict(
        trial="token forgery",
        seed=seed,
        counts=dict(Counter({name: tried.times for name, tried in found.items()})),
        fired={name: tried.times for name, tried in found.items()},
        violations=tuple(f"{name}: {text}" for name, tried in found.items() for text in tried.violations),
    )
