"""Votes, the last of which decides, race what would decide otherwise.

That is expiry, cancel, an override, another plan and a withdrawal. The votes' head start is steered towards the tie,
so that both sides win. Whoever wins, workflow, table, page and receipts say so of every vote, nothing half done is
left, and what is deployed is what was approved.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fakes.warm_database import IN_MEMORY
from trials.acts import Act, Told, send
from trials.agreement import disagreements, end_disagreements
from trials.approval_world import MANAGER, REQUESTER, ApprovalWorld, approval_world
from trials.verdict import Verdict as TrialVerdict

from domain.approval import Approval, Verdict
from storage.clock import utc_now

VOTERS = tuple(f"{name}@example.com" for name in ("ana", "ben", "cleo", "dora", "emil", "fritz"))
_BATCH = 10
_MOST_TIMES = 4  # as many races as were asked for, until both sides have won
_EXPIRING_AT_ONCE = 3
_SHORTEST_STEP, _LONGEST_STEP = 0.002, 0.4
_EXPECTED = {200, 202, 409}  # 409: what it is to stop or change is over
_One = TypeVar("_One")


async def run(seed: int, amount: int) -> TrialVerdict:
    """So many votes that race, as many against each rival, all rivals at the same time."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        async with approval_world(Path(folder), sends_mail=False) as world:
            lanes = [kind(world, random.Random(f"{seed} {kind.rival}")) for kind in _RIVALS]
            await asyncio.gather(*(lane.run(-(-amount // len(lanes))) for lane in lanes))
    return TrialVerdict(
        trial="vote_race",
        seed=seed,
        counts={f"votes against {lane.rival}": lane.won.total() for lane in lanes}
        | {f"verdicts by votes against {lane.rival}": lane.decided_by_votes for lane in lanes},
        fired={f"{winner} won, vote against {lane.rival}": won for lane in lanes for winner, won in lane.won.items()},
        violations=tuple(text for lane in lanes for text in lane.violations),
    )


class HeadStart:
    """By how many seconds the votes are sent before their rival; steered so that now they decide, and now it does."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._lead = 0.0
        self._step = 0.02
        self._votes_won: bool | None = None

    def next(self) -> float:
        """For one vote."""
        return self._lead + self._rng.uniform(-self._step, self._step)

    def note(self, *, votes_won: bool) -> None:
        """Who decided has less of a start the next time; who decides again loses more of it."""
        is_turn = self._votes_won is not None and self._votes_won != votes_won
        self._step = min(max(self._step * (0.5 if is_turn else 1.5), _SHORTEST_STEP), _LONGEST_STEP)
        self._lead += -self._step if votes_won else self._step
        self._votes_won = votes_won


@dataclass
class Contested:
    """One approval that is raced for, maybe several times, and what everybody was told about it."""

    id: str
    row: Approval
    told: list[Told] = field(default_factory=list)

    @property
    def deployment(self) -> str:
        return self.id.rpartition("/")[0]

    @property
    def release(self) -> str:
        return "/".join(self.id.split("/")[:2])

    def act(self, person: str, what: str, action_id: str, **body: Any) -> Act:
        return Act(approval=self.id, person=person, what=what, body={"action_id": action_id, **body})

    def vote(self, person: str, action_id: str = "v") -> Act:
        return self.act(person, "votes", action_id, choice="approve", digest=self.row.digest)

    def has_counted(self, act: Act) -> bool:
        return any((c.vote.by, c.vote.action_id) == (act.person, act.action_id) for c in self.row.votes)


class Races:
    """The races against one rival. All who are asked must approve, so that the last vote decides."""

    rival = ""
    approvers: tuple[str, ...] = VOTERS
    condition = "failed"  # leaves the job out, so that no agent is needed

    def __init__(self, world: ApprovalWorld, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.start = HeadStart(rng)
        self.won = Counter({"vote": 0, self.rival: 0})
        self.decided_by_votes = 0
        self.violations: list[str] = []
        self._releases = 0

    async def run(self, amount: int) -> None:
        """So many votes that race, or a few more; and on, until both sides have won."""
        while (left := self.left(amount)) > 0:
            contested = await self.batch(min(_BATCH, -(-left // len(self.approvers))))
            for one in contested:
                self.violations += await disagreements(self.world, one.id, one.told)
                self.violations += await end_disagreements(self.world, one.id)
            for release in dict.fromkeys(one.release for one in contested):
                deployments = [one.deployment for one in contested if one.release == release]
                self.violations += await self.world.failed_tasks(release, deployments)

    def left(self, amount: int) -> int:
        """How many are to race yet. The votes' head start is learned from the races, and now and then slowly."""
        left = amount - self.won.total()
        if left <= 0 and not all(self.won.values()) and self.won.total() < amount * _MOST_TIMES:
            return 1
        return left

    async def batch(self, number: int) -> list[Contested]:
        """Race for so many approvals, which are all asked for before the first."""
        contested = await self.opened(number)
        for one in contested:
            await self.race(one)
        return contested

    async def opened(self, number: int) -> list[Contested]:
        return await self.one_release(number)

    async def one_release(self, stages: int) -> list[Contested]:
        return list(await asyncio.gather(*(self.asked(one) for one in await self.released(stages))))

    async def asked(self, approval_id: str) -> Contested:
        """The approval once somebody is asked."""
        return Contested(approval_id, await self.world.seen(approval_id))

    async def released(self, stages: int) -> list[str]:
        """The approvals that a new release will ask for."""
        self._releases += 1
        pipeline = f"{self.rival}-{self._releases}"
        job = {"job": "deploy", "condition": self.condition, "steps": [{"run": "deploy"}]}
        await self.world.save(
            pipeline,
            [{"stage": f"s{at}", "before": {"approval": self.policy()}, "jobs": [job]} for at in range(stages)],
            variables={"LEVEL": {"value": "as written", "settable": True}},
        )
        release = await self.world.release(pipeline)
        return [f"{release}/s{at}/1/before" for at in range(stages)]

    def policy(self) -> dict[str, Any]:
        return {"approvers": list(self.approvers), "remind": "never", "link": "login"}

    async def race(self, one: Contested) -> None:
        """Until there is a verdict."""
        raise NotImplementedError

    async def all_at_once(self, votes: list[Act], rival: Coroutine[Any, Any, _One]) -> tuple[list[Told], _One]:
        """Send all of them, each vote with its head start."""
        leads = [self.start.next() for _ in votes]
        longest = max(0.0, *leads)
        sent = [_after(longest - lead, send(self.world, vote)) for vote, lead in zip(votes, leads, strict=True)]
        told = asyncio.gather(*sent)
        answer = await _after(longest, rival)
        return await told, answer

    async def decided(self, one: Contested) -> Approval:
        """As the table has it once there is a verdict."""
        one.row = await self.world.seen(one.id, lambda row: row.verdict.is_final)
        return one.row

    def over(self, *, votes_won: bool) -> None:
        self.start.note(votes_won=votes_won)
        self.decided_by_votes += votes_won

    def voted(self, one: Contested, told: list[Told], counted: Callable[[Act], bool]) -> None:
        """Keep what the voters were told; it must be so."""
        for each in told:
            self.won["vote" if counted(each.act) else self.rival] += 1
            self.told(one, each, stands=counted(each.act))

    def told(self, one: Contested, told: Told, *, stands: bool) -> None:
        """Whoever was told that it is stored was told nothing yet."""
        one.told.append(told)
        is_so = told.is_stored or told.stands == stands
        self.expect(one, holds=is_so, what=f"{told.act.what} of {told.act.person}: told {told.answer.body}")

    def expect(self, one: Contested, *, holds: bool, what: str) -> None:
        if not holds:
            self.violations.append(f"{one.id}: {what}")


async def _after(seconds: float, coroutine: Coroutine[Any, Any, _One]) -> _One:
    await asyncio.sleep(max(seconds, 0))
    return await coroutine


class AgainstCancel(Races):
    """The deployment is canceled as it is approved."""

    rival = "cancel"

    async def race(self, one: Contested) -> None:
        path = f"/deployments/{one.deployment}/cancel"
        canceling = self.world.ask(REQUESTER, "POST", path, {"reason": "it is a race"})
        told, answer = await self.all_at_once([one.vote(person) for person in VOTERS], canceling)
        row = await self.decided(one)
        self.over(votes_won=row.verdict == Verdict.APPROVED)
        self.voted(one, told, one.has_counted)
        self.expect(one, holds=row.verdict in {Verdict.APPROVED, Verdict.CANCELED}, what=f"is {row.verdict}")
        self.expect(one, holds=answer.status in _EXPECTED, what=f"the cancel was answered {answer}")


class AgainstOverride(Races):
    """A release manager rejects it as it is approved."""

    rival = "override"

    async def race(self, one: Contested) -> None:
        no = one.act(MANAGER, "overrides", "o", choice="reject", digest=one.row.digest, comment="it is a race")
        told, refused = await self.all_at_once([one.vote(person) for person in VOTERS], send(self.world, no))
        row = await self.decided(one)
        votes_won = row.verdict == Verdict.APPROVED
        self.over(votes_won=votes_won)
        self.voted(one, told, one.has_counted)
        self.told(one, refused, stands=not votes_won)
        self.expect(one, holds=row.is_overridden != votes_won, what=f"is {row.verdict} by {row.decided_by}")


class AgainstExpiry(Races):
    """It expires as it is approved; each by its own clock, a few at the same time."""

    rival = "expiry"

    def policy(self) -> dict[str, Any]:
        return {**super().policy(), "timeout": self.rng.choice(["2s", "3s"])}

    async def batch(self, number: int) -> list[Contested]:
        """Each as soon as it is asked for: the others have no time to wait for."""
        released = await self.released(min(number, _EXPIRING_AT_ONCE))
        return list(await asyncio.gather(*(self._asked_and_raced(one) for one in released)))

    async def _asked_and_raced(self, approval_id: str) -> Contested:
        one = await self.asked(approval_id)
        await self.race(one)
        return one

    async def race(self, one: Contested) -> None:
        """The first vote comes well in time; the others come near the end."""
        first, *others = [one.vote(person) for person in VOTERS]
        early = await send(self.world, first)
        told = await asyncio.gather(
            *(self._send_at(one.row.expires_at - timedelta(seconds=self.start.next()), vote) for vote in others)
        )
        row = await self.decided(one)
        self.over(votes_won=row.verdict == Verdict.APPROVED)
        self.told(one, early, stands=one.has_counted(first))
        self.voted(one, told, one.has_counted)
        self.expect(one, holds=row.verdict in {Verdict.APPROVED, Verdict.EXPIRED}, what=f"is {row.verdict}")

    async def _send_at(self, moment: datetime, vote: Act) -> Told:
        await asyncio.sleep(max((moment - utc_now()).total_seconds(), 0))
        return await send(self.world, vote)


class AgainstWithdrawal(Races):
    """The first of two answers is taken back as the second is given. Then they change places, until both stand."""

    rival = "withdrawal"
    approvers = VOTERS[:2]

    async def race(self, one: Contested) -> None:
        stays, comes = self.approvers
        number = 0
        one.told.append(await send(self.world, one.vote(stays, "v0")))
        while not one.row.verdict.is_final:
            back = one.act(stays, "withdrawals", f"w{number}", vote_id=f"v{number}")
            number += 1
            vote = one.vote(comes, f"v{number}")
            [told], taken = await self.all_at_once([vote], send(self.world, back))
            one.row = await self.world.seen(one.id, partial(_is_decided_or_changed, back, vote))
            vote_won = one.row.verdict.is_final
            self.over(votes_won=vote_won)
            self.won["vote" if vote_won else self.rival] += 1
            self.told(one, told, stands=True)
            self.told(one, taken, stands=not vote_won)
            stays, comes = comes, stays


def _is_decided_or_changed(back: Act, vote: Act, row: Approval) -> bool:
    is_back = f"{back.person} {back.body['vote_id']}" in row.withdrawn
    return row.verdict.is_final or (is_back and [vote.action_id] == [c.vote.action_id for c in row.votes])


class AgainstPlan(Races):
    """What is deployed changes as it is approved; asked anew, they answer anew, until all answers come in time."""

    rival = "plan"
    condition = "succeeded"

    async def batch(self, number: int) -> list[Contested]:
        """Each of a release of its own: it is the release whose plan changes. Several rounds make do with fewer."""
        opened = await asyncio.gather(*(self.one_release(1) for _ in range(-(-number // 2))))
        contested = [one for [one] in opened]
        for one in contested:
            await self.race(one)
        return contested

    async def race(self, one: Contested) -> None:
        level, number = "as written", 0
        while not one.row.verdict.is_final:
            number += 1
            old = one.row
            change = {"variables": {"LEVEL": str(number)}, "comment": "it is a race"}
            changing = self.world.ask(REQUESTER, "POST", f"/releases/{one.release}/variables", change)
            votes = [one.vote(person, f"v{number}") for person in VOTERS]
            told, answer = await self.all_at_once(votes, changing)
            one.row = await self.world.seen(one.id, partial(_is_decided_or_asked_anew, old.digest))
            votes_won = one.row.verdict.is_final
            self.over(votes_won=votes_won)
            # What was counted for the old plan is void, and still in the history.
            lines = one.row.history[len(old.history) :]
            counted = {line.by for line in lines if line.text.startswith("approved")}
            self.voted(one, told, partial(_is_of_one_of, counted))
            self.expect(one, holds=answer.status in _EXPECTED, what=f"the change was answered {answer}")
            level = level if votes_won else str(number)
        await self.world.end(one.deployment)
        run_id = f"{one.deployment}/deploy/1/1"
        deployed = [run.environment["LEVEL"] for run in self.world.agent.requests if run.run_id == run_id]
        self.expect(one, holds=deployed == [level], what=f"{level} was approved, {deployed} deployed")


def _is_of_one_of(people: set[str], vote: Act) -> bool:
    return vote.person in people


def _is_decided_or_asked_anew(old: str, row: Approval) -> bool:
    return row.verdict.is_final or row.digest != old


_RIVALS: tuple[type[Races], ...] = (AgainstExpiry, AgainstCancel, AgainstOverride, AgainstWithdrawal, AgainstPlan)
