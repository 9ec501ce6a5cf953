"""Every part told to end by SIGTERM under load, and started again: no job fails, no request is lost, all exit with 0.

The next agent starts on the state folder of the one before, as in an upgrade.
"""

import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from fakes.installation import Installation, wait_for
from trials.marked_steps import MarkedSteps
from trials.verdict import Verdict

_AGENTS = ("upgraded-1", "upgraded-2")
_PARTS = ("api", "worker", *_AGENTS)
_WHEN_UP = {"worker": "release worker started"} | dict.fromkeys(_AGENTS, "ready")
_SLOTS = 4
_ENDS_WITHIN = 60.0
_CLIENT_PATIENCE = 20.0
_ENDED_WITHIN = 120.0


async def run(seed: int, ends: int) -> Verdict:
    """So many SIGTERMs, of all parts in turn."""
    with tempfile.TemporaryDirectory() as folder, Installation(Path(folder) / "slipway") as slipway:
        return strike(slipway, seed, ends)


def strike(slipway: Installation, seed: int, ends: int) -> Verdict:
    """The trial in an installation that runs."""
    for name in _AGENTS:
        slipway.agent(name, slots=_SLOTS, pool="upgraded")
    trial = _Trial(slipway, seed)
    with ThreadPoolExecutor(len(_PARTS) + 2) as pool:
        around = [pool.submit(trial.load), pool.submit(trial.ask)]
        shares = [ends // len(_PARTS) + (number < ends % len(_PARTS)) for number in range(len(_PARTS))]
        list(pool.map(trial.upgrade, _PARTS, shares))
        trial.is_over.set()
        for task in around:
            task.result()
    trial.judge()
    return Verdict(
        trial="orderly_ends",
        seed=seed,
        counts=dict(trial.counts),
        fired={f"SIGTERM of {part}": 0 for part in _PARTS} | {"an agent had a job": 0} | trial.fired,
        violations=tuple(trial.violations),
    )


class _Trial:
    def __init__(self, slipway: Installation, seed: int) -> None:
        self._slipway = slipway
        self._seed = seed
        self._works: dict[str, MarkedSteps] = {}
        self.is_over = threading.Event()
        self.counts: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.violations: list[str] = []

    def load(self) -> None:
        """A few releases at a time, one after the other."""
        rng = random.Random(self._seed)
        number = 0
        while not self.is_over.is_set():
            name = f"r18-{self._seed}-{number}"
            job = {"pool": "upgraded", "rejoin": "2m"}
            marks = self._slipway.folder / f"{name}.marks"
            work = MarkedSteps.drawn(name, marks, rng, stages=4, steps=2, longest=1.5, **job)
            release = self._patiently(lambda work=work: work.release(self._slipway))  # type: ignore[misc]
            self._works[release] = work
            number += 1
            wait_for(lambda release=release: self._may_go_on(release), _ENDED_WITHIN)  # type: ignore[misc]

    def _may_go_on(self, release: str) -> bool:
        return self.is_over.is_set() or bool(self._slipway.view(release)["finished_at"])

    def _patiently(self, ask: Callable[[], str]) -> str:
        """As a client does that tries again."""
        deadline = time.monotonic() + _CLIENT_PATIENCE
        while True:
            try:
                return ask()
            except (httpx2.TransportError, AssertionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def ask(self) -> None:
        """Somebody looks all the time; a look that fails is tried again."""
        while not self.is_over.is_set():
            began = time.monotonic()
            self._slipway.ok("GET", "/api/v1/agents")
            self.counts["requests"] += 1
            self.counts["slowest answer, seconds"] = max(
                self.counts["slowest answer, seconds"], round(time.monotonic() - began)
            )
            time.sleep(0.5)

    def upgrade(self, part: str, times: int) -> None:
        rng = random.Random(f"{self._seed}/{part}")
        for _ in range(times):
            wait_for(lambda: self._is_up(part), what=f"{part} is up")
            time.sleep(rng.uniform(0.5, 2.0))
            if part in _AGENTS:
                wait_for(lambda: list((self._folder(part) / "leases").iterdir()), _ENDED_WITHIN, f"{part} has a job")
                self.fired["an agent had a job"] += 1
            code = self._slipway.kill(part, signal.SIGTERM, within=_ENDS_WITHIN)
            self.fired[f"SIGTERM of {part}"] += 1
            if code != 0:
                self.violations.append(f"{part} ended with {code}")
            self._slipway.log_file(part).write_bytes(b"")
            self._slipway.start(part)

    def _is_up(self, part: str) -> bool:
        """A process that is told to end while it still imports what it needs has nothing to end in order."""
        return self._slipway.is_ready() if part == "api" else _WHEN_UP[part] in self._slipway.log(part)

    def _folder(self, agent: str) -> Path:
        return self._slipway.folder / "agents" / agent

    def judge(self) -> None:
        """Every release that was started ends well."""
        for release, work in self._works.items():
            self._slipway.ended(release, within=_ENDED_WITHIN)
            self.violations += work.violations(self._slipway, release)
            self.counts.update({"releases": 1, "steps": len(work.runs(release))})
