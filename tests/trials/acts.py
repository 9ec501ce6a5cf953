"""What people do to approvals in a trial, each sent as often as wanted, and everything they were told."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from trials.approval_world import Answer, ApprovalWorld

STORED = 202
_UNAVAILABLE = 503
_TRIES = 5


@dataclass(frozen=True)
class Act:
    """One thing that one person does to one approval; ``what`` is the last part of its address."""

    approval: str
    person: str
    what: str
    body: dict[str, Any] = field(hash=False)

    @property
    def action_id(self) -> str:
        return str(self.body["action_id"])

    @property
    def history_key(self) -> str:
        """As the domain tells actions apart."""
        return f"{self.person} {self.action_id}"


@dataclass(frozen=True)
class Told:
    """The answer to one sending of an act."""

    act: Act
    answer: Answer

    @property
    def kind(self) -> str:
        return str(self.answer.body.get("kind", "refused"))

    @property
    def stands(self) -> bool:
        return bool(self.answer.body.get("stands"))

    @property
    def is_stored(self) -> bool:
        return self.answer.status == STORED

    @property
    def is_fault(self) -> bool:
        """Neither a receipt nor the word that it is stored."""
        return self.answer.status not in {200, STORED}


async def send(world: ApprovalWorld, act: Act) -> Told:
    """Send it once, and again when one is told to try again in a moment: Temporal did not answer in time."""
    path = f"/approvals/{act.approval}/{act.what}"
    for _ in range(_TRIES):
        answer = await world.ask(act.person, "POST", path, act.body)
        if answer.status != _UNAVAILABLE:
            break
        await asyncio.sleep(1)
    return Told(act, answer)


async def send_all(world: ApprovalWorld, acts: Iterable[Act], at_once: int) -> list[Told]:
    """Send each, so many at the same time, beginning in this order."""
    turns = asyncio.Semaphore(at_once)

    async def one(act: Act) -> Told:
        async with turns:
            return await send(world, act)

    return list(await asyncio.gather(*(one(act) for act in acts)))
