"""A vote that decides races what would decide otherwise: expiry, cancel, an override, a withdrawal, another plan.

The head start of each is steered towards the tie, so that both sides win. Whoever wins, workflow, table, page and
receipts say so, nothing half done is left, and what is deployed is what was approved.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from trials.acts import Act, Told, send
from trials.agreement import disagreements, end_disagreements
from trials.approval_world import MANAGER, REQUESTER, ApprovalWorld, approval_world
from trials.verdict import Verdict as TrialVerdict

from domain.approval import Approval, Verdict
from storage.clock import utc_now

ANA, BEN = "ana@example.com", "ben@example.com"
_BATCH = 10
_SHORTEST_STEP, _LONGEST_STEP = 0.002, 0.4
_WAKE_BEFORE = timedelta(seconds=0.6)
_EXPECTED = {200, 202, 409}  # 409: what it is to stop or change is over
_One = TypeVar("_One")
_Other = TypeVar("_Other")


async def run(seed: int, amount: int) -> TrialVerdict:
    """So many races, as many against each rival, all rivals at the same time."""
    with tempfile.TemporaryDirectory() as folder:
        async with approval_world(Path(folder)) as world:
            lanes = [kind(world, random.Random(f"{seed} {kind.rival}")) for kind in _RIVALS]
            await asyncio.gather(*(lane.run(-(-amount // len(lanes))) for lane in lanes))
    return TrialVerdict(
        trial="vote_race",
        seed=seed,
        counts={f"races against {lane.rival}": lane.won.total() for lane in lanes},
        fired={f"{winner} won, vote against {lane.rival}": won for lane in lanes for winner, won in lane.won.items()},
        violations=tuple(text for lane in lanes for text in lane.violations),
    )


class HeadStart:
    """By how many seconds the vote is sent before its rival; steered so that now the one wins and now the other."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._lead = 0.0
        self._step = 0.02
        self._vote_won: bool | None = None

    def next(self) -> float:
        return self._lead + self._rng.uniform(-self._step, self._step) / 2

    def note(self, *, vote_won: bool) -> None:
        """Who won has less of a start the next time; who wins again loses more of it."""
        is_turn = self._vote_won is not None and self._vote_won != vote_won
        self._step = min(max(self._step * (0.5 if is_turn else 1.5), _SHORTEST_STEP), _LONGEST_STEP)
        self._lead += -self._step if vote_won else self._step
        self._vote_won = vote_won


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


class Races:
    """The races against one rival, one after the other."""

    rival = ""
    approvers: tuple[str, ...] = (ANA,)
    condition = "failed"  # leaves the job out, so that no agent is needed

    def __init__(self, world: ApprovalWorld, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.start = HeadStart(rng)
        self.won = Counter({"vote": 0, self.rival: 0})
        self.violations: list[str] = []
        self._releases = 0

    async def run(self, amount: int) -> None:
        """So many races, or a few more."""
        while self.won.total() < amount:
            contested = await self.batch(min(_BATCH, amount - self.won.total()))
            for one in contested:
                self.violations += await disagreements(self.world, one.id, one.told)
                self.violations += await end_disagreements(self.world, one.id)
            for release in dict.fromkeys(one.release for one in contested):
                deployments = [one.deployment for one in contested if one.release == release]
                self.violations += await self.world.failed_tasks(release, deployments)

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

    async def both(self, vote: Coroutine[Any, Any, _One], rival: Coroutine[Any, Any, _Other]) -> tuple[_One, _Other]:
        """Send both, the vote with its head start."""
        lead = self.start.next()
        return await asyncio.gather(_after(-lead, vote), _after(lead, rival))

    async def decided(self, one: Contested) -> Approval:
        """As the table has it once there is a verdict."""
        one.row = await self.world.seen(one.id, lambda row: row.verdict.is_final)
        return one.row

    def over(self, *, vote_won: bool) -> None:
        self.start.note(vote_won=vote_won)
        self.won["vote" if vote_won else self.rival] += 1

    def told(self, one: Contested, told: Told, *, stands: bool) -> None:
        """Keep what somebody was told; it must be so. Whoever was told that it is stored was told nothing yet."""
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
        told, answer = await self.both(send(self.world, one.vote(ANA)), canceling)
        row = await self.decided(one)
        self.over(vote_won=row.verdict == Verdict.APPROVED)
        self.told(one, told, stands=row.verdict == Verdict.APPROVED)
        self.expect(one, holds=row.verdict in {Verdict.APPROVED, Verdict.CANCELED}, what=f"is {row.verdict}")
        self.expect(one, holds=answer.status in _EXPECTED, what=f"the cancel was answered {answer}")


class AgainstOverride(Races):
    """A release manager rejects it as it is approved."""

    rival = "override"

    async def race(self, one: Contested) -> None:
        no = one.act(MANAGER, "overrides", "o", choice="reject", digest=one.row.digest, comment="it is a race")
        told, refused = await self.both(send(self.world, one.vote(ANA)), send(self.world, no))
        row = await self.decided(one)
        vote_won = row.verdict == Verdict.APPROVED
        self.over(vote_won=vote_won)
        self.told(one, told, stands=vote_won)
        self.told(one, refused, stands=not vote_won)
        self.expect(one, holds=row.is_overridden != vote_won, what=f"is {row.verdict} by {row.decided_by}")


class AgainstExpiry(Races):
    """It expires as it is approved; each by its own clock, all at the same time."""

    rival = "expiry"

    def policy(self) -> dict[str, Any]:
        return {**super().policy(), "timeout": self.rng.choice(["1s", "2s", "3s"])}

    async def batch(self, number: int) -> list[Contested]:
        """Each as soon as it is asked for: the others have no time to wait for. The first vote comes well in time."""
        ids = await self.released(number)
        return list(await asyncio.gather(*(self._asked_and_raced(one, at) for at, one in enumerate(ids))))

    async def _asked_and_raced(self, approval_id: str, at: int) -> Contested:
        one = await self.asked(approval_id)
        if at:
            await _until(one.row.expires_at - _WAKE_BEFORE)
            await _until(one.row.expires_at - timedelta(seconds=self.start.next()))
        await self.race(one)
        return one

    async def race(self, one: Contested) -> None:
        told = await send(self.world, one.vote(ANA))
        row = await self.decided(one)
        self.over(vote_won=row.verdict == Verdict.APPROVED)
        self.told(one, told, stands=row.verdict == Verdict.APPROVED)
        self.expect(one, holds=row.verdict in {Verdict.APPROVED, Verdict.EXPIRED}, what=f"is {row.verdict}")
        if row.verdict == Verdict.EXPIRED:
            self.expect(one, holds=not row.votes, what="expired with enough votes")


async def _until(moment: datetime) -> None:
    await asyncio.sleep(max((moment - utc_now()).total_seconds(), 0))


class AgainstWithdrawal(Races):
    """The first of two answers is taken back as the second is given. Then they change places, until both stand."""

    rival = "withdrawal"
    approvers = (ANA, BEN)

    async def race(self, one: Contested) -> None:
        stays, comes, number = ANA, BEN, 0
        one.told.append(await send(self.world, one.vote(stays, "v0")))
        while not one.row.verdict.is_final:
            back = one.act(stays, "withdrawals", f"w{number}", vote_id=f"v{number}")
            number += 1
            told, taken = await self.both(send(self.world, one.vote(comes, f"v{number}")), send(self.world, back))
            await self.settled(one, back, f"v{number}")
            vote_won = one.row.verdict.is_final
            self.over(vote_won=vote_won)
            self.told(one, told, stands=True)
            self.told(one, taken, stands=not vote_won)
            stays, comes = comes, stays

    async def settled(self, one: Contested, back: Act, coming: str) -> None:
        """Wait until it is decided, or the one answer is gone and the other is there."""
        gone = f"{back.person} {back.body['vote_id']}"

        def is_settled(row: Approval) -> bool:
            votes = [counted.vote.action_id for counted in row.votes]
            return row.verdict.is_final or (gone in row.withdrawn and votes == [coming])

        one.row = await self.world.seen(one.id, is_settled)


class AgainstPlan(Races):
    """What is deployed changes as it is approved; asked anew, they answer anew, until an answer comes in time."""

    rival = "plan"
    condition = "succeeded"

    async def opened(self, number: int) -> list[Contested]:
        """Each of a release of its own: it is the release whose plan changes."""
        return [one for found in await asyncio.gather(*(self.one_release(1) for _ in range(number))) for one in found]

    async def race(self, one: Contested) -> None:
        level, number = "as written", 0
        while not one.row.verdict.is_final:
            number += 1
            old = one.row.digest
            change = {"variables": {"LEVEL": str(number)}, "comment": "it is a race"}
            changing = self.world.ask(REQUESTER, "POST", f"/releases/{one.release}/variables", change)
            told, answer = await self.both(send(self.world, one.vote(ANA, f"v{number}")), changing)
            one.row = await self.world.seen(one.id, partial(_is_decided_or_asked_anew, old))
            vote_won = one.row.verdict.is_final
            self.over(vote_won=vote_won)
            self.told(one, told, stands=vote_won)
            self.expect(one, holds=answer.status in _EXPECTED, what=f"the change was answered {answer}")
            level = level if vote_won else str(number)
        await self.world.end(one.deployment)
        run_id = f"{one.deployment}/deploy/1/1"
        deployed = [run.environment["LEVEL"] for run in self.world.agent.requests if run.run_id == run_id]
        self.expect(one, holds=deployed == [level], what=f"{level} was approved, {deployed} deployed")


def _is_decided_or_asked_anew(old: str, row: Approval) -> bool:
    return row.verdict.is_final or row.digest != old


_RIVALS: tuple[type[Races], ...] = (AgainstExpiry, AgainstCancel, AgainstOverride, AgainstWithdrawal, AgainstPlan)
