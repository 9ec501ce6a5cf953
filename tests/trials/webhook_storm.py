"""A storm of webhooks: each sent up to five times, shuffled, all at once, beside polls and sweeps that find the same.

Afterwards each build has one release, of itself, and each signed order has one. On the way requests are cut off, and
Temporal is away for a while.
"""

import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from fakes.api_world import World, api_world_in
from fakes.warm_database import IN_MEMORY
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook
from trials.verdict import Verdict

from api.release_start import start_unstarted
from api.triggering import make_waiting
from domain.artifact import VersionOffer
from domain.connection import Connection, ConnectionKind
from domain.pipeline import Pipeline
from domain.role import Role
from domain.trigger import TriggerKind, hit_of_poll
from storage import connections
from storage.triggers import SqlTriggers

PIPELINE = {
    "pipeline": "shop",
    "artifacts": {
        "web": {"jenkins": {"server": "ci", "job": "team/shop"}, "trigger": {"branches": ["main"], "poll": "5m"}},
        "infra": {
            "azure-pipelines": {"connection": "ado", "project": "shop", "pipeline": "infra", "artifact": "drop"},
            "trigger": True,
        },
    },
    "stages": [{"stage": "test", "jobs": [{"job": "deploy", "steps": [{"run": "true"}]}]}],
}
HOOKS = {"jenkins": {"connection": "ci"}, "azure": {"connection": "ado"}, "generic": {"pipelines": ["shop"]}}
_AT_ONCE = 16
_WAVE = 100
_CUT_OFF_PERCENT = 10
_FAULTS = ("sent again", "found by the poll", "cut off", "Temporal away")
Send = Callable[[httpx2.AsyncClient], Awaitable[object]]


@dataclass
class _Storm:
    """What is sent, and what should come of it: versions by alias, as JSON, once each."""

    world: World
    rng: random.Random
    secrets: dict[str, str] = field(default_factory=dict)
    expected: list[str] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(_FAULTS, 0)))
    counts: Counter[str] = field(default_factory=Counter)

    def sendings(self, number: int) -> list[Send]:
        """Of one webhook, as often as it comes."""
        kind = self.rng.choice(sorted(HOOKS))
        send, versions = getattr(self, f"_{kind}")(number)
        times = self.rng.randint(1, 5)
        sends: list[Send] = [self._cut_off(send) if self._happens() else send for _ in range(times - 1)]
        self.counts[kind] += 1
        self.counts["sent"] += times
        self.fired["sent again"] += times - 1
        self.expected.append(json.dumps(versions, sort_keys=True))
        if kind == "jenkins" and self.rng.random() < 1 / 2:
            sends.append(self._poll(number))
        return [*sends, send]

    def _jenkins(self, number: int) -> tuple[Send, dict[str, str]]:
        phase = self.rng.choice(["COMPLETED", "FINALIZED"])
        scm = {"branch": self.rng.choice(["main", "origin/main"])}
        build = {"number": number, "phase": phase, "status": "SUCCESS", "scm": scm}
        body = {"name": "main", "url": "job/team/job/shop/job/main/", "build": build}
        return self._plain("jenkins", body), {"web": f"main#{number}"}

    def _azure(self, number: int) -> tuple[Send, dict[str, str]]:
        definition = {"id": 7, "name": "infra"}
        build = {"id": number, "result": "succeeded", "definition": definition, "project": {"id": "p", "name": "shop"}}
        return self._plain("azure", {"eventType": "build.complete", "resource": build}), {"infra": str(number)}

    def _generic(self, number: int) -> tuple[Send, dict[str, str]]:
        versions = {"web": f"main#{number}"}
        body = json.dumps({"pipeline": "shop", "versions": versions})

        async def send(client: httpx2.AsyncClient) -> httpx2.Response:
            now, message = datetime.now(UTC), f"order-{number}"
            signed = Webhook(self.secrets["generic"]).sign(message, now, body)
            head = {"webhook-id": message, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signed}
            return await client.post("/hooks/generic", content=body, headers=head)

        return send, versions

    def _plain(self, kind: str, body: object) -> Send:
        async def send(client: httpx2.AsyncClient) -> httpx2.Response:
            return await client.post(f"/hooks/{kind}?secret={self.secrets[kind]}", json=body)

        return send

    def _poll(self, number: int) -> Send:
        """As a worker finds it, who only writes it down."""
        hit = hit_of_poll(Pipeline.model_validate(PIPELINE), "web", VersionOffer(version=f"main#{number}"))

        async def look(client: httpx2.AsyncClient) -> None:  # noqa: ARG001  asks nobody
            self.fired["found by the poll"] += 1
            event = hit.model_copy(update={"why_not": ""}).event("shop", TriggerKind.POLL, "web")
            await SqlTriggers(self.world.services.database, self.world.clock).note(event)

        return look

    def _cut_off(self, send: Send) -> Send:
        """The sender goes away while we are at it."""

        async def begin(client: httpx2.AsyncClient) -> None:
            sending = asyncio.ensure_future(send(client))
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(sending), self.rng.random() / 20)
            if sending.cancel():
                self.fired["cut off"] += 1
            with suppress(asyncio.CancelledError):
                await sending

        return begin

    def _happens(self) -> bool:
        return self.rng.random() * 100 < _CUT_OFF_PERCENT


async def run(seed: int, amount: int) -> Verdict:
    """So many webhooks."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        async with api_world_in(Path(folder)) as world:
            return await storm(world, seed, amount)


async def storm(world: World, seed: int, amount: int) -> Verdict:
    """In waves; in the middle of every other one Temporal is away."""
    blowing = _Storm(world, random.Random(seed))
    await _prepare(world, blowing)
    violations = list[str]()
    for first in range(1, amount + 1, _WAVE):
        sends = [send for n in range(first, min(first + _WAVE, amount + 1)) for send in blowing.sendings(n)]
        blowing.rng.shuffle(sends)
        violations += await _wave(world, blowing, sends)
    world.orchestrator.is_reachable = True
    await make_waiting(world.services)
    world.clock.now = datetime.max.replace(year=9998, tzinfo=UTC)
    await start_unstarted(world.services)
    made = Counter(json.dumps(plan.versions, sort_keys=True) for plan in world.orchestrator.started)
    wanted = Counter(blowing.expected)
    violations += [f"{count} releases of {what} instead of {wanted[what]}" for what, count in (made - wanted).items()]
    violations += [f"{count} releases of {what} are missing" for what, count in (wanted - made).items()]
    return Verdict(
        trial="webhook storm",
        seed=seed,
        counts={**blowing.counts, "webhooks": amount, "releases": made.total()},
        fired=dict(blowing.fired),
        violations=tuple(violations),
    )


async def _wave(world: World, blowing: _Storm, sends: Sequence[Send]) -> list[str]:
    gate, refused = asyncio.Semaphore(_AT_ONCE), list[str]()
    async with world.client({}) as client:

        async def one(at: int, send: Send) -> None:
            async with gate:
                if at == len(sends) // 3:
                    world.orchestrator.is_reachable = False
                    blowing.fired["Temporal away"] += 1
                if at == 2 * len(sends) // 3:
                    world.orchestrator.is_reachable = True
                    await make_waiting(world.services)
                answer: Any = await send(client)
                if isinstance(answer, httpx2.Response) and answer.status_code != httpx2.codes.ACCEPTED:
                    refused.append(f"answered {answer.status_code}: {answer.text[:200]}")

        await asyncio.gather(*(one(at, send) for at, send in enumerate(sends)))
    return refused


async def _prepare(world: World, blowing: _Storm) -> None:
    await world.save(PIPELINE)
    kinds = {"ci": ConnectionKind.JENKINS, "ado": ConnectionKind.AZURE_PIPELINES}
    async with world.services.database.transaction() as session:
        for name, kind in kinds.items():
            made = Connection(name=name, kind=kind, url="https://x.example", token=SecretStr("t"))
            await connections.put(session, world.services.sealing, made, world.clock())
    async with world.calling(Role.ADMIN) as admin:
        for kind, about in HOOKS.items():
            answer = await admin.post("/hooks", json={"name": kind, "kind": kind, **about})
            blowing.secrets[kind] = answer.json()["secret"]
